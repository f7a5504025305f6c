//! HTTP/1.1 by hyper.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use plimsoll_model::sample::FailureKind;
use plimsoll_model::time::Nanos;

use super::{Ask, Dialer, Endpoint, Exchange, Keep, Notable, Request, Transport, TransportError};
use crate::clock::Clock;

/// A keep-alive HTTP/1.1 connection, opened when first needed and again when the server closes it.
pub struct HyperH1 {
    endpoint: Endpoint,
    clock: Clock,
    connection: Option<SendRequest<http_body_util::Full<bytes::Bytes>>>,
}

/// Opens [`HyperH1`] transports to one endpoint.
#[derive(Clone)]
pub struct HyperH1Dialer {
    /// To where.
    pub endpoint: Endpoint,
    /// Stamps by this clock.
    pub clock: Clock,
}

impl Dialer for HyperH1Dialer {
    type Transport = HyperH1;

    fn open(&self) -> HyperH1 {
        HyperH1 { endpoint: self.endpoint.clone(), clock: self.clock, connection: None }
    }
}

impl HyperH1 {
    /// A dialer to `endpoint`.
    pub fn dialer(endpoint: Endpoint, clock: Clock) -> HyperH1Dialer {
        HyperH1Dialer { endpoint, clock }
    }

    /// Open a connection; tells how long that took.
    async fn connect(&mut self) -> Result<Nanos, TransportError> {
        let begun = self.clock.now();
        let failed = |kind| TransportError { kind, maybe_sent: false };
        let stream = self.endpoint.connect().await.map_err(failed)?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|_| failed(FailureKind::Protocol))?;
        // The task ends with the connection; its error comes out of the exchange as well.
        tokio::task::spawn_local(connection);
        self.connection = Some(sender);
        Ok(self.clock.now() - begun)
    }

    /// Send `request` on the kept connection, or on a new one if there is none or the server has
    /// closed it before taking the request.
    async fn send(
        &mut self,
        mut request: Request,
    ) -> Result<(http::Response<Incoming>, Option<Nanos>), TransportError> {
        if let Some(mut kept) = self.connection.take() {
            // Between two requests the connection's task must have its turn; an error is a closed one.
            if kept.ready().await.is_err() {
                return self.send_anew(request).await;
            }
            match kept.try_send_request(request).await {
                Ok(response) => {
                    self.connection = Some(kept);
                    return Ok((response, None));
                }
                Err(mut e) => match e.take_message() {
                    // It never left: a fresh connection is no second attempt.
                    Some(unsent) => request = unsent,
                    None => return Err(error(e.error())),
                },
            }
        }
        self.send_anew(request).await
    }

    async fn send_anew(
        &mut self,
        request: Request,
    ) -> Result<(http::Response<Incoming>, Option<Nanos>), TransportError> {
        let connect = self.connect().await?;
        let connection = self.connection.as_mut().expect("connected just above");
        match connection.try_send_request(request).await {
            Ok(response) => Ok((response, Some(connect))),
            Err(e) => {
                self.connection = None;
                Err(error(e.error()))
            }
        }
    }
}

impl Transport for HyperH1 {
    async fn exchange(&mut self, ask: Ask<'_>, keep: Keep) -> Result<Exchange, TransportError> {
        let (response, connect) = self.send(ask.to_http()).await?;
        let first_byte = self.clock.now();
        // Until the body has been read the connection is of no use to a next request.
        let connection = self.connection.take();
        let (head, mut body) = response.into_parts();
        let mut kept = Vec::new();
        let mut bytes_in = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| error(&e))?;
            let Some(data) = frame.data_ref() else { continue };
            bytes_in += data.len() as u64;
            match keep {
                Keep::Head => {}
                Keep::Body(limit) if kept.len() + data.len() <= limit => kept.extend_from_slice(data),
                Keep::Body(_) => {
                    return Err(TransportError { kind: FailureKind::Protocol, maybe_sent: true });
                }
            }
        }
        self.connection = connection;
        Ok(Exchange {
            status: head.status.as_u16(),
            first_byte,
            last_byte: self.clock.now(),
            connect,
            notable: Notable::of(&head.headers),
            body: kept.into(),
            bytes_in,
        })
    }
}

fn error(e: &hyper::Error) -> TransportError {
    let kind = if e.is_parse() { FailureKind::Protocol } else { FailureKind::Closed };
    TransportError { kind, maybe_sent: true }
}
