//! What a server depends on, bundled: an SMTP sink, a payment gateway, webhook receivers.
//!
//! Each listens on loopback, is spoken to by its real protocol, draws its delays and faults from
//! the seed and the job's key, and keeps a ledger of effects: the ground truth that "lost" and
//! "done twice" are judged by.

pub(crate) mod client;
pub(crate) mod faults;
pub(crate) mod gateway;
pub(crate) mod ledger;
pub(crate) mod receiver;
pub(crate) mod smtp;
mod smtp_session;

use std::sync::Arc;

use ::http::{StatusCode, Uri};

use crate::http::reply::{Reply, bad_request, json_response, not_found};
use crate::http::routes::page;

/// The peers that run in this process.
#[derive(Clone, Default)]
pub(crate) struct Peers {
    pub sink: Option<Arc<smtp::Sink>>,
    pub gateway: Option<Arc<gateway::Gateway>>,
    pub receiver: Option<Arc<receiver::Receiver>>,
}

impl Peers {
    /// `GET /v1/effects/{peer}?after=&limit=`: a page of a peer's ledger.
    pub fn effects(&self, peer: &str, uri: &Uri) -> Reply {
        let (after, limit) = match page(uri) {
            Ok(page) => page,
            Err(detail) => return bad_request(&detail),
        };
        let page = match peer {
            "smtp" => self.sink.as_ref().map(|sink| sink.ledger.page(after, limit)),
            "gateway" => self.gateway.as_ref().map(|gateway| gateway.page(after, limit)),
            "webhook" => self.receiver.as_ref().map(|r| r.ledger.page(after, limit)),
            _ => None,
        };
        match page {
            Some(page) => json_response(StatusCode::OK, &page),
            None => not_found("no such peer runs in this process: smtp, gateway or webhook"),
        }
    }
}
