//! The work itself, behind one trait: every shape calls the same [`Work::perform`].

pub(crate) mod api;
pub(crate) mod checkout;
pub(crate) mod database;
pub(crate) mod email;
pub(crate) mod login;
pub(crate) mod notifications;
pub(crate) mod payment;
pub(crate) mod synthetic;

use ::http::{HeaderName, HeaderValue};
use async_trait::async_trait;
use serde_json::{Value, json};

/// What a worker is given. No `Debug`: the payload may hold a password.
#[derive(Clone)]
pub(crate) struct Job {
    /// The client's key: what service times, faults and idempotency hang on.
    pub key: String,
    /// The request's body, already validated.
    pub payload: Value,
    /// What earlier attempts, or the synchronous part, already achieved.
    pub progress: Option<Value>,
    /// W3C trace context, to be passed on.
    pub traceparent: Option<String>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// Why an attempt failed.
#[derive(Clone, Debug)]
pub(crate) struct WorkError {
    /// Whether another attempt may succeed.
    pub retry: bool,
    /// The HTTP status a synchronous caller gets.
    pub status: u16,
    /// A short, stable name of the cause.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// What was achieved nevertheless; the next attempt starts from it.
    pub progress: Option<Value>,
}

impl WorkError {
    /// A failure that may pass. 502, because what failed is something this server depends on.
    pub fn transient(code: &'static str, detail: impl Into<String>) -> Self {
        Self { retry: true, status: 502, code, detail: detail.into(), progress: None }
    }

    /// A failure that will not pass.
    pub fn permanent(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { retry: false, status, code, detail: detail.into(), progress: None }
    }

    /// The same, keeping what was achieved.
    pub fn with_progress(self, progress: Value) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// As shown by the status resource.
    pub fn document(&self) -> Value {
        json!({"status": self.status, "code": self.code, "detail": self.detail})
    }
}

/// One workload.
#[async_trait]
pub(crate) trait Work: Send + Sync {
    /// Checks a body before anything is queued.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it, for the 400.
    fn validate(&self, body: &Value) -> Result<(), String>;

    /// The synchronous part of the hybrid shape; what it returns becomes the job's progress.
    async fn admit(&self, _job: &Job) -> Result<Option<Value>, WorkError> {
        Ok(None)
    }

    /// One attempt. At-least-once delivery means it may run again after it succeeded.
    async fn perform(&self, job: &Job) -> Result<Value, WorkError>;

    /// Headers a synchronous answer carries besides its result.
    fn headers(&self, _result: &Value) -> Vec<(HeaderName, HeaderValue)> {
        Vec::new()
    }

    /// `GET /v1/{workload}/{key}`; `None` if the workload has nothing to read.
    async fn read(&self, _key: &str) -> Option<Result<Option<Value>, WorkError>> {
        None
    }

    /// `POST /v1/login` of a workload that needs sessions; `None` if it does not.
    async fn session(&self, _body: &Value) -> Option<Result<Value, WorkError>> {
        None
    }

    /// Calls made and effects had elsewhere, for `/v1/stats`.
    fn stats(&self) -> Value {
        json!({})
    }
}

/// A string member of a body, not empty and at most `max` bytes long.
///
/// # Errors
/// A sentence for the 400.
pub(crate) fn text<'a>(body: &'a Value, name: &str, max: usize) -> Result<&'a str, String> {
    match body.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() && text.len() <= max => Ok(text),
        _ => Err(format!("\"{name}\" must be a string of 1 to {max} bytes")),
    }
}

/// A string member that may be absent, within the same limits.
///
/// # Errors
/// A sentence for the 400.
pub(crate) fn optional_text<'a>(body: &'a Value, name: &str, max: usize) -> Result<Option<&'a str>, String> {
    if body.get(name).is_none() { Ok(None) } else { text(body, name, max).map(Some) }
}
