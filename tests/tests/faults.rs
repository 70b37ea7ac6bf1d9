//! What keeps an app from starting is named, all at once, before anything is connected.

use fanfare::prelude::*;
use fanfare::store::MemoryStore;
use fanfare_tests::Spy;

#[derive(Streamers)]
struct Streamers {
    main: Spy,
    second: Spy,
}

mod billing {
    use super::*;

    #[event(stream_to = streamer!("main", "paid"))]
    pub(super) struct Paid {
        pub cents: u64,
    }

    #[event_handler]
    pub(super) async fn book(_: Paid, State(_): State<Ledger>) -> Result<()> {
        Ok(())
    }
}

mod shipping {
    use super::*;

    #[event(stream_to = streamer!("second", "paid"))]
    pub(super) struct Paid {
        pub order: u32,
    }

    #[event_handler(streamed_from = streamer!("second", "paid"))]
    pub(super) async fn book(_: Paid, State(_): State<Ledger>, State(_): State<u8>) -> Result<()> {
        Ok(())
    }
}

/// One event in two shapes is a mistake; the same shape twice is not, whatever is said of it.
mod twins {
    use super::*;

    /// What one crate says of it.
    #[event(name = "Twin")]
    pub(super) struct One {
        /// How much.
        pub title: String,
        pub parts: Vec<Part>,
    }

    #[payload]
    pub(super) struct Part {
        pub parts: Vec<Part>,
    }

    /// What the other crate says of it.
    #[event(name = "Twin")]
    pub(super) struct Other {
        pub title: String,
        pub parts: Vec<Piece>,
    }

    #[payload]
    pub(super) struct Piece {
        pub parts: Vec<Piece>,
    }
}

#[derive(Clone)]
struct Ledger;

#[test]
fn all_faults_are_listed_together() {
    let app = App::new("").state(1_u16).state(2_u16);
    let faults = app.check().expect_err("full of faults");
    let here = file!();
    let expected = format!(
        "\
the app `` cannot start: 7 faults

1. the app has no name
   at {here}:L
   name it in `App::new(\"...\")`: its events and its groups carry the name

2. the app was given no connection for `main` and `second` of `faults::Streamers`; mentioned by event `Paid`, event `Paid` and handler `book`
   at {here}:L
   at {here}:L
   at {here}:L
   add `.streamers(faults::Streamers {{ ... }})` to the app

3. the app was given no state of type `faults::Ledger`, which is asked for by handler `book` and handler `book`
   at {here}:L
   at {here}:L
   add `.state(...)` with a value of this type to the app

4. the app was given no state of type `u8`, which is asked for by handler `book`
   at {here}:L
   add `.state(...)` with a value of this type to the app

5. the app was given two states of type `u16`
   at {here}:L
   leave one `.state(...)` out, or wrap it in a type of its own

6. two events are called `Paid` in version 1, and their schemas differ: `faults::billing::Paid` and `faults::shipping::Paid`
   at {here}:L
   at {here}:L
   give one of them a `name` of its own, or the next `version` and `previous`

7. 2 handlers are called `book`: `faults::billing::book` and `faults::shipping::book`
   at {here}:L
   at {here}:L
   give each a `name = \"...\"` of its own: it is the name of its group"
    );
    assert_eq!(
        without_line_numbers(&faults.to_string()),
        expected,
        "\n{faults}"
    );
    assert_eq!(format!("{faults:?}"), faults.to_string());
    assert_eq!(faults.iter().count(), 7);
    // Each place is a line of this file that has to do with it.
    let text = include_str!("faults.rs");
    let line = |nth: u32| text.lines().nth(nth as usize - 1).expect("a line");
    let states = faults.iter().nth(4).expect("the fifth");
    assert!(line(states.places[0].line).contains(".state(2_u16)"));
    let handlers = faults.iter().nth(6).expect("the seventh");
    assert!(line(handlers.places[0].line).contains("event_handler"));
}

#[tokio::test]
async fn a_start_finds_the_same_and_connects_nothing() {
    let spy = Spy::default();
    let streamers = || Streamers {
        main: spy.clone(),
        second: spy.clone(),
    };
    let app = || {
        App::new("shop")
            .streamers(streamers())
            .streamers(streamers())
            .state(Ledger)
            .state(7_u8)
    };
    let found = app().check().expect_err("three faults");
    let error = app().start().await.expect_err("three faults");
    assert_eq!(
        without_line_numbers(&error.to_string()),
        without_line_numbers(&found.to_string())
    );
    let first = found.iter().next().expect("the first");
    assert_eq!(
        first.mistake,
        "the app was given two connections for `main` and `second` of `faults::Streamers`"
    );
    assert_eq!(first.remedy, "leave one of the two `.streamers(...)` out");
    assert_eq!(found.iter().count(), 3);
    assert!(error.downcast_ref::<fanfare::Faults>().is_some());
    assert_eq!(spy.seen(), [""; 0]);
}

#[test]
fn a_store_is_given_once() {
    let app = App::new("shop").store(MemoryStore::new());
    let found = app.store(MemoryStore::new()).check();
    let found = found.expect_err("among others");
    let fault = found.iter().find(|fault| fault.mistake.contains("store"));
    let fault = fault.expect("the one of the store");
    assert_eq!(
        fault.mistake,
        "the app was given a store, and another one before"
    );
    assert_eq!(fault.places.len(), 1);
}

fn without_line_numbers(text: &str) -> String {
    let numbered = format!("{}:", file!());
    let lines = text.lines().map(|line| match line.split_once(&numbered) {
        Some((before, _)) => format!("{before}{numbered}L"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}
