//! Chooses the transport of a run.

use plimsoll_model::plan;

use super::{
    Ask, Dialer, Endpoint, Exchange, HyperH1, HyperH1Dialer, Keep, LeanH1, LeanH1Dialer, Transport,
    TransportError,
};
use crate::clock::Clock;

/// Opens the transport that the plan chose.
#[derive(Clone)]
pub enum AutoDialer {
    /// The lean one.
    Lean(LeanH1Dialer),
    /// The one by hyper.
    Hyper(HyperH1Dialer),
}

/// One of the transports.
pub enum AutoTransport {
    /// The lean one.
    Lean(LeanH1),
    /// The one by hyper.
    Hyper(HyperH1),
}

impl AutoDialer {
    /// A dialer to `endpoint` that stamps by `clock`; automatically the lean one, as long as every
    /// request is HTTP/1.1.
    pub fn new(choice: plan::Transport, endpoint: Endpoint, clock: Clock) -> Self {
        match choice {
            plan::Transport::Auto => AutoDialer::Lean(LeanH1Dialer::new(endpoint, clock)),
            plan::Transport::Hyper => AutoDialer::Hyper(HyperH1::dialer(endpoint, clock)),
        }
    }
}

impl Dialer for AutoDialer {
    type Transport = AutoTransport;

    fn open(&self) -> AutoTransport {
        match self {
            AutoDialer::Lean(dialer) => AutoTransport::Lean(dialer.open()),
            AutoDialer::Hyper(dialer) => AutoTransport::Hyper(dialer.open()),
        }
    }
}

impl Transport for AutoTransport {
    async fn exchange(&mut self, ask: Ask<'_>, keep: Keep) -> Result<Exchange, TransportError> {
        match self {
            AutoTransport::Lean(transport) => transport.exchange(ask, keep).await,
            AutoTransport::Hyper(transport) => transport.exchange(ask, keep).await,
        }
    }
}
