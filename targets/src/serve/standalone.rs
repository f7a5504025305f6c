//! Peers as servers of their own: a ledger that survives the server under test.

use std::sync::Arc;

use ::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Lifecycle, announce};
use crate::args::Settings;
use crate::error::Error;
use crate::http::reply::{json_response, not_found};
use crate::http::server::{self, Shutdown};
use crate::peers::Peers;
use crate::peers::faults::Faults;
use crate::peers::gateway::Gateway;
use crate::peers::smtp::Sink;

impl Settings {
    /// The delays and faults these settings ask for.
    pub fn faults(&self) -> Faults {
        Faults {
            seed: self.args.seed,
            service_time: self.service_time,
            failure_rate: self.args.failure_rate,
            permanent_rate: self.args.permanent_rate,
            lost_response_rate: self.args.lost_response_rate,
        }
    }
}

/// The SMTP sink at `--smtp`; its ledger and stats by HTTP at `--listen`.
pub(super) async fn smtp_sink(settings: Settings, mut lifecycle: Lifecycle) -> Result<(), Error> {
    let http = server::bind(settings.args.listen, "--listen").await?;
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let smtp = server::bind(settings.args.smtp.unwrap_or(any), "--smtp").await?;
    let address =
        smtp.local_addr().map_err(|source| Error::Io { what: "cannot read the SMTP address", source })?;
    announce(&http, &settings, json!({"smtp": address.to_string()}))?;

    let (off, shutdown) = Shutdown::new();
    let sink = Sink::new(settings.faults());
    let taking = tokio::spawn(Arc::clone(&sink).run(smtp, shutdown.clone()));
    let peers = Peers { sink: Some(Arc::clone(&sink)), ..Peers::default() };
    let stats = move || sink.stats();
    let handler = move |request: ::http::Request<hyper::body::Incoming>| {
        let reply = match (request.method(), request.uri().path()) {
            (&Method::GET, path) => plain(path, request.uri(), &peers, &stats),
            _ => not_found("GET only"),
        };
        async move { Ok(reply) }
    };
    let connections = settings.args.max_connections as usize;
    let serving = tokio::spawn(server::run(http, connections, shutdown, handler));
    lifecycle.asked().await;
    off.send_replace(true);
    let _ = tokio::time::timeout(lifecycle.limit(&settings), async {
        let _ = tokio::join!(taking, serving);
    })
    .await;
    Ok(())
}

/// The gateway at `--listen`, with its ledger and stats.
pub(super) async fn gateway(settings: Settings, mut lifecycle: Lifecycle) -> Result<(), Error> {
    let http = server::bind(settings.args.listen, "--listen").await?;
    announce(&http, &settings, json!({}))?;
    let (off, shutdown) = Shutdown::new();
    let gateway = Gateway::new(settings.faults());
    let peers = Peers { gateway: Some(Arc::clone(&gateway)), ..Peers::default() };
    let handler = move |request: ::http::Request<hyper::body::Incoming>| {
        let (gateway, peers) = (Arc::clone(&gateway), peers.clone());
        async move {
            if request.method() == Method::GET {
                let stats = || gateway.stats();
                Ok(plain(request.uri().path(), request.uri(), &peers, &stats))
            } else {
                gateway.handle(request).await
            }
        }
    };
    let connections = settings.args.max_connections as usize;
    let serving = tokio::spawn(server::run(http, connections, shutdown, handler));
    lifecycle.asked().await;
    off.send_replace(true);
    let _ = tokio::time::timeout(lifecycle.limit(&settings), serving).await;
    Ok(())
}

fn plain(
    path: &str,
    uri: &::http::Uri,
    peers: &Peers,
    stats: &impl Fn() -> Value,
) -> crate::http::reply::Reply {
    match path {
        "/healthz" => json_response(StatusCode::OK, &json!({"status": "ok"})),
        "/v1/stats" => json_response(StatusCode::OK, &json!({"peers": stats()})),
        _ => match path.strip_prefix("/v1/effects/") {
            Some(peer) => peers.effects(peer, uri),
            None => not_found("this server has /healthz, /v1/stats and /v1/effects"),
        },
    }
}
