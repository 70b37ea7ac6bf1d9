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
    /// Its place in the batch.
    nth: usize,
    job: Job,
    origin: Origin,
    claim: Option<Claim>,
}

impl Worker {
    pub(super) async fn try_batch(&self, jobs: Vec<Job>, _slot: SemaphorePermit<'_>) -> Tried {
        let lanes = jobs.iter().map(Job::lane).collect();
        let mut left = Vec::new();
        let mut tries = self.admit(jobs, &mut left).await;
        let contexts = tries.iter_mut();
        let contexts = contexts.map(|Tries { job, origin, .. }| self.context(job, origin));
        let contexts: Vec<_> = contexts.collect();
        if !contexts.is_empty() {
            let outcomes = self.call_batch(contexts).await;
            self.conclude_all(tries, outcomes, &mut left).await;
        }
        left.sort_unstable_by_key(|(nth, _)| *nth);
        let left = left.into_iter().map(|(_, job)| job).collect();
        Tried { lanes, left }
    }

    /// Those that the handler may be called with now. Any other is settled, or left: one that
    /// somebody is busy with and, while in order, those behind it in its lane.
    async fn admit(&self, jobs: Vec<Job>, left: &mut Vec<(usize, Job)>) -> Vec<Tries> {
        let mut held = HashSet::new();
        let mut tries = Vec::with_capacity(jobs.len());
        for (nth, mut job) in jobs.into_iter().enumerate() {
            let message = job.delivery.message();
            if self.stop.is_cancelled() || !job.delivery.may_begin() {
                self.settle(job, &Ended::Interrupted);
            } else if held.contains(&job.lane()) {
                left.push((nth, job));
            } else if is_expired(message) {
                self.settle(job, &Ended::Expired);
            } else {
                let seen = self.inbox.as_ref().map(|inbox| inbox.look(message));
                let claim = match seen {
                    None => None,
                    Some(Seen::New(claim)) => {
                        match self.unless_marked(claim, &job.delivery).await {
                            Ok(claim) => Some(claim),
                            Err(ended) => {
                                self.settle(job, &ended);
                                continue;
                            }
                        }
                    }
                    Some(Seen::Handled) => {
                        self.settle(job, &Ended::Repeated);
                        continue;
                    }
                    Some(Seen::Busy) => {
                        if self.policy().order == RetryOrder::InOrder {
                            held.insert(job.lane());
                        }
                        job.alone = true;
                        left.push((nth, job));
                        continue;
                    }
                };
                let origin = self.origin(&job.delivery);
                tries.push(Tries {
                    nth,
                    job,
                    origin,
                    claim,
                });
            }
        }
        self.still_admitted(tries)
    }

    /// Those that may still be begun, for the store may have been asked for long.
    fn still_admitted(&self, tries: Vec<Tries>) -> Vec<Tries> {
        let may_begin = |tried: &Tries| !self.stop.is_cancelled() && tried.job.delivery.may_begin();
        let (admitted, late): (Vec<_>, Vec<_>) = tries.into_iter().partition(may_begin);
        for Tries { job, .. } in late {
            self.settle(job, &Ended::Interrupted);
        }
        admitted
    }

    /// Settles each, or leaves it: what failed and, while in order, what stands behind one of its
    /// lane that is tried again.
    async fn conclude_all(
        &self,
        tries: Vec<Tries>,
        outcomes: Vec<Result<Staged, Failed>>,
        left: &mut Vec<(usize, Job)>,
    ) {
        let mut held = HashSet::new();
        for (mut tried, outcome) in tries.into_iter().zip(outcomes) {
            let (nth, lane) = (tried.nth, tried.job.lane());
            let unreadable = matches!(&outcome, Err(failed) if failed.unreadable);
            if held.contains(&lane) && !unreadable {
                self.take_back(&mut tried);
                tried.job.alone = outcome.is_err();
                left.push((nth, tried.job));
            } else if let Some(failed) = self.conclude(tried, outcome).await {
                if self.policy().order == RetryOrder::InOrder && self.is_tried_again(&failed) {
                    held.insert(lane);
                }
                left.push((nth, failed));
            }
        }
    }

    /// The attempt does not count: nothing comes of it.
    fn take_back(&self, tried: &mut Tries) {
        if let Some(observer) = &self.observer {
            let message = tried.job.delivery.message();
            observer.took_back(&self.about(message, &tried.origin));
        }
        tried.job.delivery.forget_attempt();
    }

    /// Publishes what an event's handler announced and settles it, or gives it back with why it
    /// failed.
    async fn conclude(&self, tried: Tries, outcome: Result<Staged, Failed>) -> Option<Job> {
        let outcome = match outcome {
            Ok(staged) => {
                let mark = tried.claim.as_ref().and_then(Claim::mark);
                let published = async { Ok(staged.publish(&self.supplies.desk, mark).await?) };
                self.guarded(published).await
            }
            Err(failed) => Err(failed),
        };
        let outcome = self.unless_handled(outcome, tried.claim.as_ref()).await;
        let Tries {
            mut job,
            origin,
            claim,
            ..
        } = tried;
        self.attempted(&job, &origin, outcome.as_ref().err());
        match outcome {
            Ok(handled) => {
                claim.into_iter().for_each(Claim::keep);
                self.settle(job, &Ended::from(handled));
                None
            }
            Err(failed) => {
                job.alone = true;
                job.failed = Some(Box::new(failed));
                Some(job)
            }
        }
    }

    fn is_tried_again(&self, job: &Job) -> bool {
        let pause = |failed: &Failed| self.policy().pause(job.delivery.attempts(), failed.verdict);
        job.failed.as_deref().and_then(pause).is_some()
    }
}
