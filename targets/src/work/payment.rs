//! `payment`: a charge by an HTTP call to the gateway.
//!
//! The job's key is the gateway's `Idempotency-Key`, so that whatever happens to an answer, and
//! however often the job is delivered, it is charged at most once.

use std::net::SocketAddr;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Job, Work, WorkError, text};
use crate::peers::client::HttpClient;
use crate::peers::gateway::Gateway;

/// Charges `{"amount_cents": 1299, "currency": "EUR"}`.
pub(crate) struct Payment {
    client: HttpClient,
    uri: Uri,
    /// Our own gateway, whose ledger goes into the stats; absent if another is used.
    pub gateway: Option<Arc<Gateway>>,
}

/// Checks the members this workload reads.
pub(crate) fn validate_payment(body: &Value) -> Result<(), String> {
    let amount = body.get("amount_cents").and_then(Value::as_u64);
    if !amount.is_some_and(|amount| (1..=100_000_000).contains(&amount)) {
        return Err("\"amount_cents\" must be a whole number from 1 to 100000000".to_owned());
    }
    if !text(body, "currency", 3)?.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err("\"currency\" must be three capital letters".to_owned());
    }
    Ok(())
}

/// A URI on a peer.
pub(crate) fn peer_uri(peer: SocketAddr, path: &str) -> Result<Uri, String> {
    format!("http://{peer}{path}").parse().map_err(|error| format!("{error}"))
}

/// Headers that go with a job: its trace context.
pub(crate) fn trace_headers(job: &Job) -> HeaderMap {
    let value = job.traceparent.as_ref().and_then(|text| HeaderValue::from_str(text).ok());
    value.map(|value| (http::HeaderName::from_static("traceparent"), value)).into_iter().collect()
}

impl Payment {
    /// A client of the gateway at `peer`.
    ///
    /// # Errors
    /// A sentence, if the address makes no URI.
    pub fn new(client: HttpClient, peer: SocketAddr, gateway: Option<Arc<Gateway>>) -> Result<Self, String> {
        Ok(Self { client, uri: peer_uri(peer, "/charges")?, gateway })
    }
}

#[async_trait]
impl Work for Payment {
    fn validate(&self, body: &Value) -> Result<(), String> {
        validate_payment(body)
    }

    async fn perform(&self, job: &Job) -> Result<Value, WorkError> {
        let mut headers = trace_headers(job);
        let key = HeaderValue::from_str(&job.key);
        let key = key.map_err(|e| WorkError::permanent(422, "key_invalid", e.to_string()))?;
        headers.insert("idempotency-key", key);
        let charge = json!({
            "amount_cents": job.payload.get("amount_cents"),
            "currency": job.payload.get("currency"),
        });
        let body = Bytes::from(charge.to_string());
        let answer = self.client.post(self.uri.clone(), headers, body).await;
        // No answer does not mean no charge: only a retry with the same key can tell.
        let (status, body) = answer.map_err(|error| WorkError::transient("gateway_no_answer", error))?;
        let detail = || format!("the gateway answered {status}");
        match status {
            StatusCode::OK => Ok(serde_json::from_slice(&body).unwrap_or_default()),
            // The caller's to know, in its own right: 402.
            StatusCode::PAYMENT_REQUIRED => {
                Err(WorkError::permanent(402, "payment_declined", "the card was declined"))
            }
            StatusCode::UNPROCESSABLE_ENTITY => {
                Err(WorkError::permanent(422, "payment_key_reused", detail()))
            }
            _ => Err(WorkError::transient("gateway_unavailable", detail())),
        }
    }

    fn stats(&self) -> Value {
        self.gateway.as_ref().map_or_else(|| json!({}), |gateway| gateway.stats())
    }
}
