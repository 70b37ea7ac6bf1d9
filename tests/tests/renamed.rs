//! What an earlier version of the program has left in the store.

use fanfare::prelude::*;
use fanfare::store::{Entry, MemoryStore, Start, Store};
use fanfare_tests::{Log, event};

#[event]
struct Posted {}

#[event_handler]
async fn index(_: Posted) -> Result<()> {
    Ok(())
}

#[tokio::test]
async fn the_start_says_whose_events_are_waiting_for_a_name_that_is_gone() {
    let log = Log::listen();
    let store = MemoryStore::new();
    for name in ["blog.search", "blog:main/posts:Drafted", "blogs.index"] {
        let made = store.cursor(name, Start::Beginning).await;
        assert_eq!(made.expect("made"), 0);
    }
    let entry = Entry {
        events: vec![event("Posted", "{}")],
        mark: None,
    };
    store.append(&entry).await.expect("stored");
    let app = App::new("blog").store(store);
    let _running = app.start().await.expect("started");
    let warned = log.lines(&["that this program does not know"]);
    // The third is of another service.
    assert_eq!(warned.len(), 2, "{warned:?}");
    assert!(warned[0].contains("cursor=\"blog.search\" behind=1"));
    assert!(warned[1].contains("cursor=\"blog:main/posts:Drafted\" behind=1"));
}
