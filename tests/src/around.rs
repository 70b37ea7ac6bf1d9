//! A store that is watched, without a word of it in the store itself.

use std::future::pending;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

use fanfare::store::{
    Appended, DeadLetter, Entry, Mark, Ownership, Page, Query, Start, Store, StoreError,
    StoreFuture, Transaction,
};

/// What is asked of a store, as far as it is watched.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// To append this.
    Append(&'a Entry),
    /// To move the cursor of this name.
    Advance(&'a str),
    /// Whether this is handled.
    IsHandled(&'a Mark),
    /// To keep a dead letter.
    Bury,
    /// To close.
    Close,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It fails, and the store is not asked.
    Fails,
    /// It is never answered.
    Hangs,
}

/// Told what is asked of a store.
pub trait Watch: Send + Sync + 'static {
    /// Whether this process works with the cursor.
    fn may_own(&self, _cursor: &str) -> bool {
        true
    }

    /// The right to work with a cursor, as this process gets it.
    fn owned(&self, _cursor: &str, right: Ownership) -> Ownership {
        right
    }

    /// What goes wrong with a call, if anything does.
    fn trouble(&self, _call: Call<'_>) -> Option<Trouble> {
        None
    }

    /// Before the store does it.
    fn asked(&self, _call: Call<'_>) {}

    /// When the store has done it, before whoever asked gets to know.
    fn answered(&self, _call: Call<'_>) {}
}

/// A store, and who watches it.
#[derive(Debug)]
pub struct Around<S, W> {
    store: S,
    watch: Arc<W>,
}

impl<S, W> Around<S, W> {
    /// Watches this store.
    pub fn new(store: S, watch: W) -> Self {
        let watch = Arc::new(watch);
        Around { store, watch }
    }

    /// Who watches.
    pub fn watch(&self) -> &W {
        &self.watch
    }

    /// The store itself.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// A transaction of the store itself, as one of this.
    pub fn within<T>(transaction: T) -> AroundTransaction<T, W> {
        AroundTransaction(transaction, PhantomData)
    }
}

impl<S: Clone, W> Clone for Around<S, W> {
    fn clone(&self) -> Self {
        Around {
            store: self.store.clone(),
            watch: Arc::clone(&self.watch),
        }
    }
}

impl<S: Store, W: Watch> Around<S, W> {
    fn watched<'a, T: Send + 'a>(
        &'a self,
        call: Call<'a>,
        work: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            self.watch.asked(call);
            match self.watch.trouble(call) {
                Some(Trouble::Fails) => return Err(StoreError::new("the store is in trouble")),
                Some(Trouble::Hangs) => pending().await,
                None => {}
            }
            let done = work.await?;
            self.watch.answered(call);
            Ok(done)
        })
    }
}

impl<S: Store, W: Watch> Store for Around<S, W> {
    fn append<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Appended> {
        self.watched(Call::Append(entry), self.store.append(entry))
    }

    fn read<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        self.store.read(query)
    }

    fn end(&self) -> StoreFuture<'_, u64> {
        self.store.end()
    }

    fn cursor<'a>(&'a self, name: &'a str, start: Start) -> StoreFuture<'a, u64> {
        self.store.cursor(name, start)
    }

    fn advance<'a>(&'a self, name: &'a str, from: u64, to: u64) -> StoreFuture<'a, bool> {
        self.watched(Call::Advance(name), self.store.advance(name, from, to))
    }

    fn rewind<'a>(&'a self, name: &'a str, to: u64) -> StoreFuture<'a, bool> {
        self.store.rewind(name, to)
    }

    fn cursors(&self) -> StoreFuture<'_, Vec<(String, u64)>> {
        self.store.cursors()
    }

    fn forget_cursor<'a>(&'a self, name: &'a str) -> StoreFuture<'a, bool> {
        self.store.forget_cursor(name)
    }

    fn own<'a>(&'a self, cursor: &'a str) -> StoreFuture<'a, Option<Ownership>> {
        Box::pin(async move {
            if !self.watch.may_own(cursor) {
                return Ok(None);
            }
            let owned = self.store.own(cursor).await?;
            Ok(owned.map(|right| self.watch.owned(cursor, right)))
        })
    }

    fn is_handled<'a>(&'a self, mark: &'a Mark) -> StoreFuture<'a, bool> {
        self.watched(Call::IsHandled(mark), self.store.is_handled(mark))
    }

    fn bury<'a>(&'a self, letter: &'a DeadLetter) -> StoreFuture<'a, u64> {
        self.watched(Call::Bury, self.store.bury(letter))
    }

    fn dead_letters(&self, after: u64, max: usize) -> StoreFuture<'_, Vec<(u64, DeadLetter)>> {
        self.store.dead_letters(after, max)
    }

    fn dead_letter(&self, number: u64) -> StoreFuture<'_, Option<DeadLetter>> {
        self.store.dead_letter(number)
    }

    fn drop_dead_letter(&self, number: u64) -> StoreFuture<'_, bool> {
        self.store.drop_dead_letter(number)
    }

    fn prune_marks(&self, before: SystemTime) -> StoreFuture<'_, u64> {
        self.store.prune_marks(before)
    }

    fn prune_events(&self, before: SystemTime) -> StoreFuture<'_, u64> {
        self.store.prune_events(before)
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.watched(Call::Close, self.store.close())
    }
}

/// A transaction of a store that is watched.
#[derive(Debug)]
pub struct AroundTransaction<T, W>(T, PhantomData<fn() -> W>);

impl<T, W> AroundTransaction<T, W> {
    /// The transaction of the store itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Transaction, W: Watch> Transaction for AroundTransaction<T, W> {
    type Store = Around<T::Store, W>;

    fn append<'a>(&'a mut self, entry: &'a Entry) -> StoreFuture<'a, Appended> {
        self.0.append(entry)
    }
}
