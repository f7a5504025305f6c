//! Which request goes where.

use std::sync::Arc;

use ::http::{Method, Request, StatusCode, Uri};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::reply::{Reply, bad_request, json_response, not_found, problem, store_failed, with_header};
use super::request::{Prefer, Submission, json_body, key, query, traceparent};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::peers::Peers;
use crate::queue::QueueError;
use crate::shape::queued::QueuedShape;
use crate::shape::sync::SyncShape;
use crate::work::{Work, WorkError, login};

/// Most ledger lines on a page.
const PAGE_MAX: u64 = 10_000;

/// How jobs are served.
pub(crate) enum Mode {
    Sync(Arc<SyncShape>),
    Queued(QueuedShape),
}

/// Everything a request may need.
pub(crate) struct Service {
    pub name: &'static str,
    pub mode: Mode,
    pub work: Arc<dyn Work>,
    pub peers: Peers,
    pub counters: Arc<Counters>,
    pub clock: Clock,
    pub started_us: u64,
    pub workers: usize,
    pub capacity: usize,
    /// Part of the keys the server makes, so that no two servers make the same.
    pub instance: u32,
    pub made: crate::counters::Counter,
}

impl Service {
    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Reply {
        let received_us = self.clock.now_us();
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let method = request.method().clone();
        match (&method, parts.as_slice()) {
            (&Method::GET, ["healthz"]) => json_response(StatusCode::OK, &json!({"status": "ok"})),
            (&Method::POST, ["v1", name]) if *name == self.name => self.submit(request, received_us).await,
            (&Method::POST, ["v1", "login"]) => self.session(request).await,
            (&Method::GET, ["v1", name, key]) if *name == self.name => self.read(key).await,
            (&Method::GET, ["v1", "jobs", id]) => match &self.mode {
                Mode::Queued(queued) => queued.status(id, Prefer::from(request.headers())).await,
                Mode::Sync(_) => no_jobs(),
            },
            (&Method::DELETE, ["v1", "jobs", id]) => match &self.mode {
                Mode::Queued(queued) => queued.cancel(id).await,
                Mode::Sync(_) => no_jobs(),
            },
            (&Method::GET, ["v1", "queue"]) => or_failed(self.depth().await),
            (&Method::GET, ["v1", "stats"]) => or_failed(self.stats().await),
            (&Method::GET, ["v1", "ledger"]) => self.ledger(request.uri()).await,
            (&Method::GET, ["v1", "effects", peer]) => self.peers.effects(peer, request.uri()),
            _ => self.no_route(&method, &parts),
        }
    }

    fn no_route(&self, method: &Method, parts: &[&str]) -> Reply {
        let allowed = match parts {
            ["v1", name] if *name == self.name => "POST",
            ["v1", "jobs", _] => "GET, DELETE",
            ["healthz"] | ["v1", "queue" | "stats" | "ledger"] | ["v1", "effects", _] => "GET",
            _ => {
                let detail = format!("this server serves /v1/{} and its jobs", self.name);
                return not_found(&detail);
            }
        };
        let detail = format!("{method} is not allowed here");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        with_header(problem(status, "method-not-allowed", &detail, json!({})), "allow", allowed)
    }

    async fn submit(&self, request: Request<Incoming>, received_us: u64) -> Reply {
        let headers = request.headers().clone();
        let body = match json_body(request).await {
            Ok(body) => body,
            Err(reply) => {
                self.counters.invalid.add(1);
                return reply;
            }
        };
        let made = || {
            self.made.add(1);
            format!("auto-{:08x}-{received_us}-{}", self.instance, self.made.get())
        };
        let checked = self.work.validate(&body).and_then(|()| key(&headers, &body, made));
        let key = match checked {
            Ok(key) => key,
            Err(detail) => {
                self.counters.invalid.add(1);
                return bad_request(&detail);
            }
        };
        let prefer = Prefer::from(&headers);
        let traceparent = traceparent(&headers);
        let submission = Submission { key, body, prefer, traceparent, received_us };
        match &self.mode {
            Mode::Sync(sync) => sync.submit(submission).await,
            Mode::Queued(queued) => queued.submit(submission).await,
        }
    }

    async fn session(&self, request: Request<Incoming>) -> Reply {
        let body = match json_body(request).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        match self.work.session(&body).await {
            None => not_found("this server has no sessions"),
            Some(Ok(result)) => {
                let mut reply = json_response(StatusCode::OK, &result);
                for (name, value) in login::session_cookie(&result) {
                    reply.headers_mut().append(name, value);
                }
                reply
            }
            Some(Err(error)) => failed(&error),
        }
    }

    async fn read(&self, key: &str) -> Reply {
        match self.work.read(key).await {
            Some(Ok(Some(found))) => json_response(StatusCode::OK, &found),
            Some(Ok(None)) => not_found("nothing is stored under this key"),
            Some(Err(error)) => failed(&error),
            None => not_found("this workload has nothing to read"),
        }
    }

    async fn depth(&self) -> Result<Value, QueueError> {
        let depth = match &self.mode {
            Mode::Queued(queued) => json!(queued.engine.backend.depth().await?),
            Mode::Sync(sync) => json!({
                "ready": sync.waiting(), "in_flight": sync.working(), "delayed": 0, "dead": 0,
                "oldest_age_us": 0,
            }),
        };
        let mut depth = depth;
        depth["capacity"] = json!(self.capacity);
        Ok(depth)
    }

    async fn stats(&self) -> Result<Value, QueueError> {
        let mut stats = self.counters.document();
        let (commits, redelivered) = match &self.mode {
            Mode::Queued(queued) => {
                let (succeeded, failed, cancelled) = queued.engine.backend.ended().await?;
                stats["store"] = json!({"succeeded": succeeded, "failed": failed, "cancelled": cancelled});
                (queued.engine.backend.commits(), queued.engine.backend.redelivered())
            }
            Mode::Sync(_) => (0, 0),
        };
        stats["commits"] = json!(commits);
        stats["redelivered"] = json!(redelivered);
        stats["workers"] = json!(self.workers);
        stats["uptime_us"] = json!(self.clock.now_us() - self.started_us);
        stats["peers"] = self.work.stats();
        Ok(stats)
    }

    async fn ledger(&self, uri: &Uri) -> Reply {
        let (after, limit) = match page(uri) {
            Ok(page) => page,
            Err(detail) => return bad_request(&detail),
        };
        match &self.mode {
            Mode::Queued(queued) => or_failed(queued.ledger(after, limit).await),
            Mode::Sync(sync) => json_response(StatusCode::OK, &sync.dedup.page(after, limit)),
        }
    }
}

/// `after` and `limit` of a page, within their bounds.
pub(crate) fn page(uri: &Uri) -> Result<(u64, usize), String> {
    let limit = query(uri, "limit", 1000)?;
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(format!("limit must be 1 to {PAGE_MAX}"));
    }
    Ok((query(uri, "after", 0)?, usize::try_from(limit).unwrap_or(usize::MAX)))
}

fn no_jobs() -> Reply {
    not_found("the sync shape answers at once and keeps no jobs")
}

fn or_failed(document: Result<Value, QueueError>) -> Reply {
    match document {
        Ok(document) => json_response(StatusCode::OK, &document),
        Err(error) => store_failed(&error),
    }
}

fn failed(error: &WorkError) -> Reply {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_GATEWAY);
    problem(status, &error.code.replace('_', "-"), &error.detail, json!({"code": error.code}))
}
