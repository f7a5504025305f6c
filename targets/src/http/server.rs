//! The accept loop, in the shape of `run(listener, shutdown)`.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::error::Error;

/// Most bytes buffered for a connection, a request's headers included.
const BUFFER_MAX: usize = 64 * 1024;

/// An answer, or the wish to drop the connection without one.
pub(crate) type Answer = Result<Response<Full<Bytes>>, Dropped>;

/// The handler wants the connection closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("connection dropped on purpose")]
pub(crate) struct Dropped;

impl From<Infallible> for Dropped {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Tells everyone that holds a copy to stop.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A switch and what it switches off.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns once shutdown is wanted (or can never be told any more). Cancel-safe.
    pub async fn wanted(&mut self) {
        // An error means that the switch is gone, and with it the server.
        let _ = self.0.wait_for(|wanted| *wanted).await;
    }
}

/// Binds, or says which address is taken and what to do about it.
pub(crate) async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, flag, source })
}

/// Serves until shutdown, then lets every request in progress finish: returns when the last
/// connection is closed. At most `connections` are open at a time; others wait in the backlog.
pub(crate) async fn run<H, F>(listener: TcpListener, connections: usize, mut shutdown: Shutdown, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(connections));
    // Every connection holds a sender; the receiver ends when the last one is gone.
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.wanted() => break,
        };
        match stream {
            Ok((stream, _)) => {
                let connection = connection(stream, shutdown.clone(), handler.clone());
                let open = open.clone();
                tokio::spawn(async move {
                    connection.await;
                    drop((place, open));
                });
            }
            // Out of descriptors, most likely: closing connections will free some.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop((listener, open));
    all_closed.recv().await;
}

async fn connection<H, F>(stream: TcpStream, mut shutdown: Shutdown, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    // Without it a small answer may wait 40 ms for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .max_buf_size(BUFFER_MAX)
        .serve_connection(TokioIo::new(stream), service_fn(handler));
    tokio::pin!(connection);
    // Errors are the client's doing (gone, malformed) or a fault dropped on purpose.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = shutdown.wanted() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
