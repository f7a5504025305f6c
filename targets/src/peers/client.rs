//! The HTTP client that workers call peers with: pooled, bounded in time and size.

use std::time::Duration;

use ::http::{HeaderMap, Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A call that takes longer counts as failed.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest answer read.
const ANSWER_MAX: usize = 64 * 1024;

/// A pooled HTTP/1.1 client.
#[derive(Clone)]
pub(crate) struct HttpClient {
    inner: Client<HttpConnector, Full<Bytes>>,
}

impl HttpClient {
    /// A client that keeps up to `idle` connections to each peer.
    pub fn new(idle: usize) -> Self {
        let mut connector = HttpConnector::new();
        // Small writes must not wait for an acknowledgement.
        connector.set_nodelay(true);
        let inner = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(idle).build(connector);
        Self { inner }
    }

    /// Posts a JSON body.
    ///
    /// # Errors
    /// A sentence, if there was no whole answer: the peer may or may not have acted.
    pub async fn post(
        &self,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::post(uri).body(Full::new(body)).map_err(|e| e.to_string())?;
        *request.headers_mut() = headers;
        let json = header::HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let call = async {
            let answer = self.inner.request(request).await.map_err(|e| e.to_string())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
            Ok((status, body.map_err(|e| e.to_string())?.to_bytes()))
        };
        tokio::time::timeout(TIMEOUT, call)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs())))
    }
}
