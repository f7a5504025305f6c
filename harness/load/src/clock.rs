//! The clock a shard measures by.

use plimsoll_model::time::{Nanos, monotonic_now};

/// Tells the time as `CLOCK_MONOTONIC` nanoseconds.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The kernel's.
    Monotonic,
    /// The async runtime's, counted from an instant of its own; tests pause and advance it.
    Runtime(tokio::time::Instant),
}

impl Clock {
    /// Now.
    pub fn now(&self) -> Nanos {
        match self {
            Clock::Monotonic => monotonic_now(),
            Clock::Runtime(base) => base.elapsed().into(),
        }
    }
}
