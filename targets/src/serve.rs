//! Starting, serving, stopping.

mod assemble;
mod lifecycle;
mod standalone;

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::args::{ServeArgs, Settings, Shape, Workload};
use crate::clock::{Clock, boot_id};
use crate::error::Error;
use crate::http::routes::Mode;
use crate::http::server::{self, Shutdown};
use lifecycle::Lifecycle;

/// Serves a workload until SIGTERM or SIGINT, on a runtime of its own.
///
/// Once everything listens, one JSON line on standard output says where; warnings go to standard
/// error. Blocks the calling thread.
///
/// # Errors
/// If the flags do not go together, an address is taken, the data directory cannot be used, or
/// the job store fails; [`Error::exit_code`] tells the caller's mistakes from others.
pub fn serve(args: ServeArgs) -> Result<ExitCode, Error> {
    let settings = Settings::check(args)?;
    lifecycle::raise_descriptor_limit();
    // Each worker may have the tail of one pause, or of one a subscriber, on a blocking thread.
    let blocking = settings.workers * (1 + settings.args.subscribers as usize) + 16;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.threads)
        .max_blocking_threads(blocking.clamp(64, 4096))
        .enable_all()
        .build()
        .map_err(|source| Error::Io { what: "cannot start the runtime", source })?;
    let outcome = runtime.block_on(run(settings));
    // Nothing of worth is left on it: what mattered was awaited.
    runtime.shutdown_background();
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn run(settings: Settings) -> Result<(), Error> {
    let lifecycle = Lifecycle::start(&settings)?;
    match settings.args.workload {
        Workload::SmtpSink => standalone::smtp_sink(settings, lifecycle).await,
        Workload::Gateway => standalone::gateway(settings, lifecycle).await,
        _ => serve_workload(settings, lifecycle).await,
    }
}

async fn serve_workload(settings: Settings, mut lifecycle: Lifecycle) -> Result<(), Error> {
    // First of all: a port that is taken should cost no time.
    let listener = server::bind(settings.args.listen, "--listen").await?;
    let (peers_off, peers_shutdown) = Shutdown::new();
    let data = assemble::Data::open(settings.args.data.as_deref())?;
    let clock = Clock::monotonic();
    let parts = assemble::work(&settings, &data, &clock, &peers_shutdown).await?;
    let (service, running) = assemble::service(&settings, &data, &clock, parts)?;
    let service = Arc::new(service);

    let durability = match &service.mode {
        Mode::Sync(_) => "none",
        Mode::Queued(queued) => queued.engine.backend.capabilities().durability.label(),
    };
    announce(&listener, &settings, json!({"durability": durability}))?;

    let (off, shutdown) = Shutdown::new();
    let handler = {
        let service = Arc::clone(&service);
        move |request| {
            let service = Arc::clone(&service);
            async move { Ok(service.handle(request).await) }
        }
    };
    let connections = settings.args.max_connections as usize;
    let serving = tokio::spawn(server::run(listener, connections, shutdown, handler));

    let failure = lifecycle.until_stopped(&service).await;
    off.send_replace(true);
    lifecycle.stop(&settings, &service, running, serving).await;
    peers_off.send_replace(true);
    match failure {
        Some(error) => Err(Error::Queue(error)),
        None => Ok(()),
    }
}

/// The ready line: exactly one on standard output.
fn announce(listener: &TcpListener, settings: &Settings, more: Value) -> Result<(), Error> {
    use std::io::Write as _;
    let io = |what| move |source| Error::Io { what, source };
    let address = listener.local_addr().map_err(io("cannot read the address listened on"))?;
    let args = &settings.args;
    let queue = if settings.shape == Shape::Sync { "none" } else { args.queue.name() };
    let mut ready = json!({
        "url": format!("http://{address}"),
        "workload": args.workload.name(),
        "shape": settings.shape.name(),
        "pid": std::process::id(),
        "workers": args.workers,
        "queue": queue,
        "durability": "none",
        "queue_capacity": args.queue_capacity,
        "service_time": settings.service_time.to_string(),
        "seed": args.seed,
        "clock": {"kind": "monotonic", "boot_id": boot_id()},
    });
    if let (Some(ready), Value::Object(more)) = (ready.as_object_mut(), more) {
        ready.extend(more);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", json!({ "ready": ready }))
        .and_then(|()| out.flush())
        .map_err(io("cannot write the ready line"))
}
