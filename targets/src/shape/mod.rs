//! When the caller is answered: after the work, or once it is queued.

pub(crate) mod dedup;
pub(crate) mod queued;
pub(crate) mod sync;
