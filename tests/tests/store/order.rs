//! Whoever follows the log sees what was committed, all of it, once, and in an order that does not
//! contradict that of the commits: while hundreds write in transactions of any length, of which
//! many are rolled back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare::event::{Envelope, EventId};
use fanfare::store::{Entry, Query, Start, Store, StoreFuture, Transaction, Which};
use fanfare_tests::in_time;
use futures_util::future::join_all;
use tokio::sync::watch;

use crate::durable::{Finish, Place};
use crate::{all, entry};

const WRITERS: usize = 200;
const LONG: Duration = Duration::from_secs(5);
const NAMES: [&str; 3] = ["placed", "paid", "sent"];

/// The crash comes after so many transactions.
const BEFORE_CRASH: usize = 300;

/// A transaction: the writer's number, and which of its transactions it is.
type Turn = (usize, usize);

/// An event: its transaction, and which of its events it is.
type Nth = (Turn, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Committed,
    RolledBack,
    /// The server crashed over it.
    Unknown,
}

/// What became of a transaction, and between which ticks of the clock.
struct Record {
    events: usize,
    outcome: Outcome,
    begun: u64,
    ended: u64,
}

/// What the writers tell.
struct Ledger {
    seed: u64,
    begun: Instant,
    clock: AtomicU64,
    records: Mutex<BTreeMap<Turn, Record>>,
    done: watch::Sender<usize>,
    is_over: AtomicBool,
    /// Whether errors are to be expected.
    is_disturbed: AtomicBool,
}

pub(crate) async fn is_kept<P: Place>(place: &P, crash: Option<&dyn Fn()>) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let writing = place.open_for_many().await.expect("opened");
    let mut reading = Vec::new();
    for _ in 0..3 {
        reading.push(place.open().await.expect("opened"));
    }
    let ledger = Arc::new(Ledger {
        seed,
        begun: Instant::now(),
        clock: AtomicU64::new(0),
        records: Mutex::default(),
        done: watch::Sender::new(0),
        is_over: AtomicBool::new(false),
        is_disturbed: AtomicBool::new(false),
    });
    let some = || Which::Named(vec![NAMES[2].to_owned(), NAMES[0].to_owned()]);
    let whiches = [
        Which::All,
        Which::All,
        Which::All,
        some(),
        some(),
        Which::Keyed("7".to_owned()),
    ];
    let readers = whiches.into_iter().enumerate().map(|(n, of)| {
        let (store, ledger) = (reading[n % reading.len()].clone(), ledger.clone());
        tokio::spawn(async move { (of.clone(), follow(n, &store, of, &ledger).await) })
    });
    let readers: Vec<_> = readers.collect();

    let writers = (0..WRITERS).map(|writer| write::<P>(writer, &writing, &ledger));
    let crash = async {
        let Some(crash) = crash else { return };
        let mut done = ledger.done.subscribe();
        done.wait_for(|done| *done >= BEFORE_CRASH)
            .await
            .expect("writers");
        ledger.is_disturbed.store(true, Ordering::SeqCst);
        crash();
    };
    tokio::join!(in_time("all is written", join_all(writers)), crash);
    ledger.is_over.store(true, Ordering::SeqCst);
    ledger.done.send_modify(|done| *done += 1);

    let log = all(&reading[0], Which::All, 1_000).await;
    let numbers: Vec<Nth> = log.iter().map(|(_, event)| nth(event)).collect();
    ledger.judge(&numbers);
    for reader in in_time("all is read", join_all(readers)).await {
        let (of, read) = reader.expect("read");
        let asked = log.iter().filter(|(_, event)| match &of {
            Which::All => true,
            Which::Named(names) => names.iter().any(|name| name == event.kind()),
            Which::Keyed(key) => event.key() == Some(key),
        });
        assert!(asked.eq(&read), "a reader of {of:?} saw another log");
    }
}

/// Writes transactions until the time is over.
async fn write<P: Place>(writer: usize, store: &P::Store, ledger: &Ledger) {
    let mut random = fastrand::Rng::with_seed(ledger.seed ^ writer as u64);
    for turn in 0.. {
        if ledger.begun.elapsed() > LONG {
            return;
        }
        let turn = (writer, turn);
        let events = random.usize(1..=4);
        let begun = ledger.clock.fetch_add(1, Ordering::SeqCst);
        let outcome = match attempt::<P>(turn, events, store, &mut random).await {
            Ok(outcome) => outcome,
            Err(error) => {
                assert!(ledger.is_disturbed(), "{error}");
                Outcome::Unknown
            }
        };
        let ended = ledger.clock.fetch_add(1, Ordering::SeqCst);
        let record = Record {
            events,
            outcome,
            begun,
            ended,
        };
        let mut records = ledger
            .records
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        records.insert(turn, record);
        drop(records);
        ledger.done.send_modify(|done| *done += 1);
    }
}

/// One transaction, at random: short or long, with pauses between its events, ended in any way.
async fn attempt<P: Place>(
    turn: Turn,
    events: usize,
    store: &P::Store,
    random: &mut fastrand::Rng,
) -> Result<Outcome, Box<dyn std::error::Error + Send + Sync>> {
    let mut written = (0..events)
        .map(|nth| event((turn, nth), random))
        .collect::<Vec<_>>();
    if random.u8(..) < 50 {
        store.append(&entry(written)).await?;
        return Ok(Outcome::Committed);
    }
    let mut transaction = P::begin_of(store).await?;
    while !written.is_empty() {
        let some: Vec<_> = written.drain(..random.usize(1..=written.len())).collect();
        let some: Entry = entry(some);
        transaction.append(&some).await?;
        for _ in 0..random.usize(..4) {
            let work = P::WORK[random.usize(..P::WORK.len())];
            transaction.run(work).await?;
        }
    }
    match random.u8(..10) {
        0 => drop(transaction),
        1 | 2 => transaction.rollback().await?,
        _ => {
            transaction.commit().await?;
            return Ok(Outcome::Committed);
        }
    }
    Ok(Outcome::RolledBack)
}

fn event(((writer, turn), nth): Nth, random: &mut fastrand::Rng) -> Envelope {
    let name = NAMES[random.usize(..NAMES.len())];
    let payload = Bytes::from(format!("{writer} {turn} {nth}"));
    Envelope::new(EventId::new(), "/shop", name)
        .and_then(|event| event.with_payload("text/plain", payload))
        .and_then(|event| event.with_key(&writer.to_string()))
        .expect("valid")
}

fn nth(event: &Envelope) -> Nth {
    let payload = str::from_utf8(event.payload()).expect("text");
    let mut numbers = payload
        .split(' ')
        .map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().expect("three numbers");
    ((next(), next()), next())
}

/// Follows the log from its beginning to its end, in pages of random length, with a cursor.
async fn follow(
    reader: usize,
    store: &impl Store,
    of: Which,
    ledger: &Ledger,
) -> Vec<(u64, Envelope)> {
    let mut random = fastrand::Rng::with_seed(ledger.seed ^ !(reader as u64));
    let mut done = ledger.done.subscribe();
    let cursor = format!("reader-{reader}");
    let at = ledger
        .until_done(|| store.cursor(&cursor, Start::Beginning))
        .await;
    assert_eq!(at, 0);
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let is_over = ledger.is_over.load(Ordering::SeqCst);
        done.borrow_and_update();
        let query = Query {
            after,
            of: of.clone(),
            max: random.usize(1..200),
        };
        let page = ledger.until_done(|| store.read(&query)).await;
        for (position, event) in page.events {
            assert!(after < position && position <= page.up_to);
            seen.push((position, event));
        }
        assert!(page.up_to >= after);
        if page.up_to > after {
            let is_moved = ledger
                .until_done(|| store.advance(&cursor, after, page.up_to))
                .await;
            // One that failed may have moved it nevertheless.
            let at = ledger
                .until_done(|| store.cursor(&cursor, Start::Now))
                .await;
            assert!((is_moved || ledger.is_disturbed()) && at == page.up_to);
            after = page.up_to;
        } else if is_over {
            return seen;
        } else {
            done.changed().await.expect("writers");
        }
    }
}

impl Ledger {
    fn is_disturbed(&self) -> bool {
        self.is_disturbed.load(Ordering::SeqCst)
    }

    /// Does it again after an error, where one is to be expected.
    async fn until_done<'a, T>(&self, work: impl Fn() -> StoreFuture<'a, T>) -> T {
        loop {
            match work().await {
                Ok(done) => return done,
                Err(error) => assert!(self.is_disturbed(), "{error}"),
            }
        }
    }

    /// Compares the log with what was done.
    fn judge(&self, log: &[Nth]) {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |outcome| records.values().filter(move |it| it.outcome == outcome);
        println!(
            "{} transactions committed, {} rolled back, {} unknown; {} events in {:?}",
            of(Outcome::Committed).count(),
            of(Outcome::RolledBack).count(),
            of(Outcome::Unknown).count(),
            log.len(),
            self.begun.elapsed(),
        );
        let seen: BTreeSet<Nth> = log.iter().copied().collect();
        assert_eq!(seen.len(), log.len(), "an event is there twice");
        for (turn, record) in &*records {
            let there = (0..record.events)
                .filter(|nth| seen.contains(&(*turn, *nth)))
                .count();
            let is_right = match record.outcome {
                Outcome::Committed => there == record.events,
                Outcome::RolledBack => there == 0,
                Outcome::Unknown => there == 0 || there == record.events,
            };
            assert!(
                is_right,
                "{there} events of {turn:?}, which is {:?}",
                record.outcome
            );
        }
        Ledger::judge_order(&records, log);
    }

    fn judge_order(records: &BTreeMap<Turn, Record>, log: &[Nth]) {
        let mut last = BTreeMap::new();
        // The last begin of any transaction so far: none that had ended before it comes after it.
        let mut begun = 0;
        for (turn, nth) in log {
            let before = last.insert(turn.0, (turn.1, *nth));
            assert!(
                before < Some((turn.1, *nth)),
                "the events of writer {} are out of order",
                turn.0
            );
            let record = &records[turn];
            if record.outcome == Outcome::Committed {
                assert!(
                    record.ended > begun,
                    "{turn:?} comes after what began when it had ended"
                );
            }
            begun = begun.max(record.begun);
        }
    }
}
