//! Sleeping to the microsecond, as near as the kernel allows.
//!
//! Tokio's timer ticks in milliseconds and rounds up, which would make a 20 ms service time 5 %
//! too long. So the bulk of a pause is slept on the runtime, and its last two milliseconds on a
//! blocking thread by the kernel's high-resolution timer with its slack turned off, the last
//! 30 µs of them spinning. Cost: at most 30 µs of CPU and one hand-over a pause.

use std::time::{Duration, Instant};

/// Below this a runtime sleep may overshoot, so the rest is the kernel's.
const COARSE: Duration = Duration::from_millis(2);
/// What is spun away: about the lateness of a kernel timer without slack.
const SPIN: Duration = Duration::from_micros(30);

/// Pauses until `deadline`; returns at once if that has passed. Cancel-safe.
pub async fn pause_until(deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return;
    }
    if left > COARSE + Duration::from_millis(1) {
        tokio::time::sleep(left - COARSE).await;
    }
    // A join error means the runtime is going down: there is nobody left to pause for.
    let _ = tokio::task::spawn_blocking(move || exact(deadline)).await;
}

fn exact(deadline: Instant) {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let left = deadline.saturating_duration_since(Instant::now());
    if left > SPIN {
        std::thread::sleep(left - SPIN);
    }
    while Instant::now() < deadline {
        std::hint::spin_loop();
    }
}

/// Burns CPU on the calling thread for `time` of wall-clock.
///
/// Wall-clock, so that the service time is kept to even on a busy machine: with more such workers
/// than cores the work done shrinks, not the rate.
pub fn burn(time: Duration) -> u64 {
    let deadline = Instant::now() + time;
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    while Instant::now() < deadline {
        for _ in 0..64 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
    }
    state
}
