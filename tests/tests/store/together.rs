//! What is appended at the same time.

use std::pin::pin;

use fanfare::store::{Appended, Entry, Store, StoreError, Which};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::yield_now;

use crate::durable::{Finish, Place, assert_says};
use crate::{all, append, entry, mark, number, numbered};

/// How many transactions wrote the log: all of one has the same time.
const TRANSACTIONS: &str = "SELECT count(DISTINCT appended) FROM fanfare_events";

/// Each behaviour as a test of one place.
macro_rules! together {
    ($place:ty: $($name:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let place = <$place as $crate::durable::Place>::new().await;
            $crate::together::$name(&place).await;
        }
    )*};
    ($place:ty) => {
        $crate::together::together!($place:
            appends_at_once_are_written_together, an_append_alone_is_written_at_once,
            one_entry_that_fails_takes_no_other_with_it,
            a_mark_is_made_once_among_appends_at_once,
            an_append_that_is_dropped_is_written_whole_or_not_at_all
        );
    };
}
pub(crate) use together;

/// Appends all of them while nobody can write, so that they wait together.
async fn append_at_once<P: Place>(
    store: &P::Store,
    entries: &[Entry],
) -> Vec<Result<Appended, StoreError>> {
    let turn = P::begin_of(store).await.expect("begun");
    let mut appends = pin!(join_all(entries.iter().map(|entry| store.append(entry))));
    assert!(appends.as_mut().now_or_never().is_none(), "they wait");
    turn.rollback().await.expect("rolled back");
    appends.await
}

/// One event each.
fn entries(numbers: impl IntoIterator<Item = usize>) -> Vec<Entry> {
    let one = |number| entry([numbered("a", number)]);
    numbers.into_iter().map(one).collect()
}

async fn numbers(store: &impl Store) -> Vec<usize> {
    let log = all(store, Which::All, 1_000).await;
    log.iter().map(|(_, event)| number(event)).collect()
}

pub(crate) async fn appends_at_once_are_written_together<P: Place>(place: &P) {
    let store = place.open_for_one().await.expect("opened");
    let appended = append_at_once::<P>(&store, &entries(0..50)).await;
    for appended in appended {
        assert_eq!(appended.expect("appended"), Appended::New);
    }
    assert_eq!(numbers(&store).await, (0..50).collect::<Vec<_>>());
    assert_eq!(place.count(TRANSACTIONS).await, 1);
}

pub(crate) async fn an_append_alone_is_written_at_once<P: Place>(place: &P) {
    let store = place.open().await.expect("opened");
    for n in 0..5 {
        append(&store, [numbered("a", n)]).await;
    }
    assert_eq!(numbers(&store).await, [0, 1, 2, 3, 4]);
    assert_eq!(place.count(TRANSACTIONS).await, 5);
}

pub(crate) async fn one_entry_that_fails_takes_no_other_with_it<P: Place>(place: &P) {
    let store = place.open_for_one().await.expect("opened");
    place.sql(P::REFUSE_BAD).await;
    let mut together = entries(0..20);
    together[7] = entry([numbered("a", 7), numbered("bad", 7)]);
    let appended = append_at_once::<P>(&store, &together).await;
    for (n, appended) in appended.into_iter().enumerate() {
        if n == 7 {
            assert_says(appended, "no_bad_events");
        } else {
            assert_eq!(appended.expect("appended"), Appended::New);
        }
    }
    let others: Vec<_> = (0..20).filter(|n| *n != 7).collect();
    assert_eq!(numbers(&store).await, others);
}

pub(crate) async fn a_mark_is_made_once_among_appends_at_once<P: Place>(place: &P) {
    let store = place.open_for_one().await.expect("opened");
    let mut together = entries(0..20);
    for (n, entry) in together.iter_mut().enumerate() {
        entry.mark = (n % 5 != 0).then(|| mark(&(n % 5).to_string()));
    }
    let appended = append_at_once::<P>(&store, &together).await;
    let appended: Vec<_> = appended.into_iter().map(|it| it.expect("done")).collect();
    let mut written = Vec::new();
    for rest in 0..5 {
        let of_mark = (rest..20).step_by(5);
        let new: Vec<_> = of_mark.filter(|n| appended[*n] == Appended::New).collect();
        // The first five have no mark.
        assert_eq!(new.len(), if rest == 0 { 4 } else { 1 });
        written.extend(new);
    }
    let mut there = numbers(&store).await;
    there.sort_unstable();
    written.sort_unstable();
    assert_eq!(there, written);
}

pub(crate) async fn an_append_that_is_dropped_is_written_whole_or_not_at_all<P: Place>(place: &P) {
    let store = place.open().await.expect("opened");
    let mut confirmed = Vec::new();
    for round in 0..100 {
        let three = |n| entry((0..3).map(|_| numbered("a", n)));
        let entries: Vec<_> = (0..4).map(|n| three(round * 4 + n)).collect();
        let mut appends: Vec<_> = entries.iter().map(|entry| store.append(entry)).collect();
        // Each for some moments, and the next a little longer.
        for moment in 0..(round % 25) * 4 {
            for (n, append) in appends.iter_mut().enumerate() {
                let number = round * 4 + n;
                if moment % 4 >= n && !confirmed.contains(&number) {
                    match append.now_or_never() {
                        Some(done) => confirmed.push(done.map(|_| number).expect("appended")),
                        None => yield_now().await,
                    }
                }
            }
        }
    }
    append(&store, [numbered("last", 400)]).await;
    let there = numbers(&store).await;
    for number in 0..400 {
        let times = there.iter().filter(|there| **there == number).count();
        assert!(
            times == 3 || times == 0 && !confirmed.contains(&number),
            "{number} is there {times} times"
        );
    }
}
