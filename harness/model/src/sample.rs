//! What one operation gave: its outcome, and the names of the measures taken of it.

use serde::{Deserialize, Serialize};

/// How an operation ended. Each outcome keeps its own counts and histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered as expected; for a job: done.
    Ok,
    /// Refused by the server for load: 429 or 503.
    Rejected,
    /// Any other wrong answer or a broken connection; for a job: failed or dead-lettered.
    Failed,
    /// No full answer within the time-out.
    TimedOut,
    /// Its start came while `max_in_flight` operations were out: never sent, never delayed in silence.
    Dropped,
    /// Still out when the drain phase ended; its latency is only a lower bound.
    Unresolved,
}

impl Outcome {
    /// Every outcome, in the order of reports.
    pub const ALL: [Outcome; 6] = [
        Outcome::Ok,
        Outcome::Rejected,
        Outcome::Failed,
        Outcome::TimedOut,
        Outcome::Dropped,
        Outcome::Unresolved,
    ];

    /// The name in files: snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Rejected => "rejected",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed_out",
            Outcome::Dropped => "dropped",
            Outcome::Unresolved => "unresolved",
        }
    }
}

/// Why an operation failed; counted, never a string on the hot path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The name could not be resolved.
    Resolve,
    /// The connection was refused or unreachable.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke before the last byte of the answer.
    Closed,
    /// The answer broke the protocol.
    Protocol,
    /// The answer's status was not one of those expected.
    Status,
    /// The answer lacked what was needed, such as a job's address.
    Content,
}

impl FailureKind {
    /// Every kind, in the order of reports.
    pub const ALL: [FailureKind; 7] = [
        FailureKind::Resolve,
        FailureKind::Connect,
        FailureKind::Tls,
        FailureKind::Closed,
        FailureKind::Protocol,
        FailureKind::Status,
        FailureKind::Content,
    ];

    /// The name in files: snake case.
    pub const fn name(self) -> &'static str {
        match self {
            FailureKind::Resolve => "resolve",
            FailureKind::Connect => "connect",
            FailureKind::Tls => "tls",
            FailureKind::Closed => "closed",
            FailureKind::Protocol => "protocol",
            FailureKind::Status => "status",
            FailureKind::Content => "content",
        }
    }
}

/// A latency, by what it spans. The definitions are those of docs/glossary.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Intended start to last byte of the response.
    ResponseTime,
    /// Actual send to last byte.
    ServiceTime,
    /// Intended start to actual send: the driver's own health.
    Lateness,
    /// Actual send to the response's head.
    TimeToFirstByte,
    /// Opening a connection, TLS included, where the operation needed a new one.
    Connect,
    /// Intended start to the last byte of the acceptance of a job.
    AcceptLatency,
    /// Enqueued to taken by a worker; the target's clock.
    QueueWait,
    /// Taken by a worker to done; the target's clock.
    ProcessingTime,
    /// Done to noticed by the driver.
    NoticeDelay,
    /// Intended start to the job noticed as done.
    CompletionTime,
}

impl Metric {
    /// Every metric, in the order of reports.
    pub const ALL: [Metric; 10] = [
        Metric::ResponseTime,
        Metric::ServiceTime,
        Metric::Lateness,
        Metric::TimeToFirstByte,
        Metric::Connect,
        Metric::AcceptLatency,
        Metric::QueueWait,
        Metric::ProcessingTime,
        Metric::NoticeDelay,
        Metric::CompletionTime,
    ];

    /// The name in files: snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::ResponseTime => "response_time",
            Metric::ServiceTime => "service_time",
            Metric::Lateness => "lateness",
            Metric::TimeToFirstByte => "time_to_first_byte",
            Metric::Connect => "connect",
            Metric::AcceptLatency => "accept_latency",
            Metric::QueueWait => "queue_wait",
            Metric::ProcessingTime => "processing_time",
            Metric::NoticeDelay => "notice_delay",
            Metric::CompletionTime => "completion_time",
        }
    }
}

/// Which part of a run an operation belongs to, by its intended start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the end of the warm-up: kept, but not in the headline.
    Warmup,
    /// The rest.
    Measured,
}
