//! Publishing in a transaction of the user's own.

use std::fmt;
use std::sync::Arc;

use super::{MarkError, PublishError, Publisher};
use crate::event::{Event, EventId};
use crate::store::{Appended, Entry, Store, Transaction};

/// Publishes into a transaction: see [`Publisher::within`].
pub struct Within<'a, S, T> {
    publisher: &'a Publisher<S>,
    transaction: &'a mut T,
}

impl<S> Publisher<S> {
    /// Publishes in a transaction of your own, on the database of the app's store: the event is
    /// stored, and then streamed, if and only if the transaction commits; the log is looked at five
    /// times a second for what was. In a handler it does not wait for the handler's success.
    #[cfg_attr(
        feature = "sqlite",
        doc = "

```
use fanfare::prelude::*;
use fanfare::store::{SqliteStore, sqlx};

#[event]
pub struct PostCreated {
    pub title: String,
}

async fn create(
    store: &SqliteStore,
    publisher: &Publisher<SqliteStore>,
    title: String,
) -> Result<()> {
    let mut transaction = store.begin().await?;
    sqlx::query(\"INSERT INTO posts VALUES (?)\")
        .bind(&title)
        .execute(&mut *transaction)
        .await?;
    publisher.within(&mut transaction).publish(PostCreated { title }).await?;
    transaction.commit().await?;
    Ok(())
}
# fn main() {}
```"
    )]
    pub fn within<'a, T: Transaction<Store = S>>(
        &'a self,
        transaction: &'a mut T,
    ) -> Within<'a, S, T>
    where
        S: Store,
    {
        Within {
            publisher: self,
            transaction,
        }
    }
}

impl<S, T: Transaction> Within<'_, S, T> {
    /// Writes an event into the transaction, and returns the id that it got.
    ///
    /// # Errors
    /// See [`PublishError`]. After one, and where this is dropped half way, roll the transaction
    /// back, which dropping it does.
    pub async fn publish<E: Event>(&mut self, event: E) -> Result<EventId, PublishError> {
        let Publisher { desk, .. } = self.publisher;
        let route = desk.route::<E>()?;
        let envelope = desk.envelope(route, &event, self.publisher.cause())?;
        drop(event);
        let id = envelope.id().clone();
        let entry = Entry {
            events: vec![envelope],
            mark: None,
        };
        let appended = self.transaction.append(&entry).await;
        appended.map_err(|error| PublishError::Store {
            event: E::NAME,
            source: Arc::new(error),
        })?;
        Ok(id)
    }

    /// Marks the event of this handler as handled, in the transaction: so what the handler does there
    /// happens exactly once, however often and wherever the event is delivered, and whatever crashes.
    /// For a handler with `deduplicate`.
    ///
    /// Everything that the handler has published so far is written along with the mark; from then on
    /// its publisher takes nothing more but `within` a transaction. If the transaction commits, the
    /// event is handled, also where the handler fails afterwards: that is logged, and it is not
    /// tried again. If it does not, nothing has happened, and the attempt has failed, whatever the
    /// handler returns; in the same attempt, another transaction can be marked instead.
    ///
    /// Of several transactions at once, in one instance or in several, one commits: the others wait
    /// for it here, or where they begin. So it is best called first, before there is anything to
    /// roll back. Where this is dropped half way, the transaction is to be rolled back: a part of
    /// what it was to write may be there.
    ///
    /// # Errors
    /// [`MarkError::Handled`] where the mark is there: pass it on with `?`, which rolls the
    /// transaction back, and the event is acknowledged, and counted as repeated. For all others see
    /// [`MarkError`].
    #[cfg_attr(
        feature = "postgres",
        doc = "

```
use fanfare::prelude::*;
use fanfare::store::{PostgresStore, sqlx};

#[event]
pub struct Deposited {
    pub account: i64,
    pub cents: i64,
}

#[event_handler(deduplicate)]
async fn book(
    deposited: Deposited,
    publisher: Publisher<PostgresStore>,
    State(store): State<PostgresStore>,
) -> Result<()> {
    let mut transaction = store.begin().await?;
    publisher.within(&mut transaction).mark_handled().await?;
    sqlx::query(\"UPDATE accounts SET cents = cents + $1 WHERE number = $2\")
        .bind(deposited.cents)
        .bind(deposited.account)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}
# fn main() {}
```"
    )]
    pub async fn mark_handled(&mut self) -> Result<(), MarkError> {
        let stage = self.publisher.stage.as_ref();
        let stage = stage.ok_or(MarkError::NoHandler)?;
        let entry = stage.mark()?;
        match self.transaction.append(&entry).await {
            Ok(Appended::New) => Ok(()),
            Ok(Appended::Repeated) => {
                stage.is_repeated();
                Err(MarkError::Handled)
            }
            Err(error) => Err(MarkError::Store(error)),
        }
    }
}

impl<S, T> fmt::Debug for Within<'_, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within").finish_non_exhaustive()
    }
}
