//! What a worker does next: jobs in their lanes, one by one or gathered in batches.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::{Sleep, sleep};

use super::BatchPolicy;
use super::lanes::{Job, Lane, Lanes};

/// What a worker does beside its other work.
pub(super) enum Step<'a> {
    Try(Job),
    /// Waits for its turn, for the batch that is due.
    AwaitSlot,
    TryBatch(Vec<Job>, SemaphorePermit<'a>),
    /// Lets a job wait for its next attempt while others of its key go on.
    SetAside(Job, Duration),
    /// Asks a subscription that reported an error no sooner than that.
    Rest(Duration),
}

/// What a worker does next.
pub(super) struct Agenda<'a> {
    lanes: Lanes,
    gathering: Option<Gathering>,
    /// Whether a slot is waited for.
    awaits_slot: bool,
    todo: VecDeque<Step<'a>>,
}

impl<'a> Agenda<'a> {
    /// One for a handler that takes one event at a time, or batches.
    pub(super) fn new(batch: Option<BatchPolicy>) -> Self {
        Agenda {
            lanes: Lanes::default(),
            gathering: batch.map(Gathering::new),
            awaits_slot: false,
            todo: VecDeque::new(),
        }
    }

    /// What is to be begun next, if anything is to be begun now.
    pub(super) fn next(&mut self) -> Option<Step<'a>> {
        if self.has_batch() && !self.awaits_slot {
            self.awaits_slot = true;
            self.add(Step::AwaitSlot);
        }
        self.todo.pop_front()
    }

    pub(super) fn add(&mut self, step: Step<'a>) {
        self.todo.push_back(step);
    }

    /// A job has come: it begins, or waits for those before it in its lane.
    pub(super) fn enter(&mut self, job: Job) {
        if let Some(gathering) = &mut self.gathering
            && gathering.takes_along(&job)
            && self.lanes.is_clear(job.lane())
        {
            return gathering.add(job);
        }
        if let Some(job) = self.lanes.enter(job) {
            self.begin(job);
        }
    }

    /// The first of a lane is over.
    pub(super) fn is_over(&mut self, lane: Lane) {
        if let Some(job) = self.lanes.next(lane) {
            self.begin(job);
        }
    }

    /// A batch is over, but for these, which come before all others of their lanes.
    pub(super) fn batch_is_over(&mut self, lanes: HashSet<Lane>, left: Vec<Job>) {
        for job in left.into_iter().rev() {
            self.lanes.put_first(job);
        }
        for lane in lanes {
            self.is_over(lane);
        }
    }

    fn begin(&mut self, job: Job) {
        let Some(gathering) = self.gathering.as_mut().filter(|_| !job.alone) else {
            return self.add(Step::Try(job));
        };
        let lane = job.lane();
        if !gathering.has_room() {
            gathering.later.push(lane);
            return self.lanes.put_first(job);
        }
        gathering.add(job);
        while gathering.has_room()
            && let Some(next) = self.lanes.next_along(lane)
        {
            gathering.add(next);
        }
    }

    /// Whether more can be taken from the source.
    pub(super) fn has_room(&self) -> bool {
        self.gathering.as_ref().is_none_or(Gathering::has_room)
    }

    /// Whether there is a batch that has only to be begun.
    fn has_batch(&self) -> bool {
        let gathering = self.gathering.as_ref();
        gathering.is_some_and(Gathering::is_due)
    }

    /// Whether a batch is being gathered and has time.
    pub(super) fn is_gathering(&self) -> bool {
        let gathering = self.gathering.as_ref();
        gathering.is_some_and(|gathering| !gathering.jobs.is_empty() && !gathering.is_due())
    }

    /// Until the batch that is being gathered has no more time.
    pub(super) async fn gathered(&mut self) {
        if let Some(gathering) = &mut self.gathering {
            gathering.wait().await;
        }
    }

    /// Nothing more will come: what is gathered waits no longer.
    pub(super) fn hurry(&mut self) {
        if let Some(gathering) = &mut self.gathering {
            gathering.hurries = true;
        }
    }

    /// Begins the batch that is due.
    pub(super) fn begin_batch(&mut self, slot: SemaphorePermit<'a>) {
        self.awaits_slot = false;
        let Some(gathering) = &mut self.gathering else {
            return;
        };
        let batch = gathering.take();
        let later = std::mem::take(&mut gathering.later);
        self.add(Step::TryBatch(batch, slot));
        for lane in later {
            self.is_over(lane);
        }
    }
}

/// The batch that comes next.
struct Gathering {
    policy: BatchPolicy,
    jobs: Vec<Job>,
    /// Their lanes.
    lanes: HashSet<Lane>,
    /// Lanes whose turn came when there was no room.
    later: Vec<Lane>,
    /// There while the first one waits for others.
    time: Option<Pin<Box<Sleep>>>,
    is_over: bool,
    hurries: bool,
}

impl Gathering {
    fn new(policy: BatchPolicy) -> Self {
        Gathering {
            policy,
            jobs: Vec::new(),
            lanes: HashSet::new(),
            later: Vec::new(),
            time: None,
            is_over: false,
            hurries: false,
        }
    }

    fn has_room(&self) -> bool {
        self.jobs.len() < self.policy.max.get()
    }

    fn is_due(&self) -> bool {
        let is_over = self.is_over || self.hurries || !self.has_room();
        is_over && !self.jobs.is_empty()
    }

    /// Whether those before it in its lane are in this batch, and it may join them.
    fn takes_along(&self, job: &Job) -> bool {
        !job.alone && self.has_room() && self.lanes.contains(&job.lane())
    }

    fn add(&mut self, job: Job) {
        if self.jobs.is_empty() {
            self.time = Some(Box::pin(sleep(self.policy.within)));
        }
        self.lanes.insert(job.lane());
        self.jobs.push(job);
    }

    async fn wait(&mut self) {
        if let Some(time) = &mut self.time {
            time.as_mut().await;
            self.is_over = true;
        }
    }

    fn take(&mut self) -> Vec<Job> {
        self.lanes.clear();
        self.time = None;
        self.is_over = false;
        std::mem::take(&mut self.jobs)
    }
}
