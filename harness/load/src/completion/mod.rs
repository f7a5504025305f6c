//! Learns when an accepted job is truly done.

mod poll;
mod status;

pub use poll::{PollTracker, Submitted};
pub use status::{JobProgress, Stamps, StatusError, read_status};
