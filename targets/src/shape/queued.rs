//! The queued and hybrid shapes: the caller is answered once the job is durably queued.

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::engine::Engine;
use crate::http::reply::{
    Reply, full, in_progress, json_response, key_reused, not_found, problem, store_failed, with_header,
    with_retry_after,
};
use crate::http::request::{Prefer, Submission};
use crate::queue::{Cancelled, Enqueued, JobRecord, NewJob, QueueError, State};
use crate::work::{Job, Work};

/// Accepts jobs and tells of them.
pub(crate) struct QueuedShape {
    pub engine: Arc<Engine>,
    pub work: Arc<dyn Work>,
    pub workers: usize,
    /// Present in the hybrid shape: limits the synchronous parts done at a time.
    pub front: Option<Arc<Semaphore>>,
}

impl QueuedShape {
    fn id(&self, seq: u64) -> String {
        format!("{:08x}-{seq}", self.engine.backend.instance())
    }

    /// The place of a job id of this store; `None` for any other text.
    fn seq(&self, id: &str) -> Option<u64> {
        let (instance, seq) = id.split_once('-')?;
        let ours = u32::from_str_radix(instance, 16).ok()? == self.engine.backend.instance();
        seq.parse().ok().filter(|_| ours && instance.len() == 8)
    }

    /// Does the synchronous part, if any, enqueues, and answers.
    pub async fn submit(&self, submission: Submission) -> Reply {
        let prefer = submission.prefer;
        let key = submission.key.clone();
        let received_us = submission.received_us;
        let job = match self.admit(submission).await {
            Ok(job) => job,
            Err(reply) => return reply,
        };
        let counters = &self.engine.counters;
        let outcome = self.engine.backend.enqueue(vec![job]).await;
        let seq = match outcome.map(|outcomes| outcomes.first().copied()) {
            Ok(Some(Enqueued::Accepted(seq))) => {
                counters.accepted.add(1);
                seq
            }
            Ok(Some(Enqueued::Duplicate(seq))) => {
                counters.duplicates_suppressed.add(1);
                seq
            }
            Ok(Some(Enqueued::Conflict(_))) => return key_reused(&key),
            Ok(Some(Enqueued::Full) | None) => {
                counters.refused.add(1);
                return self.refuse().await;
            }
            Err(error) => return store_failed(&error),
        };
        let reply = self.accepted(seq, &key, prefer).await;
        with_header(reply, "x-received-us", &received_us.to_string())
    }

    async fn admit(&self, submission: Submission) -> Result<NewJob, Reply> {
        let Submission { key, body, traceparent, received_us, .. } = submission;
        let mut progress = None;
        let payload = body.to_string();
        if let Some(front) = &self.front {
            let Ok(_place) = front.try_acquire() else {
                self.engine.counters.refused.add(1);
                return Err(self.refuse().await);
            };
            let job = Job {
                key: key.clone(),
                payload: body,
                progress,
                traceparent: traceparent.clone(),
                attempt: 1,
            };
            progress = self.work.admit(&job).await.map_err(|error| {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_GATEWAY);
                let kind = error.code.replace('_', "-");
                problem(status, &kind, &error.detail, json!({"key": key, "code": error.code}))
            })?;
        }
        Ok(NewJob { key, payload, progress, traceparent, received_us })
    }

    async fn refuse(&self) -> Reply {
        match self.engine.backend.depth().await {
            Ok(depth) => {
                let waiting = depth.ready + depth.delayed;
                full(waiting, self.engine.counters.retry_after_refusal(waiting, self.workers))
            }
            Err(error) => store_failed(&error),
        }
    }

    fn retry_after(&self, seq: u64) -> u64 {
        self.engine.counters.retry_after(self.engine.ahead(seq), self.workers)
    }

    async fn accepted(&self, seq: u64, key: &str, prefer: Prefer) -> Reply {
        if let Some(wait) = prefer.wait {
            match self.engine.wait(seq, wait).await {
                Ok(Some(record)) if record.state.is_terminal() => {
                    let reply = json_response(StatusCode::OK, &self.document(&record));
                    return applied(reply, Prefer { respond_async: false, ..prefer });
                }
                // The job is durable whatever became of waiting for it: any other answer than 202
                // would deny a job that will be worked on.
                Ok(_) | Err(_) => {}
            }
        }
        let id = self.id(seq);
        let url = format!("/v1/jobs/{id}");
        let body = json!({"id": id, "key": key, "status": "queued", "status_url": url});
        let reply = json_response(StatusCode::ACCEPTED, &body);
        let reply = with_retry_after(with_header(reply, "location", &url), self.retry_after(seq));
        applied(reply, prefer)
    }

    /// `GET /v1/jobs/{id}`.
    pub async fn status(&self, id: &str, prefer: Prefer) -> Reply {
        let Some(seq) = self.seq(id) else { return not_found("there is no such job") };
        let record = match prefer.wait {
            Some(wait) => self.engine.wait(seq, wait).await,
            None => self.engine.job(seq).await,
        };
        match record {
            Ok(Some(record)) => {
                let reply = json_response(StatusCode::OK, &self.document(&record));
                let reply = applied(reply, Prefer { respond_async: false, ..prefer });
                let pending = !record.state.is_terminal();
                if pending { with_retry_after(reply, self.retry_after(seq)) } else { reply }
            }
            Ok(None) => not_found("there is no such job"),
            Err(error) => store_failed(&error),
        }
    }

    /// `DELETE /v1/jobs/{id}`.
    pub async fn cancel(&self, id: &str) -> Reply {
        let Some(seq) = self.seq(id) else { return not_found("there is no such job") };
        match self.engine.cancel(seq).await {
            Ok(Cancelled::Done) => self.status(id, Prefer::default()).await,
            Ok(Cancelled::Unknown) => not_found("there is no such job"),
            Ok(Cancelled::Not(State::Waiting | State::Leased)) => in_progress(id),
            Ok(Cancelled::Not(state)) => {
                let detail = format!("the job has ended already: {}", state.label());
                let extra = json!({"job_status": state.label()});
                problem(StatusCode::CONFLICT, "already-ended", &detail, extra)
            }
            Err(error) => store_failed(&error),
        }
    }

    /// `GET /v1/ledger`.
    pub async fn ledger(&self, after: u64, limit: usize) -> Result<Value, QueueError> {
        let entries = self.engine.backend.ledger(after, limit).await?;
        let next = entries.last().filter(|_| entries.len() == limit).map(|entry| entry.seq);
        let jobs: Vec<_> =
            entries.iter().map(|e| json!([e.key, e.state.label(), e.attempts, e.processed])).collect();
        Ok(json!({"jobs": jobs, "next": next, "evicted": self.engine.backend.evicted()}))
    }

    fn document(&self, record: &JobRecord) -> Value {
        let mut stamps = json!({
            "received_us": record.received_us,
            "enqueued_us": record.enqueued_us,
            "leased_us": record.leased_us,
        });
        if let Some(done_us) = record.done_us {
            stamps["done_us"] = json!(done_us);
        }
        let mut document = Map::new();
        let mut put = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
        put("id", json!(self.id(record.seq)));
        put("key", json!(record.key));
        put("status", json!(record.state.label()));
        put("attempts", json!(record.attempts));
        put("stamps", stamps);
        if let Some(outcome) = record.outcome.clone().filter(|outcome| !outcome.is_null()) {
            put(if record.state == State::Succeeded { "result" } else { "error" }, outcome);
        }
        if let Some(progress) = record.progress.clone() {
            put("progress", progress);
        }
        if let Some(traceparent) = &record.traceparent {
            put("traceparent", json!(traceparent));
        }
        Value::Object(document)
    }

    /// Waits for everything queued to end, at most `time`.
    pub async fn drain(&self, time: Duration) {
        self.engine.drain(tokio::time::Instant::now() + time).await;
    }
}

fn applied(reply: Reply, prefer: Prefer) -> Reply {
    match prefer.applied() {
        Some(applied) => with_header(reply, "preference-applied", &applied),
        None => reply,
    }
}
