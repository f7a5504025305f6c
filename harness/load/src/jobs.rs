//! The driver's ledger of jobs: one byte for each submission.

use plimsoll_model::accounting::Accounting;

/// What the driver knows of one submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum JobState {
    /// Not sent: dropped, or its time had not come.
    NotAttempted = 0,
    /// Sent, and not yet answered.
    Attempted,
    /// Definitely not taken.
    Refused,
    /// It may have been taken: timed out, or cut off after the send.
    Unknown,
    /// Taken, and not noticed as ended.
    Accepted,
    /// Noticed as done.
    Done,
    /// Noticed as failed, dead-lettered or cancelled.
    Failed,
    /// Still pending when the drain ended.
    Unfinished,
    /// The target does not know it any more.
    Lost,
    /// Nobody watches it any more.
    Unobserved,
}

/// The states of all submissions of a cell, by number.
#[derive(Debug, Clone, Default)]
pub struct JobStates {
    states: Vec<JobState>,
    /// Jobs noticed as ended more than once.
    pub duplicates: u64,
}

impl JobStates {
    /// One more than the greatest number that was set.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// The state of submission `seq`.
    pub fn get(&self, seq: u64) -> JobState {
        usize::try_from(seq).ok().and_then(|i| self.states.get(i).copied()).unwrap_or(JobState::NotAttempted)
    }

    /// Set the state of submission `seq`.
    pub fn set(&mut self, seq: u64, state: JobState) {
        let index = seq as usize;
        if index >= self.states.len() {
            self.states.resize(index + 1, JobState::NotAttempted);
        }
        self.states[index] = state;
    }

    /// Every attempted submission: (number, state).
    pub fn attempted(&self) -> impl Iterator<Item = (u64, JobState)> + '_ {
        (0u64..).zip(self.states.iter().copied()).filter(|(_, s)| *s != JobState::NotAttempted)
    }

    /// Gather shards' states: shard `i` of n holds, at index k, submission `i + k·n`.
    pub fn gather(shards: &[JobStates]) -> Self {
        let mut all = JobStates::default();
        for (i, shard) in shards.iter().enumerate() {
            all.duplicates += shard.duplicates;
            for (k, state) in shard.attempted() {
                all.set(i as u64 + k * shards.len() as u64, state);
            }
        }
        all
    }

    /// The counts, so far as the driver alone can tell.
    pub fn accounting(&self) -> Accounting {
        let mut a = Accounting { duplicated: self.duplicates, ..Accounting::default() };
        for (_, state) in self.attempted() {
            a.attempted += 1;
            let accepted_as = match state {
                JobState::NotAttempted => continue,
                JobState::Refused => {
                    a.refused += 1;
                    continue;
                }
                JobState::Attempted | JobState::Unknown => {
                    a.unknown += 1;
                    continue;
                }
                JobState::Done => &mut a.done,
                JobState::Failed => &mut a.failed,
                JobState::Accepted | JobState::Unfinished => &mut a.unfinished,
                JobState::Lost => &mut a.lost,
                JobState::Unobserved => &mut a.unobserved,
            };
            *accepted_as += 1;
            a.accepted += 1;
        }
        a
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use JobState::*;

    #[test]
    fn every_attempt_is_accounted_for_once() {
        let mut jobs = JobStates::default();
        let states =
            [Refused, Unknown, Attempted, Accepted, Done, Done, Failed, Unfinished, Lost, Unobserved];
        (3..).zip(states).for_each(|(seq, state)| jobs.set(seq, state));
        let a = jobs.accounting();
        assert_eq!((a.attempted, a.accepted, a.refused, a.unknown), (10, 7, 1, 2));
        assert_eq!((a.done, a.failed, a.unfinished, a.lost, a.unobserved), (2, 1, 2, 1, 1));
        assert!(a.balances());
    }

    #[test]
    fn shards_gather_by_number() {
        let mut shards = vec![JobStates::default(); 3];
        for seq in 0..10u64 {
            shards[(seq % 3) as usize].set(seq / 3, if seq == 7 { Lost } else { Done });
        }
        let all = JobStates::gather(&shards);
        assert_eq!(all.attempted().count(), 10);
        assert_eq!(all.get(7), Lost);
        assert_eq!(all.get(10), NotAttempted);
    }
}
