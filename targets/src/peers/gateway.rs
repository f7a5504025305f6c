//! The payment gateway: `POST /charges` with an `Idempotency-Key`, which it honours whatever
//! happens to its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::faults::{Fault, Faults};
use super::ledger::{ID_MAX, Ledger};
use crate::http::reply::{json_response, problem};
use crate::http::server::{Answer, Dropped};
use crate::pause::pause_until;

/// What the gateway knows of one idempotency key.
#[derive(Clone, Default)]
struct Charge {
    calls: u64,
    busy: bool,
    /// Of the first body: a body itself, kept for every key, would be memory without much bound.
    digest: Option<[u8; 32]>,
    charged: bool,
}

/// How a call begins.
enum Begin {
    Fresh(u64),
    Replay,
    Busy,
    Mismatch,
}

/// A gateway with its ledger of charges.
pub(crate) struct Gateway {
    faults: Faults,
    ledger: Ledger<Charge>,
    calls: AtomicU64,
    unavailable: AtomicU64,
    lost: AtomicU64,
    declined: AtomicU64,
    replayed: AtomicU64,
}

/// Frees the key even if the client leaves in the middle of a call.
struct Busy<'a>(&'a Gateway, &'a str);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.ledger.update(self.1, |charge| charge.busy = false);
    }
}

impl Gateway {
    /// A gateway that has charged nobody.
    pub fn new(faults: Faults) -> Arc<Self> {
        Arc::new(Self {
            faults,
            ledger: Ledger::default(),
            calls: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            declined: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
        })
    }

    /// Its share of `/v1/stats`. More charges than distinct keys would be double charging.
    pub fn stats(&self) -> Value {
        let (charges, distinct) = self.ledger.totals();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "gateway_calls": read(&self.calls),
            "gateway_unavailable": read(&self.unavailable),
            "gateway_lost_responses": read(&self.lost),
            "gateway_declined": read(&self.declined),
            "gateway_replayed": read(&self.replayed),
            "gateway_charges": charges,
            "gateway_distinct": distinct,
        })
    }

    /// A page of the ledger: idempotency keys and how often each was charged.
    pub fn page(&self, after: u64, limit: usize) -> Value {
        self.ledger.page(after, limit)
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        if request.method() != Method::POST || request.uri().path() != "/charges" {
            return Ok(problem(StatusCode::NOT_FOUND, "not-found", "POST /charges", json!({})));
        }
        let key = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok());
        let Some(key) = key.filter(|key| !key.is_empty()).map(str::to_owned) else {
            let detail = "Idempotency-Key is required";
            return Ok(problem(StatusCode::BAD_REQUEST, "key-missing", detail, json!({})));
        };
        if key.len() > ID_MAX {
            let detail = format!("Idempotency-Key is longer than {ID_MAX} bytes");
            return Ok(problem(StatusCode::BAD_REQUEST, "key-invalid", &detail, json!({})));
        }
        match Limited::new(request.into_body(), 64 * 1024).collect().await {
            Ok(body) => self.charge(&key, body.to_bytes()).await,
            Err(_) => Err(Dropped),
        }
    }

    async fn charge(&self, key: &str, body: Bytes) -> Answer {
        let start = Instant::now();
        self.calls.fetch_add(1, Ordering::Relaxed);
        let call = match self.begin(key, &body) {
            Begin::Fresh(call) => call,
            // What was charged stays charged: the same answer, at once.
            Begin::Replay => {
                self.replayed.fetch_add(1, Ordering::Relaxed);
                return Ok(Self::receipt(key, true));
            }
            Begin::Busy => {
                let detail = "a call with this key is in progress";
                return Ok(problem(StatusCode::CONFLICT, "in-progress", detail, json!({})));
            }
            Begin::Mismatch => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let detail = "this key was used with another payload";
                return Ok(problem(status, "key-reused", detail, json!({})));
            }
        };
        let busy = Busy(self, key);
        pause_until(start + self.faults.time("gateway", key)).await;
        let fault = self.faults.of("gateway", key, call);
        if matches!(fault, Fault::None | Fault::LostResponse) {
            self.ledger.update(key, |charge| charge.charged = true);
            self.ledger.effect(key);
        }
        drop(busy);
        self.answer(fault, key)
    }

    fn begin(&self, key: &str, body: &Bytes) -> Begin {
        let digest = Sha256::digest(body).into();
        self.ledger.update(key, |charge| {
            charge.calls += 1;
            if *charge.digest.get_or_insert(digest) != digest {
                Begin::Mismatch
            } else if charge.charged {
                Begin::Replay
            } else if charge.busy {
                Begin::Busy
            } else {
                charge.busy = true;
                Begin::Fresh(charge.calls)
            }
        })
    }

    fn answer(&self, fault: Fault, key: &str) -> Answer {
        match fault {
            Fault::None => Ok(Self::receipt(key, false)),
            Fault::LostResponse => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                Err(Dropped)
            }
            Fault::Transient => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                let detail = "try again later";
                Ok(problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail, json!({})))
            }
            Fault::Permanent => {
                self.declined.fetch_add(1, Ordering::Relaxed);
                let detail = "the card was declined";
                Ok(problem(StatusCode::PAYMENT_REQUIRED, "declined", detail, json!({})))
            }
        }
    }

    fn receipt(key: &str, replayed: bool) -> Response<Full<Bytes>> {
        json_response(
            StatusCode::OK,
            &json!({"charge": format!("ch_{key}"), "status": "charged", "replayed": replayed}),
        )
    }
}
