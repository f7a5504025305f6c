//! Plain data of a run: no runtime, no HTTP, no statistics.
//!
//! # Brief overview
//!
//! A test starts as YAML. [`config`] reads it, reporting every mistake at once, and fills in all
//! defaults to give a [`plan::Plan`]: one or more *variants* (what is tested) crossed with one or
//! more *steps* (how heavily it is loaded). Each pair is a *cell*. The load engine performs the
//! cells and appends an [`interval::Interval`] (counts and mergeable histograms) about once a
//! second to a run directory; [`artefact`] writes and reads that directory. Everything printed
//! later is computed from a [`artefact::Run`] alone, so that a report can be rebuilt at any time.
//!
//! ```
//! use plimsoll_model::histogram::LatencyHistogram;
//! use plimsoll_model::time::Nanos;
//!
//! let mut h = LatencyHistogram::new();
//! for ns in [15, 20, 35, 40, 50] {
//!     h.record(Nanos(ns));
//! }
//! assert_eq!(h.quantile(0.5), Some(Nanos(35)));
//! assert_eq!(h.max(), Some(Nanos(50)));
//! ```

pub mod accounting;
pub mod artefact;
pub mod config;
pub mod histogram;
pub mod interval;
pub mod plan;
pub mod sample;
pub mod template;
pub mod time;
