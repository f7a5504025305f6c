//! Bundled target servers: the same work as sync, queued or hybrid service.
//!
//! A load test needs something to test against. Each workload here does real work (argon2, SQLite,
//! SMTP, HTTP with idempotency keys, signed webhooks), and does *the same* work whenever the caller
//! is answered: after it (`sync`), once it is durably queued (`queued`), or after its synchronous
//! part (`hybrid`). Arrivals, service times and the number of workers being equal, what differs
//! between two runs is the shape alone.
//!
//! ```text
//!              ┌─ sync ───▶ line (FIFO, bounded) ──────────────▶┐
//! HTTP ─ route ┤                                                ├─▶ Work::perform ─▶ peers
//!              └─ queued ─▶ queue (durable) ─▶ engine (workers) ▶┘    (SMTP sink, gateway, webhooks)
//! ```
//!
//! [`serve()`] starts one from its [`ServeArgs`] and blocks until it is told to stop. The peers
//! keep ledgers of what really happened, and the job store one of every job accepted: they are the
//! ground truth that a meter's own counts are checked against (`/v1/ledger`, `/v1/effects/…`).
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/{workload}` | 200 (sync) or 202 with `Location`; 400, 413, 422, 409, 503 as problem documents |
//! | `GET /v1/jobs/{id}` | 200 with status, attempts, stamps, result or error; `Prefer: wait=N` waits |
//! | `DELETE /v1/jobs/{id}` | 200 if cancelled in time, else 409 |
//! | `GET /v1/queue` | depth and capacity |
//! | `GET /v1/ledger` | every job accepted, a page at a time; `evicted` counts those forgotten |
//! | `GET /v1/effects/{peer}` | a peer's ledger: `smtp`, `gateway` or `webhook` |
//! | `GET /v1/stats` | counts since the start |
//! | `GET /healthz` | 200 |
//!
//! Sync failures: 502 if what failed may pass (an upstream answered "not now", or not at all);
//! otherwise the caller's to know, in its own right: 401 wrong password, 402 declined, 422 bounced
//! or refused by subscribers, 500 injected into work without an upstream. 503 always means that
//! nothing was accepted; 500 with `store-failed`, that nobody knows, for the store itself failed.
#![deny(missing_docs)]

mod args;
pub mod clock;
mod counters;
pub mod distribution;
mod engine;
mod error;
mod http;
mod pause;
mod peers;
pub mod queue;
mod serve;
mod shape;
mod work;

pub use args::{QueueKind, ServeArgs, Shape, SyntheticWork, Workload};
pub use error::Error;
pub use serve::serve;
