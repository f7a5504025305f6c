//! Builds the request of each arrival from the plan's templates.

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Uri};
use http_body_util::Full;
use plimsoll_model::plan;
use plimsoll_model::template::{Ready, Template};

use crate::transport::{Endpoint, Request};

/// A request that can't be built from the plan.
#[derive(Debug, thiserror::Error)]
#[error("request.{part}: {message}")]
pub struct RequestError {
    part: String,
    message: String,
}

/// The requests of one variant in one cell.
#[derive(Debug)]
pub struct Requests {
    method: Method,
    path: Ready,
    /// Headers that are the same in every request.
    headers: HeaderMap,
    /// Headers that are not.
    varying: Vec<(HeaderName, Ready)>,
    body: Option<Ready>,
    key_prefix: String,
    /// The method with its space, and the version with the fields that are the same in every request.
    h1: [Vec<u8>; 2],
}

impl Requests {
    /// What `plan` says, sent to `endpoint`. Keys are `key_prefix` and the arrival's number.
    ///
    /// # Errors
    /// When a part is not valid HTTP, or names a variable the environment lacks.
    pub fn new(plan: &plan::Request, endpoint: &Endpoint, key_prefix: &str) -> Result<Self, RequestError> {
        let method = plan.method.parse().map_err(|e| failed("method", e))?;
        let path = template("path", &format!("{}{}", endpoint.base_path(), plan.path))?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, endpoint.authority().parse().map_err(|e| failed("host", e))?);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("plimsoll/", env!("CARGO_PKG_VERSION"))));
        let mut varying = Vec::new();
        for (name, value) in &plan.headers {
            let part = format!("headers.{name}");
            let name: HeaderName = name.parse().map_err(|e| failed(&part, e))?;
            let value = template(&part, value)?;
            match value.constant() {
                Some(text) => {
                    headers.insert(name, text.parse().map_err(|e| failed(&part, e))?);
                }
                None => varying.push((name, value)),
            }
        }
        let body = plan.body.as_deref().map(|b| template("body", b)).transpose()?;
        let h1 = [format!("{method} ").into_bytes(), constant_h1(&headers)];
        let key_prefix = key_prefix.to_owned();
        let requests = Requests { method, path, headers, varying, body, key_prefix, h1 };
        // Whatever is wrong with the templates shows in the first request, before any load is sent.
        requests.try_build(0)?;
        Ok(requests)
    }

    /// The method of every request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The key of arrival `seq`.
    pub fn key(&self, seq: u64) -> String {
        format!("{}{seq}", self.key_prefix)
    }

    /// The request of arrival `seq`.
    pub fn build(&self, seq: u64) -> Request {
        self.try_build(seq)
            .expect("a template that was valid for one number is for all: they differ in digits")
    }

    /// The request of arrival `seq` as HTTP/1.1, appended to `output`.
    pub fn write_h1(&self, seq: u64, output: &mut Vec<u8>) {
        let key = self.key(seq);
        output.extend_from_slice(&self.h1[0]);
        self.path.render(seq, &key, output);
        output.extend_from_slice(&self.h1[1]);
        for (name, value) in &self.varying {
            output.extend_from_slice(name.as_str().as_bytes());
            output.extend_from_slice(b": ");
            value.render(seq, &key, output);
            output.extend_from_slice(b"\r\n");
        }
        let Some(body) = &self.body else {
            // RFC 9110 § 8.6: a method that has a meaning for content says that there is none.
            if matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
                output.extend_from_slice(b"content-length: 0\r\n");
            }
            return output.extend_from_slice(b"\r\n");
        };
        // The length goes before the body, which is rendered behind it and measured.
        const FIELD: &[u8] = b"content-length: ";
        const DIGITS: usize = 10;
        output.extend_from_slice(FIELD);
        let at = output.len();
        output.extend_from_slice(&[b'0'; DIGITS]);
        output.extend_from_slice(b"\r\n\r\n");
        let start = output.len();
        body.render(seq, &key, output);
        let mut length = output.len() - start;
        for digit in output[at..at + DIGITS].iter_mut().rev() {
            *digit = b'0' + (length % 10) as u8;
            length /= 10;
        }
    }

    fn try_build(&self, seq: u64) -> Result<Request, RequestError> {
        let key = self.key(seq);
        let uri = Uri::try_from(render(&self.path, seq, &key)).map_err(|e| failed("path", e))?;
        let body = self.body.as_ref().map(|b| render(b, seq, &key)).unwrap_or_default();
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        for (name, value) in &self.varying {
            let value: HeaderValue =
                render(value, seq, &key).try_into().map_err(|e| failed(name.as_str(), e))?;
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}

/// The rest of the request line, and `headers`, as HTTP/1.1.
fn constant_h1(headers: &HeaderMap) -> Vec<u8> {
    let mut text = b" HTTP/1.1\r\n".to_vec();
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text
}

fn template(part: &str, text: &str) -> Result<Ready, RequestError> {
    let parsed = Template::parse(text).map_err(|e| failed(part, e))?;
    parsed.ready(|name| std::env::var(name).ok()).map_err(|e| failed(part, e))
}

fn render(template: &Ready, seq: u64, key: &str) -> Vec<u8> {
    let mut text = Vec::new();
    template.render(seq, key, &mut text);
    text
}

fn failed(part: &str, message: impl ToString) -> RequestError {
    RequestError { part: part.to_owned(), message: message.to_string() }
}
