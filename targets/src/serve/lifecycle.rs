//! Signals, the parent's pipe, and an orderly end.

use std::io::Read as _;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::args::{QueueKind, Settings};
use crate::engine::Running;
use crate::error::Error;
use crate::http::routes::{Mode, Service};
use crate::queue::QueueError;

/// How long an orphan may take to end.
const ORPHAN_LIMIT: Duration = Duration::from_secs(2);

/// What may end the server.
pub(super) struct Lifecycle {
    terminate: Signal,
    interrupt: Signal,
    parent: mpsc::Receiver<()>,
    orphaned: bool,
    /// Keeps the channel open when nobody watches a parent.
    _watched: Option<mpsc::Sender<()>>,
}

impl Lifecycle {
    pub fn start(settings: &Settings) -> Result<Self, Error> {
        let watch = |kind| signal(kind).map_err(|source| Error::Io { what: "cannot watch signals", source });
        let (sender, parent) = mpsc::channel(1);
        let watched = if settings.args.exit_with_parent {
            watch_parent(sender)?;
            None
        } else {
            Some(sender)
        };
        Ok(Self {
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
            parent,
            orphaned: false,
            _watched: watched,
        })
    }

    /// Returns when a signal came or the parent is gone. Cancel-safe.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.parent.recv(), if !self.orphaned => self.orphaned = true,
        }
    }

    /// Returns when the server is to stop; with the error if its store failed.
    pub async fn until_stopped(&mut self, service: &Service) -> Option<QueueError> {
        let Mode::Queued(queued) = &service.mode else {
            self.asked().await;
            return None;
        };
        let mut failed = queued.engine.failed();
        tokio::select! {
            () = self.asked() => None,
            error = failed.wait_for(Option::is_some) => error.ok().and_then(|error| error.clone()),
        }
    }

    /// How long the end may take.
    pub fn limit(&self, settings: &Settings) -> Duration {
        let limit = settings.args.drain_timeout;
        // Less than the orphan's limit, so that it ends by itself and tidies up.
        if self.orphaned { limit.min(Duration::from_millis(1500)) } else { limit }
    }

    /// Finishes what is in progress, within the limit; a second signal cuts that short.
    pub async fn stop(
        &mut self,
        settings: &Settings,
        service: &Service,
        running: Option<Running>,
        serving: JoinHandle<()>,
    ) {
        let deadline = Instant::now() + self.limit(settings);
        let finish = finish(settings, service, running, serving, deadline);
        tokio::select! {
            () = finish => {}
            () = self.asked() => eprintln!("warning: stopped a second time: not waiting for work"),
        }
    }
}

async fn finish(
    settings: &Settings,
    service: &Service,
    running: Option<Running>,
    serving: JoinHandle<()>,
    deadline: Instant,
) {
    let (Mode::Queued(queued), Some(running)) = (&service.mode, running) else {
        if tokio::time::timeout_at(deadline, serving).await.is_err() {
            let left = match &service.mode {
                Mode::Sync(sync) => sync.waiting() + sync.working(),
                Mode::Queued(_) => 0,
            };
            eprintln!("warning: {left} requests were cut off by the drain time-out");
        }
        return;
    };
    let engine = &queued.engine;
    // What is only in memory has to be worked off now, or is lost.
    if settings.args.queue == QueueKind::Memory {
        let now = Instant::now();
        queued.drain(deadline.saturating_duration_since(now)).await;
    }
    let cut_off = engine.stop(running, deadline).await;
    let _ = tokio::time::timeout_at(deadline, serving).await;
    if let Ok(depth) = engine.backend.depth().await {
        let waiting = depth.ready + depth.delayed + depth.in_flight;
        if settings.args.queue == QueueKind::Memory && waiting > 0 {
            eprintln!("warning: {waiting} jobs were abandoned with the queue in memory");
        } else if cut_off > 0 {
            eprintln!("warning: {cut_off} jobs were cut off; they will be delivered again");
        }
    }
    engine.backend.close().await;
}

/// Reads standard input to its end: the parent holds the other end of the pipe, and the kernel
/// closes it however the parent dies.
fn watch_parent(gone: mpsc::Sender<()>) -> Result<(), Error> {
    let watch = move || {
        let mut buffer = [0; 256];
        loop {
            match std::io::stdin().read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = gone.blocking_send(());
        // Whatever hangs, no orphan outlives this.
        std::thread::sleep(ORPHAN_LIMIT);
        std::process::exit(0);
    };
    std::thread::Builder::new()
        .name("parent-watch".to_owned())
        .spawn(watch)
        .map(drop)
        .map_err(|source| Error::Io { what: "cannot watch the parent", source })
}

/// Every connection is a descriptor: takes as many as the hard limit allows.
pub(super) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Refused, the old limit stays; the accept loop copes with running out.
    let _ = setrlimit(Resource::Nofile, raised);
}
