//! The end of a subscription: what it had in its hands is settled.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{interval, timeout};

use super::attached::Attached;
use super::consumers;
use super::pump::{ACK, Pump};
use super::session::{Session, subject};
use super::topics;

impl Pump {
    /// Takes leave of the server: what has come meanwhile goes back.
    pub(super) async fn end(mut self, mut attached: Attached) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let session = Arc::clone(&attached.session);
        // No word before: what is given back would come here again.
        let _ = timeout(PATIENCE, self.take_the_rest(&mut attached)).await;
        if !self.whose.answers() {
            // The server does so itself, later.
            let (stream, consumer) = (&attached.stream, &attached.consumer);
            let _ = consumers::delete(&session, stream, consumer).await;
        }
        drop(attached);
        self.link.set_trouble(self.number, None);
        self.settle_rest(Some(session)).await;
    }

    /// Takes what is on its way, or it would come again to nobody before its time.
    async fn take_the_rest(&mut self, attached: &mut Attached) {
        let session = Arc::clone(&attached.session);
        let mut comes = true;
        while comes && attached.asked > 0 {
            // What was sent before the answer is here before it.
            let is_there = session.answers().await;
            comes = self.take_what_is_there(attached).await && is_there;
        }
        let _ = attached.inbox.get_mut().drain().await;
        while let Some(messages) = attached.inbox.next().await {
            let _ = self.take(attached, messages).await;
        }
    }

    /// Until what was given out is settled, and the server told: over this connection, and the next
    /// ones as long as the streamer is not closed.
    pub(super) async fn settle_rest(mut self, mut session: Option<Arc<Session>>) {
        let link = Arc::clone(&self.link);
        while !self.desk.is_clear() || !self.acknowledged.is_empty() {
            let session = match session.take() {
                Some(session) => session,
                None => {
                    let next = link.closing.run_until_cancelled(link.next_session());
                    let Some(Ok(session)) = next.await else {
                        return;
                    };
                    self.tell_again(&session).await;
                    session
                }
            };
            if self.settle_over(&session).await {
                return;
            }
        }
    }

    /// Tells what was acknowledged of late, which may be lost with a connection. Not to a stream that
    /// was made anew: its numbers are those of other messages.
    async fn tell_again(&self, session: &Session) {
        let Ok(Some(stream)) = topics::find(session, &self.topic).await else {
            return;
        };
        let info = topics::info(session, &stream).await;
        if info.is_ok_and(|info| self.begun.is_of(&info)) {
            for (_, reply) in &self.acknowledged {
                // Where this connection is lost too, there is a next one.
                let _ = session.client.publish(subject(reply), ACK).await;
            }
        }
    }

    /// Whether nothing is left to be told: else the connection was lost before.
    async fn settle_over(&mut self, session: &Session) -> bool {
        let (link, desk) = (Arc::clone(&self.link), Arc::clone(&self.desk));
        let mut beats = interval(link.options.ack_wait / 3);
        loop {
            self.tell(session).await;
            if desk.is_clear() {
                // Written before the last handle of the connection is dropped.
                let _ = session.client.flush().await;
                // Who closes the streamer asks for all subscriptions together.
                let asked = link.closing.run_until_cancelled(has_heard(session));
                return asked.await.unwrap_or(true);
            }
            tokio::select! {
                biased;
                () = session.over.cancelled() => return false,
                _ = beats.tick() => self.work_on(session).await,
                () = desk.news.notified() => {}
                () = link.closing.cancelled() => desk.close(),
            }
        }
    }
}

/// Whether the server has taken all it was told. One that does not say so loses the connection, or
/// is given up.
async fn has_heard(session: &Session) -> bool {
    const PATIENCE: Duration = Duration::from_mins(1);
    session.answers().await || timeout(PATIENCE, session.over.cancelled()).await.is_err()
}
