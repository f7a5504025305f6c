//! Ctrl-C, SIGTERM and a closed terminal: the first ends the run with its report, the second at once.

use std::io;
use std::thread;

use plimsoll_load::shard::Stop;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Watch for signals from now on. The receiver tells when the user wants to stop.
///
/// # Errors
/// When the system refuses the watch.
pub fn watch() -> io::Result<watch::Receiver<Stop>> {
    let (wish, stop) = watch::channel(Stop::No);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let enter = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    drop(enter);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                if wish.send_replace(Stop::Soon) != Stop::No {
                    // Targets end with the pipe they were given, so none outlives this.
                    eprintln!("plimsoll: stopped without a report; `plimsoll report DIR` makes one");
                    std::process::exit(130);
                }
                eprintln!("plimsoll: stopping; once more to stop without a report");
            }
        });
    })?;
    Ok(stop)
}
