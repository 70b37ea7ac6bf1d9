//! Publishing in a transaction of the user's own.

use std::fmt;
use std::sync::Arc;

use super::{PublishError, Publisher};
use crate::event::{Event, EventId};
use crate::store::{Entry, Store, Transaction};

/// Publishes into a transaction: see [`Publisher::within`].
pub struct Within<'a, S, T> {
    publisher: &'a Publisher<S>,
    transaction: &'a mut T,
}

impl<S: Store> Publisher<S> {
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
    ) -> Within<'a, S, T> {
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
    /// See [`PublishError`]. After one, roll the transaction back, which dropping it does.
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
}

impl<S, T> fmt::Debug for Within<'_, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within").finish_non_exhaustive()
    }
}
