//! Answers: JSON documents, and problems by RFC 9457.

use ::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::queue::QueueError;

/// An answer with a body.
pub(crate) type Reply = Response<Full<Bytes>>;

fn with_body(status: StatusCode, kind: &'static str, body: &Value) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body.to_string())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// A JSON document.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Reply {
    with_body(status, "application/json", body)
}

/// A problem document; the members of `extra` (an object) are added to it.
pub(crate) fn problem(status: StatusCode, kind: &str, detail: &str, extra: Value) -> Reply {
    let mut body = json!({
        "type": format!("urn:plimsoll:problem:{kind}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(body), Value::Object(extra)) = (body.as_object_mut(), extra) {
        body.extend(extra);
    }
    with_body(status, "application/problem+json", &body)
}

/// 400 with a sentence.
pub(crate) fn bad_request(detail: &str) -> Reply {
    problem(StatusCode::BAD_REQUEST, "invalid-request", detail, json!({}))
}

/// 404 with a sentence.
pub(crate) fn not_found(detail: &str) -> Reply {
    problem(StatusCode::NOT_FOUND, "not-found", detail, json!({}))
}

/// 503: the line or the queue is full.
pub(crate) fn full(queue_depth: u64, retry_after: u64) -> Reply {
    let detail = "the queue is full: nothing was accepted";
    let extra = json!({"queue_depth": queue_depth, "retry_after": retry_after});
    let reply = problem(StatusCode::SERVICE_UNAVAILABLE, "queue-full", detail, extra);
    with_retry_after(reply, retry_after)
}

/// 500: the store failed, and the server is stopping. Not 503, which promises that nothing was
/// accepted: after a failed sync nobody knows.
pub(crate) fn store_failed(error: &QueueError) -> Reply {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "store-failed", &error.to_string(), json!({}))
}

/// 409: the key's first request is not finished.
pub(crate) fn in_progress(key: &str) -> Reply {
    let detail = "a request with this key is in progress";
    problem(StatusCode::CONFLICT, "in-progress", detail, json!({"key": key}))
}

/// 422: the key was used with another payload.
pub(crate) fn key_reused(key: &str) -> Reply {
    let detail = "this key was used with another payload";
    problem(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", detail, json!({"key": key}))
}

/// Adds `Retry-After`, in whole seconds.
pub(crate) fn with_retry_after(mut reply: Reply, seconds: u64) -> Reply {
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    reply
}

/// Adds a header whose value is computed; one that is no valid value is left out.
pub(crate) fn with_header(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
    reply
}
