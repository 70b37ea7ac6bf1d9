//! The first attempt at several deliveries at once. What fails goes on one by one.

use std::collections::HashSet;

use tokio::sync::SemaphorePermit;

use super::attempts::{Ended, is_expired};
use super::call::Failed;
use super::inbox::{Claim, Seen};
use super::lanes::{Job, Lane};
use super::{RetryOrder, Staged, Worker};
use crate::streamer::Origin;

/// What is left of a batch.
pub(super) struct Tried {
    pub(super) lanes: HashSet<Lane>,
    /// What is not settled, in its order.
    pub(super) left: Vec<Job>,
}

/// One event of a batch that the handler is called with.
struct Tries {
    job: Job,
    origin: Origin,
    claim: Option<Claim>,
}

impl Worker {
    pub(super) async fn try_batch(&self, jobs: Vec<Job>, _slot: SemaphorePermit<'_>) -> Tried {
        let mut tried = Tried {
            lanes: jobs.iter().map(Job::lane).collect(),
            left: Vec::new(),
        };
        let mut tries = Vec::with_capacity(jobs.len());
        for job in jobs {
            tries.extend(self.admit(job, &mut tried.left).await);
        }
        let contexts = tries.iter_mut();
        let contexts = contexts.map(|Tries { job, origin, .. }| self.context(job, origin));
        let outcomes = match contexts.collect::<Vec<_>>() {
            none if none.is_empty() => return tried,
            contexts => self.call_batch(contexts).await,
        };
        // Lanes in which one is tried again: those behind it come after it.
        let mut held = HashSet::new();
        for (mut one, outcome) in tries.into_iter().zip(outcomes) {
            let lane = one.job.lane();
            if outcome.is_ok() && held.contains(&lane) {
                one.job.delivery.forget_attempt();
                tried.left.push(one.job);
            } else if let Some(failed) = self.conclude(one, outcome).await {
                if self.policy().order == RetryOrder::InOrder && self.is_tried_again(&failed) {
                    held.insert(lane);
                }
                tried.left.push(failed);
            }
        }
        tried
    }

    /// The event, if the handler may be called with it now. Any other is settled, or left where
    /// somebody is busy with it.
    async fn admit(&self, mut job: Job, left: &mut Vec<Job>) -> Option<Tries> {
        let message = job.delivery.message();
        let ended = if self.stop.is_cancelled() {
            Ended::Interrupted
        } else if is_expired(message) {
            Ended::Expired
        } else {
            let origin = self.origin(&job.delivery);
            match self.inbox.as_ref().map(|inbox| inbox.look(message)) {
                None => {
                    let claim = None;
                    return Some(Tries { job, origin, claim });
                }
                Some(Seen::New(claim)) => match claim.unless_marked().await {
                    None => Ended::Repeated,
                    claim => return Some(Tries { job, origin, claim }),
                },
                Some(Seen::Busy) => {
                    job.alone = true;
                    left.push(job);
                    return None;
                }
                Some(Seen::Handled) => Ended::Repeated,
            }
        };
        self.settle(job, &ended);
        None
    }

    /// Publishes what an event's handler announced and settles it, or gives it back with why it
    /// failed.
    async fn conclude(&self, tried: Tries, outcome: Result<Staged, Failed>) -> Option<Job> {
        let outcome = match outcome {
            Ok(staged) => {
                let mark = tried.claim.as_ref().and_then(Claim::mark);
                let published = async { Ok(staged.publish(&self.desk, mark).await?) };
                self.guarded(published).await
            }
            Err(failed) => Err(failed),
        };
        let Tries {
            mut job,
            origin,
            claim,
        } = tried;
        self.attempted(&job, &origin, outcome.as_ref().err());
        let Err(failed) = outcome else {
            claim.into_iter().for_each(Claim::keep);
            self.settle(job, &Ended::Handled);
            return None;
        };
        job.alone = true;
        job.failed = Some(failed);
        Some(job)
    }

    fn is_tried_again(&self, job: &Job) -> bool {
        let pause = |failed: &Failed| self.policy().pause(job.delivery.attempts(), failed.verdict);
        job.failed.as_ref().and_then(pause).is_some()
    }
}
