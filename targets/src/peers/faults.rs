//! Delays and faults, drawn from the seed and the job's key.

use std::time::Duration;

use crate::distribution::{Distribution, Draw};
use crate::work::{Job, WorkError};

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It fails before it has any effect; another call may succeed.
    Transient,
    /// It has its effect, then the answer is lost.
    LostResponse,
    /// It fails, as every further call for this key will.
    Permanent,
}

/// How often things go wrong, and how long they take.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub seed: u64,
    pub service_time: Distribution,
    pub failure_rate: f64,
    pub permanent_rate: f64,
    pub lost_response_rate: f64,
}

impl Faults {
    /// How long the work of `key` takes in `domain`; the same at every attempt.
    pub fn time(&self, domain: &str, key: &str) -> Duration {
        self.service_time.sample(&Draw::new(self.seed, domain, key))
    }

    /// What goes wrong with the `call`-th call (from 1) for `key`.
    pub fn of(&self, domain: &str, key: &str, call: u64) -> Fault {
        let fate = Draw::new(self.seed, &format!("{domain}/fate"), key);
        if fate.chance(0, self.permanent_rate) {
            return Fault::Permanent;
        }
        let call = Draw::new(self.seed, &format!("{domain}/call/{call}"), key).uniform(0);
        if call < self.failure_rate {
            Fault::Transient
        } else if call < self.failure_rate + self.lost_response_rate {
            Fault::LostResponse
        } else {
            Fault::None
        }
    }

    /// Fails this attempt if the draw says so, for work that has no peer to fail in its place.
    pub fn inject(&self, domain: &str, job: &Job) -> Result<(), WorkError> {
        match self.of(domain, &job.key, u64::from(job.attempt)) {
            Fault::None | Fault::LostResponse => Ok(()),
            Fault::Transient => Err(WorkError::transient("injected", "an injected failure")),
            Fault::Permanent => Err(WorkError::permanent(500, "injected", "an injected permanent failure")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_at_the_stated_rates_and_repeat() {
        let faults = Faults {
            seed: 3,
            service_time: Distribution::Constant(Duration::ZERO),
            failure_rate: 0.3,
            permanent_rate: 0.1,
            lost_response_rate: 0.2,
        };
        let all: Vec<_> = (0..10_000).map(|i| faults.of("d", &format!("k{i}"), 1)).collect();
        let share = |fault| all.iter().filter(|f| **f == fault).count() as f64 / 10_000.0;
        assert!((share(Fault::Permanent) - 0.1).abs() < 0.02);
        assert!((share(Fault::Transient) - 0.27).abs() < 0.02);
        assert!((share(Fault::LostResponse) - 0.18).abs() < 0.02);
        assert_eq!(faults.of("d", "k1", 1), faults.of("d", "k1", 1));
    }
}
