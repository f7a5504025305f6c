//! Makes load and measures it.
//!
//! # Brief overview
//!
//! [`engine::perform`] performs one cell of a plan. It starts a [`shard::Shard`] for each core: a
//! thread with a runtime, connections and a [`recorder::Recorder`] of its own. In a shard,
//! [`arrivals::Arrivals`] tells when each operation is to start, [`pacer::Pacer`] waits for it, and
//! a worker from the pool of [`release::Seats`] performs it: [`worker::work`] is the one loop for
//! every kind of load. A [`transport::Transport`] exchanges the messages; where the response only
//! accepts a job, a [`completion::PollTracker`] watches it until it has ended. About once a second
//! the recorder's figures go to the engine's [`engine::Listener`].
//!
//! Latencies run from the *intended* start. A start is never early, never skipped, and never
//! delayed in silence: one without room is counted as dropped.
//!
//! ```
//! use plimsoll_load::arrivals::Arrivals;
//! use plimsoll_model::plan::{ArrivalKind, Segment};
//! use plimsoll_model::time::Nanos;
//!
//! let second = [Segment { from: 4.0, to: 4.0, duration: Nanos::from_secs(1) }];
//! let starts: Vec<_> = Arrivals::new(ArrivalKind::Constant, &second, 0).collect();
//! assert_eq!(starts, [0, 250, 500, 750].map(Nanos::from_millis));
//! ```

pub mod arrivals;
pub mod audit;
pub mod clock;
pub mod completion;
pub mod engine;
pub mod jobs;
pub mod pacer;
pub mod recorder;
pub mod release;
pub mod request;
pub mod shard;
pub mod shelf;
pub mod transport;
pub mod worker;
