//! Requests: bodies within limits, keys, preferences, trace context, query parameters.

use std::time::Duration;

use ::http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::reply::{Reply, bad_request, problem};

/// Largest body accepted.
const BODY_MAX: usize = 64 * 1024;
/// How much of a larger one is still read before it is refused.
const DISCARD_MAX: usize = 1024 * 1024;
/// Longest wait for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest job key, in bytes.
const KEY_MAX: usize = 128;
/// Longest wait that `Prefer: wait` is granted.
const WAIT_MAX: u64 = 60;

/// A job as it was asked for.
pub(crate) struct Submission {
    pub key: String,
    pub body: Value,
    pub prefer: Prefer,
    pub traceparent: Option<String>,
    pub received_us: u64,
}

/// What RFC 7240's `Prefer` asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    pub respond_async: bool,
    /// At most 60 s.
    pub wait: Option<Duration>,
}

impl Prefer {
    /// Reads all `Prefer` headers; what is not understood is ignored, as the RFC says.
    pub fn from(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
        for preference in lines.flat_map(|line| line.split(',')) {
            let token = preference.split(';').next().unwrap_or_default().trim();
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            if name.trim().eq_ignore_ascii_case("respond-async") {
                prefer.respond_async = true;
            } else if name.trim().eq_ignore_ascii_case("wait")
                && let Ok(seconds) = value.trim().trim_matches('"').parse::<u64>()
            {
                prefer.wait = Some(Duration::from_secs(seconds.min(WAIT_MAX)));
            }
        }
        prefer
    }

    /// The `Preference-Applied` that goes with it.
    pub fn applied(self) -> Option<String> {
        let wait = self.wait.map(|wait| format!("wait={}", wait.as_secs()));
        match (self.respond_async, wait) {
            (true, Some(wait)) => Some(format!("respond-async, {wait}")),
            (true, None) => Some("respond-async".to_owned()),
            (false, wait) => wait,
        }
    }
}

/// Reads a JSON object within the limits, or says what is wrong.
pub(crate) async fn json_body(request: Request<Incoming>) -> Result<Value, Reply> {
    let too_large = || {
        let detail = format!("the body is larger than {BODY_MAX} bytes");
        problem(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", &detail, json!({}))
    };
    let bytes = match tokio::time::timeout(BODY_TIMEOUT, read(request.into_body())).await {
        Ok(Ok(Some(bytes))) => bytes,
        Ok(Ok(None)) => return Err(too_large()),
        Ok(Err(_)) => return Err(bad_request("the body ended early")),
        Err(_) => {
            let detail = "the body took too long";
            return Err(problem(StatusCode::REQUEST_TIMEOUT, "body-slow", detail, json!({})));
        }
    };
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(body) if body.is_object() => Ok(body),
        Ok(_) => Err(bad_request("the body must be a JSON object")),
        Err(error) => Err(bad_request(&format!("the body is not JSON: {error}"))),
    }
}

/// The body; `None` if it is larger than [`BODY_MAX`].
///
/// A little more than that is read and thrown away: closing with bytes unread resets the
/// connection, and the client might never see why.
async fn read(mut body: Incoming) -> Result<Option<Vec<u8>>, hyper::Error> {
    let mut bytes = Vec::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        size += data.len();
        if size <= BODY_MAX {
            bytes.extend_from_slice(&data);
        } else {
            bytes = Vec::new();
        }
        if size > DISCARD_MAX {
            break;
        }
    }
    Ok((size <= BODY_MAX).then_some(bytes))
}

/// The job's key: the body's `key`, else `Idempotency-Key`, else `made`.
pub(crate) fn key(
    headers: &HeaderMap,
    body: &Value,
    made: impl FnOnce() -> String,
) -> Result<String, String> {
    let valid = |key: &str| {
        if (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(key.to_owned())
        } else {
            Err(format!("a key must have 1 to {KEY_MAX} visible ASCII characters"))
        }
    };
    match body.get("key") {
        Some(Value::String(key)) => return valid(key),
        Some(_) => return Err("\"key\" must be a string".to_owned()),
        None => {}
    }
    match headers.get("idempotency-key") {
        // The draft has it quoted, a structured-field string; many send it bare.
        Some(key) => match key.to_str() {
            Ok(key) => {
                let key = key.trim();
                let inner = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
                valid(inner.unwrap_or(key))
            }
            Err(_) => Err("Idempotency-Key must be ASCII".to_owned()),
        },
        None => Ok(made()),
    }
}

/// The trace context, if it is well-formed by W3C Trace Context, level 1.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let fields: Vec<_> = text.split('-').collect();
    let hex = |field: &&str| field.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let lengths: Vec<_> = fields.iter().map(|field| field.len()).collect();
    (lengths == [2, 32, 16, 2] && fields.iter().all(hex) && fields[0] != "ff").then(|| text.to_owned())
}

/// A whole number in the query string; `default` if it is absent.
pub(crate) fn query(uri: &Uri, name: &str, default: u64) -> Result<u64, String> {
    let pairs = uri.query().unwrap_or_default().split('&');
    match pairs.filter_map(|pair| pair.split_once('=')).find(|(found, _)| *found == name) {
        None => Ok(default),
        Some((_, value)) => {
            value.parse().map_err(|_| format!("{name} must be a whole number, not {value:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let value = |v: &str| HeaderValue::from_str(v).unwrap();
        pairs.iter().map(|(n, v)| (http::HeaderName::from_static(n), value(v))).collect()
    }

    #[test]
    fn prefer_is_read_and_bounded() {
        let prefer = Prefer::from(&headers(&[("prefer", "respond-async, wait=5;x=y")]));
        assert_eq!(prefer.applied().as_deref(), Some("respond-async, wait=5"));
        let prefer = Prefer::from(&headers(&[("prefer", "Wait=900, return=minimal")]));
        assert_eq!(prefer.applied().as_deref(), Some("wait=60"));
        assert_eq!(Prefer::from(&headers(&[("prefer", "wait=soon")])), Prefer::default());
    }

    #[test]
    fn the_key_comes_from_the_body_then_the_header() {
        let made = || "made".to_owned();
        let quoted = headers(&[("idempotency-key", "\"abc\"")]);
        assert_eq!(key(&quoted, &json!({"key": "k"}), made).unwrap(), "k");
        assert_eq!(key(&quoted, &json!({}), made).unwrap(), "abc");
        let bare = headers(&[("idempotency-key", "abc")]);
        assert_eq!(key(&bare, &json!({}), made).unwrap(), "abc");
        assert_eq!(key(&HeaderMap::new(), &json!({}), made).unwrap(), "made");
        assert!(key(&bare, &json!({"key": 5}), made).is_err());
        assert!(key(&bare, &json!({"key": "x".repeat(129)}), made).is_err());
        assert!(key(&bare, &json!({"key": "a\nb"}), made).is_err());
    }

    #[test]
    fn only_well_formed_trace_context_is_carried() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(&headers(&[("traceparent", good)])).as_deref(), Some(good));
        for bad in ["00-xyz", "", &good.to_uppercase()] {
            assert_eq!(traceparent(&headers(&[("traceparent", bad)])), None);
        }
    }
}
