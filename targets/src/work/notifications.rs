//! `notifications`: one event fanned out to every subscriber by signed webhooks.
//!
//! The deliveries of a job are made side by side. Each is retried on its own: what was delivered
//! (or refused for good) is kept in the job's progress, and the next attempt makes only the rest.
//! `webhook-id` is the same at every attempt, so that a subscriber can tell repetitions apart.

use std::net::SocketAddr;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue, Uri};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::payment::{peer_uri, trace_headers};
use super::{Job, Work, WorkError, text};
use crate::clock::Clock;
use crate::peers::client::HttpClient;
use crate::peers::receiver::{Receiver, Secret, unix_seconds};

#[derive(Clone)]
struct Subscriber {
    uri: Uri,
    secret: Secret,
}

/// Delivers `{"event": "order.paid", "data": …}`; data may be absent.
pub(crate) struct Notifications {
    client: HttpClient,
    subscribers: Vec<Subscriber>,
    clock: Clock,
    /// Our own receivers, whose ledger goes into the stats.
    pub receiver: Arc<Receiver>,
}

/// How one delivery ended.
enum Delivery {
    Done,
    /// Refused for good: a dead letter of this subscriber.
    Gone(u16),
    Again(String),
}

impl Notifications {
    /// A sender to `subscribers` receivers that all listen at `peer`.
    ///
    /// # Errors
    /// A sentence, if the address makes no URI.
    pub fn new(
        client: HttpClient,
        peer: SocketAddr,
        seed: u64,
        subscribers: usize,
        clock: Clock,
        receiver: Arc<Receiver>,
    ) -> Result<Self, String> {
        let subscriber = |i| -> Result<_, String> {
            let uri = peer_uri(peer, &format!("/subscribers/{i}"))?;
            Ok(Subscriber { uri, secret: Secret::of(seed, i) })
        };
        let subscribers = (0..subscribers).map(subscriber).collect::<Result<_, _>>()?;
        Ok(Self { client, subscribers, clock, receiver })
    }

    fn body(&self, job: &Job) -> Bytes {
        // The event's own time has µs; the attempt's, in the header, only seconds.
        let event = json!({
            "type": job.payload.get("event").and_then(Value::as_str).unwrap_or("plimsoll.event"),
            "monotonic_us": self.clock.now_us(),
            "data": {"key": job.key, "data": job.payload.get("data")},
        });
        Bytes::from(event.to_string())
    }
}

async fn deliver(
    client: HttpClient,
    subscriber: Subscriber,
    mut headers: HeaderMap,
    id: String,
    body: Bytes,
) -> Delivery {
    let timestamp = unix_seconds();
    let signature = subscriber.secret.sign(&id, timestamp, &body);
    let values =
        [("webhook-id", id), ("webhook-timestamp", timestamp.to_string()), ("webhook-signature", signature)];
    for (name, value) in values {
        match HeaderValue::from_str(&value) {
            Ok(value) => headers.insert(name, value),
            Err(_) => return Delivery::Gone(422),
        };
    }
    match client.post(subscriber.uri, headers, body).await {
        Ok((status, _)) if status.is_success() => Delivery::Done,
        Ok((status, _)) if status.is_client_error() && !matches!(status.as_u16(), 408 | 429) => {
            Delivery::Gone(status.as_u16())
        }
        Ok((status, _)) => Delivery::Again(format!("answered {status}")),
        Err(error) => Delivery::Again(error),
    }
}

#[async_trait]
impl Work for Notifications {
    fn validate(&self, body: &Value) -> Result<(), String> {
        text(body, "event", 128).map(drop)
    }

    async fn perform(&self, job: &Job) -> Result<Value, WorkError> {
        let mut settled = match &job.progress {
            Some(Value::Object(settled)) => settled.clone(),
            _ => Map::new(),
        };
        let body = self.body(job);
        let mut deliveries = JoinSet::new();
        for (i, subscriber) in self.subscribers.iter().enumerate() {
            let name = format!("subscriber-{i}");
            if !settled.contains_key(&name) {
                let id = format!("msg_{}_{i}", job.key);
                let (client, body) = (self.client.clone(), body.clone());
                let delivery = deliver(client, subscriber.clone(), trace_headers(job), id, body);
                deliveries.spawn(async move { (name, delivery.await) });
            }
        }
        let mut again = Vec::new();
        while let Some(ended) = deliveries.join_next().await {
            match ended {
                Ok((name, Delivery::Done)) => drop(settled.insert(name, json!("delivered"))),
                Ok((name, Delivery::Gone(status))) => {
                    settled.insert(name, json!(format!("dead: {status}")));
                }
                Ok((name, Delivery::Again(why))) => again.push(format!("{name} {why}")),
                Err(error) => again.push(error.to_string()),
            }
        }
        conclude(settled, again)
    }

    fn stats(&self) -> Value {
        self.receiver.stats()
    }
}

fn conclude(settled: Map<String, Value>, mut again: Vec<String>) -> Result<Value, WorkError> {
    again.sort();
    let delivered = settled.values().filter(|end| *end == "delivered").count();
    let dead = settled.len() - delivered;
    let progress = Value::Object(settled);
    if !again.is_empty() {
        let error = WorkError::transient("webhook_failed", again.join("; "));
        return Err(error.with_progress(progress));
    }
    if dead > 0 {
        let detail = format!("{dead} subscribers refused for good");
        return Err(WorkError::permanent(422, "webhook_dead", detail).with_progress(progress));
    }
    Ok(json!({"delivered": delivered, "subscribers": progress}))
}
