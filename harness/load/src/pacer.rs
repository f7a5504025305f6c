//! Waits for an intended start, never returning before it.

use std::io;
use std::os::fd::OwnedFd;

use plimsoll_model::plan::Pacing;
use plimsoll_model::time::Nanos;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::clock::Clock;

/// Sleeps until instants of a [`Clock`].
///
/// The runtime's own timer has a resolution of 1 ms, which would show as lateness (and has, in
/// other tools, shown as the server's latency); so the kernel wakes us by a timer descriptor.
#[derive(Debug)]
pub struct Pacer {
    clock: Clock,
    pacing: Pacing,
    timer: Option<AsyncFd<OwnedFd>>,
}

/// Coarse pacing wakes on multiples of this.
const BATCH: Nanos = Nanos::from_millis(1);

/// Precise pacing sleeps only if there is longer to wait than this, and spins for this at the end:
/// longer than a timer is late as a rule.
const SPIN: Nanos = Nanos::from_micros(200);

impl Pacer {
    /// A pacer by `clock` in the manner of `pacing`. Must be called within a runtime with I/O enabled.
    ///
    /// # Errors
    /// When the kernel gives no timer, for want of descriptors.
    pub fn new(clock: Clock, pacing: Pacing) -> io::Result<Self> {
        let timer = match clock {
            Clock::Monotonic => {
                let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
                let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
                Some(watch(fd)?)
            }
            Clock::Runtime(_) => None,
        };
        Ok(Pacer { clock, pacing, timer })
    }

    /// Return at or after `instant`. Cancel-safe: dropping the future only forgets the wait.
    ///
    /// # Errors
    /// When the kernel's timer fails.
    pub async fn until(&mut self, instant: Nanos) -> io::Result<()> {
        match self.pacing {
            Pacing::Fine => self.sleep(instant).await,
            Pacing::Coarse => self.sleep(Nanos(instant.0.next_multiple_of(BATCH.0))).await,
            Pacing::Precise => {
                self.sleep(instant - SPIN).await?;
                while self.clock.now() < instant {
                    // Answers that have come meanwhile are read between two looks at the clock.
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        }
    }

    /// Sleep until `instant` at least.
    async fn sleep(&mut self, instant: Nanos) -> io::Result<()> {
        loop {
            let wait = instant - self.clock.now();
            if wait == Nanos::ZERO {
                return Ok(());
            }
            match &self.timer {
                Some(timer) => expire(timer, instant).await?,
                None => tokio::time::sleep(wait.as_duration()).await,
            }
        }
    }
}

/// Let the runtime watch a timer descriptor.
#[allow(unsafe_code)]
fn watch(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` keeps one and the same descriptor open as long as it lives, and the
    // `AsyncFd` owns it: what the runtime watches can't be closed or replaced under it.
    Ok(unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE)? })
}

/// Arm the timer for the absolute `instant` and wait until it fires.
async fn expire(timer: &AsyncFd<OwnedFd>, instant: Nanos) -> io::Result<()> {
    let at =
        Timespec { tv_sec: (instant.0 / 1_000_000_000) as i64, tv_nsec: (instant.0 % 1_000_000_000) as i64 };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
    timerfd_settime(timer.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
    loop {
        let mut ready = timer.readable().await?;
        let mut expirations = [0u8; 8];
        match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut expirations)?)) {
            Ok(read) => return read.map(|_| ()),
            // Readiness left over from an earlier wait that was cancelled.
            Err(_would_block) => continue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::time::monotonic_now;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn never_early() {
        runtime().block_on(async {
            for pacing in [Pacing::Fine, Pacing::Precise, Pacing::Coarse] {
                let mut pacer = Pacer::new(Clock::Monotonic, pacing).unwrap();
                for us in [0, 1, 10, 100, 1_000, 3_000] {
                    let at = monotonic_now() + Nanos::from_micros(us);
                    pacer.until(at).await.unwrap();
                    assert!(monotonic_now() >= at);
                }
            }
        });
    }

    #[test]
    fn a_cancelled_wait_does_not_shorten_the_next() {
        runtime().block_on(async {
            let mut pacer = Pacer::new(Clock::Monotonic, Pacing::Fine).unwrap();
            for _ in 0..20 {
                let soon = monotonic_now() + Nanos::from_millis(2);
                let _ = tokio::time::timeout(std::time::Duration::from_millis(1), pacer.until(soon)).await;
                let at = monotonic_now() + Nanos::from_millis(4);
                pacer.until(at).await.unwrap();
                assert!(monotonic_now() >= at);
            }
        });
    }

    #[tokio::test(start_paused = true)]
    async fn follows_a_paused_clock() {
        let clock = Clock::Runtime(tokio::time::Instant::now());
        let mut pacer = Pacer::new(clock, Pacing::Fine).unwrap();
        pacer.until(Nanos::from_secs(3600)).await.unwrap();
        assert!(clock.now() >= Nanos::from_secs(3600));
    }
}
