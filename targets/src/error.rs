//! Why a server could not start or had to stop, and the exit code that says so.

use std::io;
use std::net::SocketAddr;

use crate::queue::QueueError;

/// Why [`crate::serve()`] failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flags contradict each other, or do not fit the workload.
    #[error("{0}")]
    Usage(String),
    /// The address to listen on cannot be bound.
    #[error(
        "cannot listen on {address}: {source}; stop the process that holds it, or choose another \
         with {flag} (port 0 takes any free one)"
    )]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The flag it came from.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("cannot use the data directory: {0}")]
    Data(String),
    /// The queue or its store failed; nothing more was acknowledged after that.
    #[error("the job store failed, so the server stopped rather than acknowledge unsafely: {0}")]
    Queue(#[from] QueueError),
    /// Another system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// The exit code for it: 2 if the caller can put it right by other flags, 1 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Listen { .. } | Self::Data(_) => 2,
            Self::Queue(_) | Self::Io { .. } => 1,
        }
    }
}
