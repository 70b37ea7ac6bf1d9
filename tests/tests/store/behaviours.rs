//! What every store does.

use std::time::{Duration, SystemTime};

use fanfare::event::Message;
use fanfare::store::{Appended, DeadLetter, Entry, Query, Start, Store, Which};
use fanfare_tests::foreign;
use futures_util::future::join_all;

use crate::{Scene, all, append, entry, mark, number, numbered, query};

pub(crate) async fn events_are_read_in_order<S: Store>(scene: Scene<S>) {
    append(&scene.store, (0..3).map(|n| numbered("a", n))).await;
    append(&scene.other, (3..7).map(|n| numbered("b", n))).await;
    for max in [1, 3, 7, 100] {
        let read = all(&scene.other, Which::All, max).await;
        let numbers: Vec<_> = read.iter().map(|(_, event)| number(event)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
        assert!(read[0].0 >= 1);
    }
}

pub(crate) async fn a_page_says_how_far_it_looked<S: Store>(scene: Scene<S>) {
    let store = &scene.store;
    assert_eq!(store.read(&query(0, 10)).await.expect("read").up_to, 0);
    append(store, (0..5).map(|n| numbered("a", n))).await;
    append(store, [numbered("b", 5)]).await;

    let full = store.read(&query(0, 2)).await.expect("read");
    assert_eq!(full.up_to, full.events[1].0);
    let rest = store.read(&query(full.up_to, 100)).await.expect("read");
    let last = rest.events[3].0;
    assert_eq!(rest.up_to, last);

    let of = Which::Named(vec!["a".to_owned()]);
    let asked = Query {
        after: 0,
        of,
        max: 100,
    };
    // Behind the last that was asked for, there is one that was not.
    assert_eq!(store.read(&asked).await.expect("read").up_to, last);
    let none = Query {
        after: last,
        ..asked
    };
    let page = store.read(&none).await.expect("read");
    assert_eq!((page.events.len(), page.up_to), (0, last));
}

pub(crate) async fn events_are_found_by_name<S: Store>(scene: Scene<S>) {
    let names = ["a", "b", "c", "ä'\"%_", "c"];
    append(&scene.store, (0..50).map(|n| numbered(names[n % 5], n))).await;
    for wanted in [
        &["b"][..],
        &["c", "a"],
        &["ä'\"%_", "a", "a"],
        &["d"],
        &["A"],
        &[],
    ] {
        let expected: Vec<_> = (0..50).filter(|n| wanted.contains(&names[n % 5])).collect();
        for max in [1, 4, 100] {
            let of = Which::Named(wanted.iter().map(ToString::to_string).collect());
            let read = all(&scene.store, of, max).await;
            let numbers: Vec<_> = read.iter().map(|(_, event)| number(event)).collect();
            assert_eq!(numbers, expected, "{wanted:?} by {max}");
        }
    }
}

pub(crate) async fn events_are_found_by_key<S: Store>(scene: Scene<S>) {
    let long = "ключ-".repeat(4_000);
    let keys = ["one", "two", &long];
    let keyed = |n: usize| numbered("a", n).with_key(keys[n % 3]).expect("valid");
    append(&scene.store, (0..30).map(keyed)).await;
    append(&scene.store, [numbered("a", 30)]).await;
    for (at, key) in keys.into_iter().enumerate() {
        let read = all(&scene.store, Which::Keyed(key.to_owned()), 4).await;
        let numbers: Vec<_> = read.iter().map(|(_, event)| number(event)).collect();
        assert_eq!(numbers, (at..30).step_by(3).collect::<Vec<_>>());
    }
    for none in ["", "three", "on", "one\0"] {
        assert!(
            all(&scene.store, Which::Keyed(none.to_owned()), 4)
                .await
                .is_empty()
        );
    }
}

pub(crate) async fn nothing_is_read_of_nothing<S: Store>(scene: Scene<S>) {
    append(&scene.store, [numbered("a", 0)]).await;
    let page = scene.store.read(&query(0, 0)).await.expect("read");
    assert_eq!((page.events.len(), page.up_to), (0, 0));
    let page = scene.store.read(&query(u64::MAX, 10)).await.expect("read");
    assert_eq!((page.events.len(), page.up_to), (0, u64::MAX));
    assert_eq!(
        scene
            .store
            .append(&Entry::default())
            .await
            .expect("appended"),
        Appended::New
    );
}

pub(crate) async fn a_cursor_starts_where_it_is_told<S: Store>(scene: Scene<S>) {
    let store = &scene.store;
    append(store, (0..3).map(|n| numbered("a", n))).await;
    assert_eq!(
        store.cursor("early", Start::Beginning).await.expect("made"),
        0
    );
    let now = scene.other.cursor("late", Start::Now).await.expect("made");
    append(store, [numbered("a", 3)]).await;
    let page = store.read(&query(now, 10)).await.expect("read");
    assert_eq!(
        page.events
            .iter()
            .map(|(_, event)| number(event))
            .collect::<Vec<_>>(),
        [3]
    );
    // It stays where it is, whatever is said.
    assert_eq!(
        store.cursor("late", Start::Beginning).await.expect("found"),
        now
    );
    assert_eq!(store.cursor("early", Start::Now).await.expect("found"), 0);
}

pub(crate) async fn a_cursor_moves_from_where_it_stands<S: Store>(scene: Scene<S>) {
    let store = &scene.store;
    store.cursor("c", Start::Beginning).await.expect("made");
    assert!(store.advance("c", 0, 5).await.expect("asked"));
    assert!(!scene.other.advance("c", 0, 7).await.expect("asked"));
    assert!(!store.advance("nobody's", 0, 7).await.expect("asked"));
    assert_eq!(store.cursor("c", Start::Beginning).await.expect("found"), 5);

    // Of many who are at the same place, one moves it.
    let race = (6..26).map(|to| {
        let store = if to % 2 == 0 {
            &scene.store
        } else {
            &scene.other
        };
        async move {
            store
                .advance("c", 5, to)
                .await
                .expect("asked")
                .then_some(to)
        }
    });
    let moved: Vec<u64> = join_all(race).await.into_iter().flatten().collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(
        store.cursor("c", Start::Beginning).await.expect("found"),
        moved[0]
    );
}

pub(crate) async fn a_cursor_is_rewound_and_forgotten<S: Store>(scene: Scene<S>) {
    let store = &scene.store;
    for name in ["b", "a"] {
        store.cursor(name, Start::Beginning).await.expect("made");
    }
    assert!(store.rewind("b", 9).await.expect("asked"));
    assert!(!store.rewind("c", 9).await.expect("asked"));
    let cursors = scene.other.cursors().await.expect("listed");
    assert_eq!(cursors, [("a".to_owned(), 0), ("b".to_owned(), 9)]);
    assert!(store.forget_cursor("b").await.expect("asked"));
    assert!(!store.forget_cursor("b").await.expect("asked"));
    assert_eq!(
        store.cursors().await.expect("listed"),
        [("a".to_owned(), 0)]
    );
}

pub(crate) async fn a_cursor_has_one_owner<S: Store>(scene: Scene<S>) {
    let own = async |store: &S, name| store.own(name).await.expect("asked");
    let held = own(&scene.store, "a").await.expect("free");
    assert!(own(&scene.store, "a").await.is_none());
    assert!(own(&scene.other, "a").await.is_none());
    let beside = own(&scene.store, "b").await.expect("free");
    drop(held);
    // Giving back may take a moment.
    let again = loop {
        if let Some(again) = own(&scene.other, "a").await {
            break again;
        }
        tokio::task::yield_now().await;
    };
    assert!(own(&scene.store, "a").await.is_none());
    assert!(own(&scene.store, "b").await.is_none());
    drop((again, beside));
}

pub(crate) async fn a_mark_is_made_once<S: Store>(scene: Scene<S>) {
    let marked = |id: &str, n| Entry {
        events: vec![numbered("a", n)],
        mark: Some(mark(id)),
    };
    let (store, other) = (&scene.store, &scene.other);
    assert!(!store.is_handled(&mark("1")).await.expect("asked"));
    assert_eq!(
        store.append(&marked("1", 0)).await.expect("done"),
        Appended::New
    );
    assert!(other.is_handled(&mark("1")).await.expect("asked"));
    assert_eq!(
        other.append(&marked("1", 1)).await.expect("done"),
        Appended::Repeated
    );
    let huge = "id-".repeat(10_000);
    assert_eq!(
        store.append(&marked(&huge, 2)).await.expect("done"),
        Appended::New
    );
    assert_eq!(
        store.append(&marked(&huge, 3)).await.expect("done"),
        Appended::Repeated
    );
    let only = Entry {
        events: Vec::new(),
        mark: Some(mark("3")),
    };
    assert_eq!(store.append(&only).await.expect("done"), Appended::New);
    assert_eq!(store.append(&only).await.expect("done"), Appended::Repeated);
    let read = all(store, Which::All, 10).await;
    assert_eq!(
        read.iter()
            .map(|(_, event)| number(event))
            .collect::<Vec<_>>(),
        [0, 2]
    );

    // What joins the three parts of a mark is not to be mistaken for a part of it.
    let (mut a, mut b) = (mark("x"), mark("x"));
    (a.source, a.id) = ("/a".to_owned(), "b/c".to_owned());
    (b.source, b.id) = ("/ab".to_owned(), "/c".to_owned());
    for mark in [a, b] {
        let entry = Entry {
            events: Vec::new(),
            mark: Some(mark),
        };
        assert_eq!(store.append(&entry).await.expect("done"), Appended::New);
    }
}

pub(crate) async fn a_mark_is_made_once_by_many<S: Store>(scene: Scene<S>) {
    for round in 0..20 {
        let id = round.to_string();
        let race = (0..3).map(|n| {
            let store = if n == 0 { &scene.store } else { &scene.other };
            let entry = Entry {
                events: vec![numbered("a", round), numbered("b", round)],
                mark: Some(mark(&id)),
            };
            async move { store.append(&entry).await.expect("done") }
        });
        let appended = join_all(race).await;
        let new = appended
            .iter()
            .filter(|appended| **appended == Appended::New);
        assert_eq!(new.count(), 1);
    }
    let read = all(&scene.store, Which::All, 100).await;
    let numbers: Vec<_> = read.iter().map(|(_, event)| number(event)).collect();
    assert_eq!(numbers, (0..40).map(|n| n / 2).collect::<Vec<_>>());
}

pub(crate) async fn dead_letters_are_kept_until_dropped<S: Store>(scene: Scene<S>) {
    let letter = |reason: &str| DeadLetter {
        handler: "shop.bill".to_owned(),
        reason: reason.to_owned(),
        origin: "main/orders/0/17".to_owned(),
        attempts: 3,
        time: SystemTime::now(),
        message: Message::from(foreign(reason)),
    };
    let store = &scene.store;
    let letters = ["a", "b", "c"].map(letter);
    let mut numbers = Vec::new();
    for letter in &letters {
        numbers.push(store.bury(letter).await.expect("buried"));
    }
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers[0] >= 1);
    let read = scene.other.dead_letters(0, 2).await.expect("read");
    assert_eq!(
        read,
        [
            (numbers[0], letters[0].clone()),
            (numbers[1], letters[1].clone())
        ]
    );
    let read = store.dead_letters(numbers[1], 2).await.expect("read");
    assert_eq!(read, [(numbers[2], letters[2].clone())]);
    let read = store.dead_letter(numbers[1]).await.expect("read");
    assert_eq!(read.as_ref(), Some(&letters[1]));
    assert_eq!(store.dead_letter(u64::MAX).await.expect("read"), None);
    assert!(store.drop_dead_letter(numbers[1]).await.expect("dropped"));
    assert!(!store.drop_dead_letter(numbers[1]).await.expect("asked"));
    assert_eq!(store.dead_letter(numbers[1]).await.expect("read"), None);
    assert_eq!(store.dead_letters(0, 10).await.expect("read").len(), 2);
}

pub(crate) async fn marks_are_pruned<S: Store>(scene: Scene<S>) {
    let store = &scene.store;
    for id in ["1", "2"] {
        let entry = Entry {
            events: Vec::new(),
            mark: Some(mark(id)),
        };
        store.append(&entry).await.expect("appended");
    }
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    assert_eq!(store.prune_marks(long_ago).await.expect("pruned"), 0);
    let soon = SystemTime::now() + Duration::from_mins(1);
    assert_eq!(store.prune_marks(soon).await.expect("pruned"), 2);
    assert!(!store.is_handled(&mark("1")).await.expect("asked"));
}

pub(crate) async fn events_are_pruned<S: Store>(scene: Scene<S>) {
    let store = &scene.store;
    append(store, (0..10).map(|n| numbered("a", n))).await;
    let soon = SystemTime::now() + Duration::from_mins(1);
    assert_eq!(
        store.prune_events(soon).await.expect("pruned"),
        0,
        "without a cursor"
    );

    let positions: Vec<_> = all(store, Which::All, 100).await;
    let at = |n: usize| positions[n].0;
    for (name, to) in [("slow", at(3)), ("fast", at(8))] {
        store.cursor(name, Start::Beginning).await.expect("made");
        assert!(store.advance(name, 0, to).await.expect("moved"));
    }
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    assert_eq!(store.prune_events(long_ago).await.expect("pruned"), 0);
    assert_eq!(store.prune_events(soon).await.expect("pruned"), 4);
    let rest = all(store, Which::All, 100).await;
    assert_eq!(rest, positions[4..]);
}

pub(crate) async fn positions_are_not_given_twice<S: Store>(scene: Scene<S>) {
    let store = &scene.store;
    append(store, (0..3).map(|n| numbered("a", n))).await;
    let end = store.cursor("end", Start::Now).await.expect("made");
    let soon = SystemTime::now() + Duration::from_mins(1);
    assert_eq!(store.prune_events(soon).await.expect("pruned"), 3);
    assert_eq!(store.read(&query(0, 10)).await.expect("read").up_to, end);
    assert_eq!(store.cursor("later", Start::Now).await.expect("made"), end);
    store
        .append(&entry([numbered("a", 3)]))
        .await
        .expect("appended");
    let page = store.read(&query(end, 10)).await.expect("read");
    assert_eq!(page.events.len(), 1);
}
