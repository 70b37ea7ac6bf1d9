use fanfare::prelude::*;
use fanfare::store::{Appended, Entry, MemoryStore, StoreFuture, Transaction};

#[event]
pub struct Posted {
    pub title: String,
}

/// As `sqlx::Transaction<Sqlite>` is of `SqliteStore`.
struct Begun;

impl Transaction for Begun {
    type Store = MemoryStore;

    fn append<'a>(&'a mut self, _entry: &'a Entry) -> StoreFuture<'a, Appended> {
        Box::pin(async { Ok(Appended::New) })
    }
}

async fn post(publisher: Publisher, mut transaction: Begun) -> Result<()> {
    let title = "Hello".to_owned();
    publisher.within(&mut transaction).publish(Posted { title }).await?;
    Ok(())
}

fn main() {}
