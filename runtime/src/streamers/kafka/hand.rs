//! How much of a subscription is in its subscriber's hand, and waking the thread that fills it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};

/// Counts what the local queue holds, waiting and in flight.
pub(super) struct Hand {
    held: AtomicUsize,
    /// The most that it may hold.
    most: usize,
    /// When it holds no more than this, it is to be filled.
    low: usize,
    /// Whether the thread wants to hear of each that is settled.
    is_listening: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Hand {
    /// For a subscriber that has at most so many in flight. About as many wait beside, so that one
    /// waking brings many.
    pub(super) fn new(in_flight: usize) -> Self {
        let waiting = in_flight.clamp(32, 1024);
        Hand {
            held: AtomicUsize::new(0),
            most: in_flight.saturating_add(waiting),
            low: in_flight,
            is_listening: AtomicBool::new(false),
            thread: OnceLock::new(),
        }
    }

    /// From now on it is this thread that is woken.
    pub(super) fn wake_this_thread(&self) {
        // One thread feeds a subscription, and says so once.
        let _ = self.thread.set(thread::current());
    }

    /// Wakes the thread. A call while it is awake makes it go round once more.
    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How many more it takes; none before it is low.
    pub(super) fn room(&self) -> usize {
        let held = self.held.load(Ordering::Acquire);
        if held > self.low { 0 } else { self.most - held }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.load(Ordering::Acquire) == 0
    }

    pub(super) fn pick_up(&self, count: usize) {
        self.held.fetch_add(count, Ordering::AcqRel);
    }

    pub(super) fn put_down(&self) {
        let left = self.held.fetch_sub(1, Ordering::AcqRel) - 1;
        if left == self.low || left == 0 || self.is_listening.load(Ordering::Acquire) {
            self.wake();
        }
    }

    /// Whether the thread is woken for each one that is settled.
    pub(super) fn listen(&self, listens: bool) {
        self.is_listening.store(listens, Ordering::Release);
    }
}
