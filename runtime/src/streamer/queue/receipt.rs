//! What became of all deliveries of one push.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

/// Resolves when every delivery of a push is settled: to whether all were acknowledged.
#[derive(Debug)]
pub(crate) struct Receipt(oneshot::Receiver<bool>);

impl Future for Receipt {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let settled = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(settled.unwrap_or(false))
    }
}

/// The deliveries of a push that are not settled; the last one to go writes the receipt.
pub(crate) struct Pending {
    refused: AtomicBool,
    receipt: Option<oneshot::Sender<bool>>,
}

impl Pending {
    pub(crate) fn new() -> (Arc<Pending>, Receipt) {
        let (sender, receiver) = oneshot::channel();
        let pending = Pending {
            refused: AtomicBool::new(false),
            receipt: Some(sender),
        };
        (Arc::new(pending), Receipt(receiver))
    }

    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        Ticket {
            ear: Ear::Push(Arc::clone(self)),
            acknowledged: false,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            // Nobody has to wait for it.
            let _ = receipt.send(!*self.refused.get_mut());
        }
    }
}

/// What becomes of a message, for whoever gave it to a group. Dropped without an acknowledgement,
/// it spoils the receipt, or tells the keeper that it was given back.
pub(crate) struct Ticket {
    ear: Ear,
    acknowledged: bool,
}

enum Ear {
    Push(Arc<Pending>),
    Kept(Arc<dyn Keeper>, u64),
}

/// Keeps account of messages by their numbers. Called from any task; must not block, nor call the
/// group.
pub(crate) trait Keeper: Send + Sync {
    /// It was released after so many attempts, and may come again.
    fn released(&self, number: u64, attempts: u32);

    /// The group has done with it: acknowledged, or given back.
    fn settled(&self, number: u64, acknowledged: bool);
}

impl Ticket {
    /// One of which a keeper hears.
    #[cfg_attr(
        not(any(feature = "kafka", feature = "amqp")),
        allow(dead_code, reason = "others count receipts")
    )]
    pub(crate) fn kept(keeper: Arc<dyn Keeper>, number: u64) -> Self {
        Ticket {
            ear: Ear::Kept(keeper, number),
            acknowledged: false,
        }
    }

    pub(super) fn released(&self, attempts: u32) {
        if let Ear::Kept(keeper, number) = &self.ear {
            keeper.released(*number, attempts);
        }
    }

    pub(super) fn acknowledge(mut self) {
        self.acknowledged = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match &self.ear {
            Ear::Push(pending) if !self.acknowledged => {
                pending.refused.store(true, Ordering::Relaxed);
            }
            Ear::Push(_) => {}
            Ear::Kept(keeper, number) => keeper.settled(*number, self.acknowledged),
        }
    }
}
