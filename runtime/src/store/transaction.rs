//! A transaction of the user's own.

use super::{Appended, Entry, Store, StoreFuture};

/// A transaction of the user's own, into which events can be written: they become visible with the
/// rows that the user writes in it, when it commits, and never if it does not.
#[cfg_attr(
    feature = "sqlite",
    doc = "

```
use fanfare::event::{Envelope, EventId};
use fanfare::store::{Entry, SqliteStore, Transaction, sqlx};

# #[tokio::main(flavor = \"current_thread\")]
# async fn main() -> fanfare::Result<()> {
let store = SqliteStore::open(\":memory:\").await?;
let announced = Envelope::new(EventId::new(), \"/blog\", \"post-created\")?;

let mut transaction = store.begin().await?;
sqlx::query(\"CREATE TABLE posts (title TEXT)\").execute(&mut *transaction).await?;
sqlx::query(\"INSERT INTO posts VALUES ('Hello')\").execute(&mut *transaction).await?;
let entry = Entry { events: vec![announced], mark: None };
Transaction::append(&mut transaction, &entry).await?;
transaction.commit().await?;
# Ok(())
# }
```"
)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no transaction of a store",
    label = "not a transaction that events can be written into",
    note = "`SqliteStore` and `PostgresStore` take the `sqlx::Transaction` of their database, of the sqlx that is `fanfare::store::sqlx`"
)]
pub trait Transaction: Send {
    /// The store whose tables it writes to.
    type Store: Store;

    /// Appends all events and the mark, or nothing, when the transaction commits.
    ///
    /// With [`Appended::Repeated`] nothing was written, and the transaction can go on. After an
    /// error, and when this was dropped half way, a part may be written: roll the transaction back,
    /// which dropping it does.
    ///
    /// # Errors
    /// The database's, in words for an operator; one that has not the store's tables says so.
    fn append<'a>(&'a mut self, entry: &'a Entry) -> StoreFuture<'a, Appended>;
}
