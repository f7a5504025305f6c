//! `synthetic`: a drawn service time and nothing else, for checking a meter against theory.

use std::time::Instant;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Job, Work, WorkError};
use crate::args::SyntheticWork;
use crate::pause::{burn, pause_until};
use crate::peers::faults::Faults;

/// Takes the service time of the job's key, then fails at the stated rates.
pub(crate) struct Synthetic {
    pub faults: Faults,
    pub kind: SyntheticWork,
}

#[async_trait]
impl Work for Synthetic {
    fn validate(&self, _body: &Value) -> Result<(), String> {
        Ok(())
    }

    async fn perform(&self, job: &Job) -> Result<Value, WorkError> {
        let start = Instant::now();
        let time = self.faults.time("synthetic", &job.key);
        match self.kind {
            SyntheticWork::Sleep => pause_until(start + time).await,
            SyntheticWork::Cpu => {
                tokio::task::spawn_blocking(move || std::hint::black_box(burn(time)))
                    .await
                    .map_err(|error| WorkError::transient("worker_lost", error.to_string()))?;
            }
        }
        // An injected failure costs the full service time, as a real one would.
        self.faults.inject("synthetic", job).map_err(|error| WorkError { status: 500, ..error })?;
        Ok(json!({"service_us": u64::try_from(time.as_micros()).unwrap_or(u64::MAX)}))
    }
}
