//! The clock every stamp is read from: integer microseconds of `CLOCK_MONOTONIC`.
//!
//! The monotonic clock is shared by all processes of one boot, so a driver on the same machine may
//! subtract its own stamps from ours; the boot id in the ready line says whether that holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// A source of microseconds: the kernel's monotonic clock, or a hand-moved one for tests.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The kernel's `CLOCK_MONOTONIC`.
    #[must_use]
    pub fn monotonic() -> Self {
        Self::default()
    }

    /// A clock that stands still at `start_us` until [`Clock::advance_us`] moves it.
    #[must_use]
    pub fn manual(start_us: u64) -> Self {
        Self { manual: Some(Arc::new(AtomicU64::new(start_us))) }
    }

    /// Moves a manual clock forward by `us` microseconds; a monotonic clock ignores it.
    pub fn advance_us(&self, us: u64) {
        if let Some(manual) = &self.manual {
            manual.fetch_add(us, Ordering::SeqCst);
        }
    }

    /// Microseconds since the clock's origin (for the monotonic clock: the machine's boot).
    #[must_use]
    pub fn now_us(&self) -> u64 {
        match &self.manual {
            Some(manual) => manual.load(Ordering::SeqCst),
            None => {
                let now = clock_gettime(ClockId::Monotonic);
                now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000
            }
        }
    }
}

/// The kernel's id of the current boot, or `"unknown"` where there is none to read.
///
/// Stamps of two processes may be compared only if both report the same, known boot id.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_never_goes_back() {
        let clock = Clock::monotonic();
        let first = clock.now_us();
        assert!(clock.now_us() >= first && first > 0);
    }

    #[test]
    fn manual_moves_only_by_hand() {
        let clock = Clock::manual(5);
        let twin = clock.clone();
        clock.advance_us(10);
        assert_eq!(twin.now_us(), 15);
    }
}
