//! What a store does that outlives its process.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::SystemTime;

use fanfare::event::Message;
use fanfare::store::sqlx::Error;
use fanfare::store::{Appended, DeadLetter, Entry, Start, Store, StoreError, Transaction, Which};
use fanfare_tests::foreign;
use futures_util::future::join_all;

use crate::{all, append, entry, mark, number, numbered};

/// Where a store is kept.
pub(crate) trait Place: Sync {
    type Store: Store + Clone;

    /// What a transaction may do, and take its time over.
    const WORK: &[&'static str];

    /// Refuses events that are called `bad`, and says `no_bad_events`.
    const REFUSE_BAD: &'static str;

    /// A fresh one.
    async fn new() -> Self;

    /// Opens it, as another instance.
    async fn open(&self) -> Result<Self::Store, StoreError>;

    /// Opens it for many at once.
    async fn open_for_many(&self) -> Result<Self::Store, StoreError> {
        self.open().await
    }

    /// Opens it so that nobody else writes while a transaction of the store's is open.
    async fn open_for_one(&self) -> Result<Self::Store, StoreError> {
        self.open().await
    }

    /// What a process opens it by.
    fn address(&self) -> String;

    /// Runs a statement beside the store.
    async fn sql(&self, sql: &'static str);

    /// Counts something beside the store.
    async fn count(&self, sql: &'static str) -> i64;

    /// Begins a transaction of the user's own, in a database that may have no tables yet.
    async fn begin(&self) -> impl Transaction + Finish;

    /// Begins one of an open store.
    fn begin_of(
        store: &Self::Store,
    ) -> impl Future<Output = Result<impl Transaction + Finish, StoreError>> + Send;
}

/// The end of a transaction, and what the user does in it.
pub(crate) trait Finish {
    fn run(&mut self, sql: &'static str) -> impl Future<Output = Result<(), Error>> + Send;
    fn commit(self) -> impl Future<Output = Result<(), Error>> + Send;
    fn rollback(self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Each behaviour as a test of one place.
macro_rules! durable {
    ($place:ty: $($name:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let place = <$place as $crate::durable::Place>::new().await;
            $crate::durable::$name(&place).await;
        }
    )*};
    ($place:ty) => {
        $crate::durable::durable!($place:
            everything_is_there_after_reopening, a_newer_database_is_refused,
            a_fresh_database_is_opened_by_many, a_cursor_is_free_when_its_process_is_killed,
            a_cursor_is_free_when_its_process_ends, what_was_confirmed_survives_a_kill,
            a_transaction_writes_both_or_neither, a_transaction_needs_the_tables
        );
    };
}
pub(crate) use durable;

pub(crate) async fn everything_is_there_after_reopening<P: Place>(place: &P) {
    let store = place.open().await.expect("opened");
    let written = Entry {
        events: vec![numbered("a", 0), numbered("b", 1)],
        mark: Some(mark("1")),
    };
    store.append(&written).await.expect("appended");
    let letter = DeadLetter {
        handler: "shop.bill".to_owned(),
        reason: "no".to_owned(),
        origin: "main/orders/0/17".to_owned(),
        attempts: 3,
        time: SystemTime::now(),
        message: Message::from(foreign("?")),
    };
    let buried = store.bury(&letter).await.expect("buried");
    store.cursor("c", Start::Beginning).await.expect("made");
    assert!(store.advance("c", 0, 1).await.expect("moved"));
    let read = all(&store, Which::All, 10).await;
    store.close().await.expect("closed");
    assert!(store.append(&written).await.is_err(), "it is closed");
    drop(store);

    let store = place.open().await.expect("opened");
    assert_eq!(all(&store, Which::All, 10).await, read);
    assert_eq!(
        store.append(&written).await.expect("asked"),
        Appended::Repeated
    );
    assert_eq!(store.dead_letter(buried).await.expect("read"), Some(letter));
    assert_eq!(
        store.cursors().await.expect("listed"),
        [("c".to_owned(), 1)]
    );
    append(&store, [numbered("a", 2)]).await;
    assert_eq!(number(&all(&store, Which::All, 10).await[2].1), 2);
}

pub(crate) async fn a_newer_database_is_refused<P: Place>(place: &P) {
    drop(place.open().await.expect("opened"));
    place
        .sql(
            "INSERT INTO fanfare_migrations (version, description, success, checksum, execution_time)
            SELECT version + 1, description, success, checksum, 0 FROM fanfare_migrations
            UNION ALL
            SELECT version + 6, description, success, checksum, 0 FROM fanfare_migrations",
        )
        .await;
    for _ in 0..3 {
        let error = place.open().await.err().expect("refused").to_string();
        for said in [
            "are of version 7",
            "up to version 1",
            "a newer program",
            "another database",
        ] {
            assert!(error.contains(said), "{error}");
        }
    }
    place
        .sql("DELETE FROM fanfare_migrations WHERE version > 1")
        .await;
    place.open().await.expect("opened");
}

pub(crate) async fn a_fresh_database_is_opened_by_many<P: Place>(place: &P) {
    // Processes first, each of which stands at the start.
    let address = place.address();
    let mut processes: Vec<_> = (0..6)
        .map(|_| Process::ready(&address, &["own", "c"]))
        .collect();
    for process in &mut processes {
        process.go();
    }
    let stores = join_all((0..12).map(|_| place.open())).await;
    for (n, store) in stores.into_iter().enumerate() {
        append(&store.expect("opened"), [numbered("a", n)]).await;
    }
    let owners = processes.iter_mut().map(Process::hear);
    let owners: Vec<_> = owners.map(|said| said.expect("opened")).collect();
    assert_eq!(
        owners.iter().filter(|said| *said == "owned").count(),
        1,
        "{owners:?}"
    );
    let store = place.open().await.expect("opened");
    assert_eq!(all(&store, Which::All, 5).await.len(), 12);
}

pub(crate) async fn a_cursor_is_free_when_its_process_is_killed<P: Place>(place: &P) {
    let store = place.open().await.expect("opened");
    let mut process = Process::ready(&place.address(), &["own", "c"]);
    process.go();
    assert_eq!(process.hear().as_deref(), Some("owned"));
    assert!(store.own("c").await.expect("asked").is_none());
    process.kill();
    soon_own(&store, "c").await;
}

pub(crate) async fn a_cursor_is_free_when_its_process_ends<P: Place>(place: &P) {
    let store = place.open().await.expect("opened");
    let mut process = Process::ready(&place.address(), &["own", "c"]);
    process.go();
    assert_eq!(process.hear().as_deref(), Some("owned"));
    process.go();
    process.end();
    // It is given back before the store is closed.
    assert!(store.own("c").await.expect("asked").is_some());
}

async fn soon_own(store: &impl Store, cursor: &str) {
    while store.own(cursor).await.expect("asked").is_none() {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn what_was_confirmed_survives_a_kill<P: Place>(place: &P) {
    let mut process = Process::ready(&place.address(), &["write"]);
    process.go();
    let mut confirmed: Vec<usize> = Vec::new();
    while confirmed.len() < 100 {
        confirmed.push(process.hear().expect("more").parse().expect("a number"));
    }
    process.kill();
    confirmed.extend(
        process
            .rest()
            .iter()
            .filter_map(|said| said.parse::<usize>().ok()),
    );
    let store = place.open().await.expect("opened");
    let read = all(&store, Which::All, 1_000).await;
    let read: Vec<_> = read.iter().map(|(_, event)| number(event)).collect();
    assert_eq!(read, (0..read.len()).collect::<Vec<_>>());
    let (read, confirmed) = (read.len(), confirmed.len());
    assert!(
        read == confirmed || read == confirmed + 1,
        "{confirmed} confirmed, {read} there"
    );
}

pub(crate) async fn a_transaction_writes_both_or_neither<P: Place>(place: &P) {
    let store = place.open().await.expect("opened");
    place
        .sql("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
        .await;
    let marked = Entry {
        events: vec![numbered("a", 0), numbered("a", 1)],
        mark: Some(mark("1")),
    };

    let mut rolled_back = place.begin().await;
    rolled_back
        .run("INSERT INTO orders VALUES (0)")
        .await
        .expect("done");
    assert_eq!(
        rolled_back.append(&marked).await.expect("written"),
        Appended::New
    );
    rolled_back.rollback().await.expect("done");
    let mut dropped = place.begin().await;
    dropped
        .run("INSERT INTO orders VALUES (0)")
        .await
        .expect("done");
    assert_eq!(
        dropped.append(&marked).await.expect("written"),
        Appended::New
    );
    drop(dropped);
    assert!(all(&store, Which::All, 10).await.is_empty());

    let mut committed = place.begin().await;
    committed
        .run("INSERT INTO orders VALUES (0)")
        .await
        .expect("done");
    assert_eq!(
        committed.append(&marked).await.expect("written"),
        Appended::New
    );
    assert_eq!(
        committed.append(&marked).await.expect("written"),
        Appended::Repeated
    );
    committed
        .append(&entry([numbered("a", 2)]))
        .await
        .expect("written");
    assert!(
        all(&store, Which::All, 10).await.is_empty(),
        "before it commits"
    );
    committed.commit().await.expect("done");
    let read = all(&store, Which::All, 10).await;
    assert_eq!(
        read.iter()
            .map(|(_, event)| number(event))
            .collect::<Vec<_>>(),
        [0, 1, 2]
    );

    // One that comes too late goes on without its events.
    let mut late = place.begin().await;
    assert_eq!(
        late.append(&marked).await.expect("written"),
        Appended::Repeated
    );
    late.run("INSERT INTO orders VALUES (1)")
        .await
        .expect("done");
    late.commit().await.expect("done");
    assert_eq!(all(&store, Which::All, 10).await, read);
}

pub(crate) async fn a_transaction_needs_the_tables<P: Place>(place: &P) {
    let mut transaction = place.begin().await;
    let error = transaction.append(&entry([numbered("a", 0)])).await;
    assert_says(
        error,
        "has no tables of fanfare: open the store on this same database",
    );
}

/// That it failed, and said so.
pub(crate) fn assert_says<T>(result: Result<T, impl Display>, said: &str) {
    let error = result.err().expect("refused").to_string();
    assert!(error.contains(said), "{error}");
}

/// The program `store_client`.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Started, and waiting for a word.
    fn ready(address: &str, arguments: &[&str]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_store_client"))
            .arg(address)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let stdout = child.stdout.take().expect("piped");
        let mut process = Process {
            child,
            lines: BufReader::new(stdout).lines(),
        };
        assert_eq!(process.hear().as_deref(), Some("ready"));
        process
    }

    fn go(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        stdin.write_all(b"\n").expect("told");
    }

    fn hear(&mut self) -> Option<String> {
        self.lines.next().map(|line| line.expect("a line"))
    }

    fn rest(&mut self) -> BTreeSet<String> {
        self.lines.by_ref().map_while(Result::ok).collect()
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    fn end(&mut self) {
        assert!(self.child.wait().expect("ended").success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Most have ended by now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
