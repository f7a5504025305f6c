//! The sync shape: the caller waits in line, then through the work.
//!
//! The line is first come, first served, and bounded: at most `workers` requests are worked on and
//! `capacity` wait. A caller that disconnects while waiting leaves the line; work once started
//! runs to its end, for its effects cannot be called back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::dedup::{Begin, Dedup};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::http::reply::{
    Reply, full, in_progress, json_response, key_reused, problem, with_header, with_retry_after,
};
use crate::http::request::Submission;
use crate::queue::payload_digest;
use crate::work::{Job, Work, WorkError};

/// The line, and the work at its end.
pub(crate) struct SyncShape {
    pub work: Arc<dyn Work>,
    pub counters: Arc<Counters>,
    pub clock: Clock,
    pub dedup: Dedup,
    workers: usize,
    capacity: usize,
    places: Arc<Semaphore>,
    /// Requests in line or being worked on.
    inside: AtomicUsize,
    name: &'static str,
}

/// A request's stay; dropped before the work began, it leaves no trace.
struct Stay {
    shape: Arc<SyncShape>,
    key: String,
    begun: bool,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.shape.inside.fetch_sub(1, Ordering::SeqCst);
        if !self.begun {
            self.shape.counters.left.add(1);
            self.shape.dedup.forget(&self.key);
        }
    }
}

impl SyncShape {
    /// An empty line.
    pub fn new(
        work: Arc<dyn Work>,
        counters: Arc<Counters>,
        clock: Clock,
        (workers, capacity): (usize, usize),
        name: &'static str,
    ) -> Arc<Self> {
        Arc::new(Self {
            work,
            counters,
            clock,
            dedup: Dedup::default(),
            workers,
            capacity,
            places: Arc::new(Semaphore::new(workers)),
            inside: AtomicUsize::new(0),
            name,
        })
    }

    /// Requests waiting in line.
    pub fn waiting(&self) -> u64 {
        self.inside.load(Ordering::SeqCst).saturating_sub(self.workers) as u64
    }

    /// Requests being worked on.
    pub fn working(&self) -> u64 {
        self.inside.load(Ordering::SeqCst).min(self.workers) as u64
    }

    /// Waits in line, works, answers.
    pub async fn submit(self: &Arc<Self>, submission: Submission) -> Reply {
        let digest = payload_digest(&submission.body.to_string());
        let attempt = match self.dedup.begin(&submission.key, digest) {
            Begin::Fresh(attempt) => attempt,
            Begin::Running => return in_progress(&submission.key),
            Begin::Conflict => return key_reused(&submission.key),
            Begin::Done(status, body) => {
                self.counters.duplicates_suppressed.add(1);
                return self.answer(status, &body);
            }
        };
        let limit = self.workers + self.capacity;
        let enter = |inside| (inside < limit).then_some(inside + 1);
        if self.inside.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter).is_err() {
            self.dedup.forget(&submission.key);
            self.counters.refused.add(1);
            let depth = self.waiting();
            return full(depth, self.counters.retry_after_refusal(depth, self.workers));
        }
        self.counters.accepted.add(1);
        let mut stay = Stay { shape: Arc::clone(self), key: submission.key.clone(), begun: false };
        // Tokio's semaphore is fair: places are given in the order they were asked for.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return crate::http::reply::not_found("the server is stopping");
        };
        stay.begun = true;
        let shape = Arc::clone(self);
        // A task of its own: a caller that leaves now does not stop the work.
        let work = tokio::spawn(async move {
            let (status, body) = shape.perform(submission, attempt).await;
            drop((place, stay));
            shape.answer(status, &body)
        });
        work.await.unwrap_or_else(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            problem(status, "worker-lost", &error.to_string(), json!({}))
        })
    }

    async fn perform(&self, submission: Submission, attempt: u32) -> (u16, Value) {
        let Submission { key, body, traceparent, received_us, .. } = submission;
        let started_us = self.clock.now_us();
        self.counters.attempts.add(1);
        let job = Job {
            key: key.clone(),
            payload: body,
            progress: None,
            traceparent: traceparent.clone(),
            attempt,
        };
        let outcome = self.work.perform(&job).await;
        let done_us = self.clock.now_us();
        self.counters.worked(done_us - started_us);
        let mut document = json!({
            "id": format!("{}-{key}", self.name),
            "key": key,
            "stamps": {"received_us": received_us, "started_us": started_us, "done_us": done_us},
        });
        if let Some(traceparent) = traceparent {
            document["traceparent"] = Value::String(traceparent);
        }
        let (status, retry) = match outcome {
            Ok(result) => {
                self.counters.succeeded.add(1);
                document["status"] = json!("succeeded");
                document["result"] = result;
                (200, false)
            }
            Err(error) => {
                self.counters.failed.add(1);
                document["error"] = error.document();
                fill_in_progress(&mut document, &error);
                (error.status, error.retry)
            }
        };
        self.dedup.finish(&key, status, document.clone(), retry);
        (status, document)
    }

    /// The answer of a finished request, the same for a repetition.
    fn answer(&self, status: u16, document: &Value) -> Reply {
        let stamp = |name: &str| document["stamps"][name].as_u64().unwrap_or(0).to_string();
        let mut reply = if status < 400 {
            let mut reply = json_response(StatusCode::OK, document);
            for (name, value) in self.work.headers(&document["result"]) {
                reply.headers_mut().append(name, value);
            }
            reply
        } else {
            let error = &document["error"];
            let code = error["code"].as_str().unwrap_or("failed").replace('_', "-");
            let mut extra = document.clone();
            if let Some(extra) = extra.as_object_mut() {
                extra.remove("error");
                extra.insert("code".to_owned(), error["code"].clone());
            }
            let detail = error["detail"].as_str().unwrap_or_default();
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            let reply = problem(status, &code, detail, extra);
            if status == StatusCode::BAD_GATEWAY { with_retry_after(reply, 0) } else { reply }
        };
        let names =
            [("x-received-us", "received_us"), ("x-started-us", "started_us"), ("x-done-us", "done_us")];
        for (header, name) in names {
            reply = with_header(reply, header, &stamp(name));
        }
        reply
    }
}

fn fill_in_progress(document: &mut Value, error: &WorkError) {
    if let Some(progress) = &error.progress {
        document["progress"] = progress.clone();
    }
}
