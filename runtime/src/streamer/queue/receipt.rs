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
            of: Of::Push(Arc::clone(self)),
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

/// One delivery. Dropped without an acknowledgement, it spoils the receipt of its push.
pub(crate) struct Ticket {
    of: Of,
    acknowledged: bool,
}

enum Of {
    Push(Arc<Pending>),
    Source(Arc<dyn Hear>, u64),
}

/// Hears what became of each delivery by itself.
pub(crate) trait Hear: Send + Sync {
    /// Called once for each delivery, from any task, when it is acknowledged or will not come
    /// again. Must not block.
    fn hear(&self, number: u64, acknowledged: bool);
}

impl Ticket {
    /// The ticket of a delivery that its source knows by a number.
    #[cfg_attr(not(feature = "amqp"), allow(dead_code))]
    pub(crate) fn told_to(source: Arc<dyn Hear>, number: u64) -> Self {
        Ticket {
            of: Of::Source(source, number),
            acknowledged: false,
        }
    }

    pub(super) fn acknowledge(mut self) {
        self.acknowledged = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match &self.of {
            Of::Push(pending) if !self.acknowledged => {
                pending.refused.store(true, Ordering::Relaxed);
            }
            Of::Push(_) => {}
            Of::Source(source, number) => source.hear(*number, self.acknowledged),
        }
    }
}
