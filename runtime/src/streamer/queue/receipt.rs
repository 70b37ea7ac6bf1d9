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
            pending: Arc::clone(self),
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

/// One delivery of a push. Dropped without an acknowledgement, it spoils the receipt.
pub(crate) struct Ticket {
    pending: Arc<Pending>,
    acknowledged: bool,
}

impl Ticket {
    pub(super) fn acknowledge(mut self) {
        self.acknowledged = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.acknowledged {
            self.pending.refused.store(true, Ordering::Relaxed);
        }
    }
}
