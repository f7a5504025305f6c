//! Reads a job's status resource.

use plimsoll_model::time::Nanos;
use serde::Deserialize;

/// What a status resource says of its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobProgress {
    /// Not ended yet.
    Pending,
    /// Ended well.
    Done(Stamps),
    /// Failed, dead-lettered or cancelled.
    Failed(Stamps),
    /// The server does not know the job.
    Gone,
}

/// When things happened to a job, by the target's clock; absent where not told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamps {
    /// Durably enqueued.
    pub enqueued: Option<Nanos>,
    /// First taken by a worker.
    pub first_leased: Option<Nanos>,
    /// Last taken by a worker.
    pub last_leased: Option<Nanos>,
    /// Ended.
    pub done: Option<Nanos>,
}

impl Stamps {
    /// Enqueued to first taken by a worker.
    pub fn queue_wait(&self) -> Option<Nanos> {
        self.first_leased?.checked_sub(self.enqueued?)
    }

    /// Last taken by a worker to done.
    pub fn processing(&self) -> Option<Nanos> {
        self.done?.checked_sub(self.last_leased?)
    }
}

/// An answer that is not a job's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusError {
    /// The server is overloaded or failing: ask again later.
    Retry,
    /// It will not become a status.
    Malformed,
}

#[derive(Deserialize)]
struct Document {
    status: String,
    #[serde(default)]
    stamps: DocumentStamps,
}

#[derive(Deserialize, Default)]
struct DocumentStamps {
    enqueued_us: Option<u64>,
    #[serde(default)]
    leased_us: Vec<u64>,
    done_us: Option<u64>,
}

/// Read the answer to a status request: `status` as an HTTP code, `body` as JSON with a `status`.
///
/// 303 is done (RFC 9110: see the result elsewhere), 202 pending, 404 and 410 gone.
///
/// # Errors
/// When it is neither.
pub fn read_status(status: u16, body: &[u8]) -> Result<JobProgress, StatusError> {
    match status {
        202 => return Ok(JobProgress::Pending),
        303 => return Ok(JobProgress::Done(Stamps::default())),
        404 | 410 => return Ok(JobProgress::Gone),
        429 | 500..=599 => return Err(StatusError::Retry),
        200 => {}
        _ => return Err(StatusError::Malformed),
    }
    let document: Document = serde_json::from_slice(body).map_err(|_| StatusError::Malformed)?;
    let us = |us: &u64| Nanos::from_micros(*us);
    let stamps = Stamps {
        enqueued: document.stamps.enqueued_us.as_ref().map(us),
        first_leased: document.stamps.leased_us.first().map(us),
        last_leased: document.stamps.leased_us.last().map(us),
        done: document.stamps.done_us.as_ref().map(us),
    };
    match document.status.to_ascii_lowercase().as_str() {
        "queued" | "running" | "pending" | "accepted" | "processing" | "in_progress" | "notstarted" => {
            Ok(JobProgress::Pending)
        }
        "succeeded" | "done" | "completed" | "success" | "finished" => Ok(JobProgress::Done(stamps)),
        "failed" | "dead" | "cancelled" | "canceled" | "error" => Ok(JobProgress::Failed(stamps)),
        _ => Err(StatusError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_means_one_thing() {
        let done =
            br#"{"id":"1","status":"succeeded","stamps":{"enqueued_us":5,"leased_us":[7,20],"done_us":29}}"#;
        let Ok(JobProgress::Done(stamps)) = read_status(200, done) else { panic!("done") };
        assert_eq!(stamps.queue_wait(), Some(Nanos::from_micros(2)));
        assert_eq!(stamps.processing(), Some(Nanos::from_micros(9)));
        assert_eq!(read_status(200, br#"{"status":"queued"}"#), Ok(JobProgress::Pending));
        assert_eq!(read_status(200, br#"{"status":"dead"}"#), Ok(JobProgress::Failed(Stamps::default())));
        assert_eq!(read_status(202, b""), Ok(JobProgress::Pending));
        assert_eq!(read_status(404, b"?"), Ok(JobProgress::Gone));
        assert_eq!(read_status(503, b""), Err(StatusError::Retry));
        for nonsense in [&b""[..], b"{}", b"[1]", br#"{"status":7}"#, br#"{"status":"perhaps"}"#, b"\xff"] {
            assert_eq!(read_status(200, nonsense), Err(StatusError::Malformed));
        }
    }
}
