//! What a store promises, asked of each of them.

mod behaviours;
mod contents;
mod durable;
mod order;
mod postgres;
mod sqlite;
mod together;

use fanfare::event::Envelope;
use fanfare::store::{Appended, Entry, Mark, MemoryStore, Query, Store, Which};
use fanfare_tests::event;

/// Two handles to one store, as two instances of a service have them.
struct Scene<S> {
    store: S,
    other: S,
    /// Whatever has to live as long as the store.
    _place: Box<dyn Send>,
}

impl<S> Scene<S> {
    fn new(store: S, other: S, place: impl Send + 'static) -> Self {
        Scene {
            store,
            other,
            _place: Box::new(place),
        }
    }
}

/// Each behaviour as a test of one store.
macro_rules! suite {
    ($scene:path) => {
        $crate::suite!($scene, behaviours:
            events_are_read_in_order, a_page_says_how_far_it_looked, events_are_found_by_name,
            events_are_found_by_key, nothing_is_read_of_nothing,
            a_cursor_starts_where_it_is_told, a_cursor_moves_from_where_it_stands,
            a_cursor_is_rewound_and_forgotten, a_cursor_has_one_owner,
            a_mark_is_made_once, a_mark_is_made_once_by_many,
            dead_letters_are_kept_until_dropped, marks_are_pruned, events_are_pruned,
            positions_are_not_given_twice
        );
        $crate::suite!($scene, contents:
            every_event_comes_back_exactly, every_dead_letter_comes_back_exactly,
            a_megabyte_comes_back, ten_thousand_events_come_back
        );
    };
    ($scene:path, $module:ident: $($name:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::$module::$name($scene().await).await;
        }
    )*};
}
pub(crate) use suite;

mod memory {
    use super::{MemoryStore, Scene};

    async fn scene() -> Scene<MemoryStore> {
        let store = MemoryStore::new();
        Scene::new(store.clone(), store, ())
    }

    super::suite!(scene);
}

/// An event of this name, whose payload is a number.
fn numbered(kind: &str, number: usize) -> Envelope {
    event(kind, &number.to_string())
}

/// The number in its payload.
fn number(event: &Envelope) -> usize {
    let payload = str::from_utf8(event.payload()).expect("text");
    payload.parse().expect("a number")
}

fn entry(events: impl IntoIterator<Item = Envelope>) -> Entry {
    Entry {
        events: events.into_iter().collect(),
        mark: None,
    }
}

fn mark(id: &str) -> Mark {
    Mark {
        handler: "shop.bill".to_owned(),
        source: "/shop".to_owned(),
        id: id.to_owned(),
    }
}

async fn append(store: &impl Store, events: impl IntoIterator<Item = Envelope>) {
    let appended = store.append(&entry(events)).await.expect("appended");
    assert_eq!(appended, Appended::New);
}

fn query(after: u64, max: usize) -> Query {
    Query {
        after,
        of: Which::All,
        max,
    }
}

/// Everything that is asked for, page by page.
async fn all(store: &impl Store, of: Which, max: usize) -> Vec<(u64, Envelope)> {
    let mut all: Vec<(u64, Envelope)> = Vec::new();
    let mut after = 0;
    loop {
        let query = Query {
            after,
            of: of.clone(),
            max,
        };
        let page = store.read(&query).await.expect("read");
        let is_last = page.events.len() < max;
        for (position, event) in page.events {
            assert!(position > after, "{position} after {after}");
            after = position;
            all.push((position, event));
        }
        assert!(page.up_to >= after);
        if is_last {
            return all;
        }
    }
}
