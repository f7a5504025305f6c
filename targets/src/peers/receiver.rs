//! Webhook receivers, and the signatures of Standard Webhooks 1.0.0 that they check.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::faults::{Fault, Faults};
use super::ledger::Ledger;
use crate::http::reply::{json_response, problem};
use crate::http::server::{Answer, Dropped};
use crate::pause::pause_until;

/// How far an attempt's timestamp may lie from the receiver's clock, in seconds.
const TOLERANCE_S: u64 = 300;

/// A signing secret, `whsec_` and base64 when written out.
#[derive(Clone)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// The secret of one subscriber, derived from the seed: 32 bytes, within the 24 to 64 allowed.
    pub fn of(seed: u64, subscriber: usize) -> Self {
        Self(Sha256::digest(format!("webhook secret {seed} {subscriber}")).to_vec())
    }

    fn mac(&self, id: &str, timestamp: u64, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Some(mac)
    }

    /// `webhook-signature` for one attempt: `v1,` and the base64 of HMAC-SHA256 over
    /// `{id}.{timestamp}.{body}`.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mac = self.mac(id, timestamp, body);
        let bytes = mac.map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
        format!("v1,{}", STANDARD.encode(bytes))
    }

    /// Whether one of the signatures listed is ours, compared in constant time.
    pub fn verifies(&self, signatures: &str, id: &str, timestamp: u64, body: &[u8]) -> bool {
        signatures
            .split(' ')
            .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
            .any(|bytes| self.mac(id, timestamp, body).is_some_and(|mac| mac.verify_slice(&bytes).is_ok()))
    }
}

/// Unix time in whole seconds, the resolution the standard gives attempts.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The receivers of all subscribers, at `/subscribers/{i}`.
pub(crate) struct Receiver {
    faults: Faults,
    secrets: Vec<Secret>,
    /// Effects: webhooks processed. Remembered for each webhook id: calls.
    pub ledger: Ledger<u64>,
    calls: AtomicU64,
    forged: AtomicU64,
    failed: AtomicU64,
    repeated: AtomicU64,
}

impl Receiver {
    /// Receivers for `subscribers` subscribers.
    pub fn new(faults: Faults, subscribers: usize) -> Arc<Self> {
        let secrets = (0..subscribers).map(|i| Secret::of(faults.seed, i)).collect();
        Arc::new(Self {
            faults,
            secrets,
            ledger: Ledger::default(),
            calls: AtomicU64::new(0),
            forged: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
        })
    }

    /// Its share of `/v1/stats`.
    pub fn stats(&self) -> Value {
        let (received, distinct) = self.ledger.totals();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "webhook_calls": read(&self.calls),
            "webhook_forged": read(&self.forged),
            "webhook_failed": read(&self.failed),
            "webhook_repeated": read(&self.repeated),
            "webhook_received": received,
            "webhook_distinct": distinct,
        })
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().strip_prefix("/subscribers/");
        let secret = path
            .and_then(|i| self.secrets.get(i.parse::<usize>().ok()?))
            .filter(|_| request.method() == Method::POST)
            .cloned();
        let Some(secret) = secret else {
            let detail = "no such subscriber";
            return Ok(problem(StatusCode::NOT_FOUND, "not-found", detail, json!({})));
        };
        let headers = request.headers().clone();
        match Limited::new(request.into_body(), 64 * 1024).collect().await {
            Ok(body) => Ok(self.receive(&secret, &headers, &body.to_bytes()).await),
            Err(_) => Err(Dropped),
        }
    }

    async fn receive(
        &self,
        secret: &Secret,
        headers: &HeaderMap,
        body: &[u8],
    ) -> ::http::Response<http_body_util::Full<bytes::Bytes>> {
        let start = Instant::now();
        self.calls.fetch_add(1, Ordering::Relaxed);
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let id = text("webhook-id").unwrap_or_default();
        let timestamp = text("webhook-timestamp").and_then(|text| text.parse::<u64>().ok());
        let genuine = timestamp.is_some_and(|timestamp| {
            let fresh = unix_seconds().abs_diff(timestamp) <= TOLERANCE_S;
            let signatures = text("webhook-signature").unwrap_or_default();
            fresh && !id.is_empty() && secret.verifies(signatures, id, timestamp, body)
        });
        if !genuine {
            self.forged.fetch_add(1, Ordering::Relaxed);
            let detail = "the signature or the timestamp does not verify";
            return problem(StatusCode::UNAUTHORIZED, "not-genuine", detail, json!({}));
        }
        let call = self.ledger.update(id, |calls| {
            *calls += 1;
            *calls
        });
        pause_until(start + self.faults.time("webhook", id)).await;
        match self.faults.of("webhook", id, call) {
            Fault::Transient => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let status = StatusCode::SERVICE_UNAVAILABLE;
                problem(status, "unavailable", "try again later", json!({}))
            }
            Fault::Permanent => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                problem(StatusCode::GONE, "gone", "this subscriber has left", json!({}))
            }
            Fault::None | Fault::LostResponse => {
                if self.ledger.effect(id) > 1 {
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                }
                json_response(StatusCode::OK, &json!({"received": id}))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_standard_says() {
        // The example of the standard's reference libraries.
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = Secret(key).sign(id, 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn refuses_what_was_changed() {
        let secret = Secret::of(1, 0);
        let good = secret.sign("id", 7, b"body");
        assert!(secret.verifies(&format!("v1a,xx {good}"), "id", 7, b"body"));
        assert!(!secret.verifies(&good, "id", 7, b"bodY"));
        assert!(!secret.verifies(&good, "id", 8, b"body"));
        assert!(!secret.verifies(&good, "iD", 7, b"body"));
        assert!(!Secret::of(1, 1).verifies(&good, "id", 7, b"body"));
        assert!(!secret.verifies("", "id", 7, b"body"));
    }
}
