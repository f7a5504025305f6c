//! HTTP/1.1 with as little as it takes: one write, one read, no task and no allocation a request.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use plimsoll_model::sample::FailureKind;
use plimsoll_model::time::Nanos;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::endpoint::Stream;
use super::h1::{Body, Head, Malformed, read_head};
use super::{Ask, Dialer, Endpoint, Exchange, Keep, Transport, TransportError};
use crate::clock::Clock;

/// Bytes read at once.
const READ: usize = 64 * 1024;

/// A keep-alive HTTP/1.1 connection, opened when first needed and again when the server closes it.
pub struct LeanH1 {
    endpoint: Endpoint,
    clock: Clock,
    scratch: Rc<RefCell<Scratch>>,
    connection: Option<Box<dyn Stream>>,
}

/// Buffers that all connections of a shard use in turn: an idle connection has none of its own.
struct Scratch {
    output: Vec<u8>,
    input: Box<[u8]>,
}

/// Opens [`LeanH1`] transports to one endpoint, for one shard.
#[derive(Clone)]
pub struct LeanH1Dialer {
    endpoint: Endpoint,
    clock: Clock,
    scratch: Rc<RefCell<Scratch>>,
}

impl LeanH1Dialer {
    /// A dialer to `endpoint` that stamps by `clock`.
    pub fn new(endpoint: Endpoint, clock: Clock) -> Self {
        let scratch = Scratch { output: Vec::new(), input: vec![0; READ].into_boxed_slice() };
        LeanH1Dialer { endpoint, clock, scratch: Rc::new(RefCell::new(scratch)) }
    }
}

impl Dialer for LeanH1Dialer {
    type Transport = LeanH1;

    fn open(&self) -> LeanH1 {
        let LeanH1Dialer { endpoint, clock, scratch } = self.clone();
        LeanH1 { endpoint, clock, scratch, connection: None }
    }
}

impl LeanH1 {
    /// The kept connection if it is still good, else a new one and how long it took to open.
    async fn connection(&mut self) -> Result<(Box<dyn Stream>, Option<Nanos>), TransportError> {
        if let Some(mut kept) = self.connection.take()
            && poll_fn(|cx| Poll::Ready(self.is_quiet(&mut kept, cx))).await
        {
            return Ok((kept, None));
        }
        let begun = self.clock.now();
        let opened = self.endpoint.connect().await;
        let stream = opened.map_err(|kind| TransportError { kind, maybe_sent: false })?;
        Ok((stream, Some(self.clock.now() - begun)))
    }

    /// Whether nothing has come since the last response: neither the end nor bytes nobody asked for.
    /// Costs no system call unless the runtime has seen something come.
    fn is_quiet(&self, stream: &mut Box<dyn Stream>, cx: &mut Context<'_>) -> bool {
        let scratch = &mut *self.scratch.borrow_mut();
        Pin::new(stream).poll_read(cx, &mut ReadBuf::new(&mut scratch.input)).is_pending()
    }

    async fn send(&self, stream: &mut Box<dyn Stream>, ask: &Ask<'_>) -> io::Result<()> {
        // What the socket does not take at once must be kept while others use the scratch buffer.
        let mut left = Vec::new();
        let mut sent = 0;
        poll_fn(|cx| {
            let scratch = &mut *self.scratch.borrow_mut();
            if left.is_empty() {
                scratch.output.clear();
                ask.write_h1(&mut scratch.output);
            }
            let output = if left.is_empty() { &scratch.output } else { &left };
            loop {
                match Pin::new(&mut *stream).poll_write(cx, &output[sent..]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => sent += n,
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                    Poll::Pending => {
                        if left.is_empty() {
                            left = output.clone();
                        }
                        return Poll::Pending;
                    }
                }
                if sent == output.len() {
                    break;
                }
            }
            // A TLS stream may still hold what it took.
            Pin::new(&mut *stream).poll_flush(cx)
        })
        .await
    }

    async fn receive(&self, stream: &mut Box<dyn Stream>, reading: &mut Reading) -> Result<(), FailureKind> {
        poll_fn(|cx| {
            let scratch = &mut *self.scratch.borrow_mut();
            loop {
                let mut input = ReadBuf::new(&mut scratch.input);
                match Pin::new(&mut *stream).poll_read(cx, &mut input) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(FailureKind::Closed)),
                    Poll::Ready(Ok(())) if input.filled().is_empty() => {
                        return Poll::Ready(reading.ended(self.clock.now()));
                    }
                    Poll::Ready(Ok(())) => match reading.absorb(input.filled(), || self.clock.now()) {
                        Ok(true) => return Poll::Ready(Ok(())),
                        Ok(false) => {}
                        Err(Malformed) => return Poll::Ready(Err(FailureKind::Protocol)),
                    },
                }
            }
        })
        .await
    }
}

impl Transport for LeanH1 {
    async fn exchange(&mut self, ask: Ask<'_>, keep: Keep) -> Result<Exchange, TransportError> {
        let sent = |kind| TransportError { kind, maybe_sent: true };
        // Out of `self` while in use: a dropped future takes the connection with it.
        let (mut stream, connect) = self.connection().await?;
        self.send(&mut stream, &ask).await.map_err(|_| sent(FailureKind::Closed))?;
        let mut reading = Reading::new(ask.is_head(), keep);
        self.receive(&mut stream, &mut reading).await.map_err(sent)?;
        let (head, first_byte) = reading.head.ok_or(sent(FailureKind::Protocol))?;
        if head.keep_alive && !reading.left_over {
            self.connection = Some(stream);
        }
        Ok(Exchange {
            status: head.status,
            first_byte,
            last_byte: reading.last_byte,
            connect,
            notable: head.notable,
            body: reading.kept.into(),
            bytes_in: reading.bytes_in,
        })
    }
}

/// A response on its way in.
struct Reading {
    to_head_request: bool,
    keep: Keep,
    /// A head that has come in part.
    partial: Vec<u8>,
    /// The head, and when it was whole.
    head: Option<(Head, Nanos)>,
    body: Body,
    kept: Vec<u8>,
    bytes_in: u64,
    last_byte: Nanos,
    /// Whether bytes came behind the response that nobody asked for.
    left_over: bool,
}

impl Reading {
    fn new(to_head_request: bool, keep: Keep) -> Self {
        Reading {
            to_head_request,
            keep,
            partial: Vec::new(),
            head: None,
            body: Body::Done,
            kept: Vec::new(),
            bytes_in: 0,
            last_byte: Nanos::ZERO,
            left_over: false,
        }
    }

    /// Take in what has come; whether the response is whole.
    fn absorb(&mut self, input: &[u8], now: impl Fn() -> Nanos) -> Result<bool, Malformed> {
        if self.head.is_some() {
            return self.absorb_body(input, &now);
        }
        if self.partial.is_empty() {
            return self.absorb_head(input, &now);
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(input);
        self.absorb_head(&joined, &now)
    }

    fn absorb_head(&mut self, input: &[u8], now: &impl Fn() -> Nanos) -> Result<bool, Malformed> {
        let Some((head, length)) = read_head(input, self.to_head_request)? else {
            self.partial = input.to_vec();
            return Ok(false);
        };
        self.body = Body::new(head.framing);
        self.head = Some((head, now()));
        self.absorb_body(&input[length..], now)
    }

    fn absorb_body(&mut self, input: &[u8], now: &impl Fn() -> Nanos) -> Result<bool, Malformed> {
        let Reading { keep, kept, bytes_in, .. } = self;
        let mut too_long = false;
        let used = self.body.read(input, |content| {
            *bytes_in += content.len() as u64;
            if let Keep::Body(limit) = keep {
                too_long |= kept.len() + content.len() > *limit;
                if !too_long {
                    kept.extend_from_slice(content);
                }
            }
        })?;
        if too_long {
            return Err(Malformed);
        }
        if self.body != Body::Done {
            return Ok(false);
        }
        self.left_over = used < input.len();
        self.last_byte = now();
        Ok(true)
    }

    /// The connection has ended: is the response whole?
    fn ended(&mut self, now: Nanos) -> Result<(), FailureKind> {
        if self.head.is_none() || !self.body.ends_with_connection() {
            return Err(FailureKind::Closed);
        }
        self.last_byte = now;
        Ok(())
    }
}
