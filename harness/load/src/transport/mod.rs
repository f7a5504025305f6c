//! Sends a request and tells when its parts happened.

mod ask;
mod auto;
mod endpoint;
pub mod h1;
mod hyper_h1;
mod lean_h1;
mod notable;

use bytes::Bytes;
use http_body_util::Full;
use plimsoll_model::sample::FailureKind;
use plimsoll_model::time::Nanos;

pub use ask::Ask;
pub use auto::{AutoDialer, AutoTransport};
pub use endpoint::{Endpoint, EndpointError};
pub use hyper_h1::{HyperH1, HyperH1Dialer};
pub use lean_h1::{LeanH1, LeanH1Dialer};
pub use notable::Notable;

/// A request ready to be sent.
pub type Request = http::Request<Full<Bytes>>;

/// One worker's way to its server; keeps at most one connection, used again while it lasts.
pub trait Transport {
    /// Send what `ask` says and read the whole response.
    ///
    /// Dropping the future closes the connection, so that a late answer can't be taken for the next one.
    ///
    /// # Errors
    /// When there is no whole, well-formed response.
    fn exchange(
        &mut self,
        ask: Ask<'_>,
        keep: Keep,
    ) -> impl Future<Output = Result<Exchange, TransportError>>;
}

/// Opens a transport for each worker of a shard.
pub trait Dialer {
    /// What it opens.
    type Transport: Transport;
    /// A transport without a connection yet.
    fn open(&self) -> Self::Transport;
}

/// How much of a response is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing of the body, which is read and counted.
    Head,
    /// The body too, up to this many bytes; a longer one is a protocol failure.
    Body(usize),
}

/// A whole response.
#[derive(Debug)]
pub struct Exchange {
    /// Its status.
    pub status: u16,
    /// When its head had come.
    pub first_byte: Nanos,
    /// When its last byte had come.
    pub last_byte: Nanos,
    /// How long the connection took to open, if a new one was needed.
    pub connect: Option<Nanos>,
    /// What matters of its head beyond the exchange.
    pub notable: Notable,
    /// Its body, if kept.
    pub body: Bytes,
    /// Length of its body, bytes.
    pub bytes_in: u64,
}

/// No whole response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportError {
    /// Why.
    pub kind: FailureKind,
    /// Whether the server may have got the request.
    pub maybe_sent: bool,
}
