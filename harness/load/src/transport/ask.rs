//! What is asked of a server, in the form a transport needs.

use bytes::Bytes;
use http::Method;
use http_body_util::Full;

use super::{Endpoint, Request};
use crate::request::Requests;

/// A request to be sent.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// That of an arrival.
    Arrival(&'a Requests, u64),
    /// A plain `GET` of a path, such as a status resource's. A path that is none is asked for as `/`.
    Get(&'a Endpoint, &'a str),
}

impl Ask<'_> {
    /// As a request of the `http` crate.
    pub fn to_http(&self) -> Request {
        match self {
            Ask::Arrival(requests, seq) => requests.build(*seq),
            Ask::Get(endpoint, path) => {
                let mut request = Request::new(Full::<Bytes>::default());
                *request.uri_mut() = path.parse().unwrap_or_default();
                let headers = request.headers_mut();
                // An authority that was parsed as part of a URL is a valid field.
                if let Ok(host) = endpoint.authority().parse() {
                    headers.insert(http::header::HOST, host);
                }
                headers.insert(http::header::ACCEPT, http::HeaderValue::from_static("application/json"));
                request
            }
        }
    }

    /// As HTTP/1.1, appended to `output`.
    pub fn write_h1(&self, output: &mut Vec<u8>) {
        match self {
            Ask::Arrival(requests, seq) => requests.write_h1(*seq, output),
            Ask::Get(endpoint, path) => {
                let path = if path.parse::<http::Uri>().is_ok() { path } else { "/" };
                for part in ["GET ", path, " HTTP/1.1\r\nhost: ", endpoint.authority()] {
                    output.extend_from_slice(part.as_bytes());
                }
                output.extend_from_slice(b"\r\naccept: application/json\r\n\r\n");
            }
        }
    }

    /// Whether it is a `HEAD` request, whose response has no body.
    pub fn is_head(&self) -> bool {
        matches!(self, Ask::Arrival(requests, _) if *requests.method() == Method::HEAD)
    }
}
