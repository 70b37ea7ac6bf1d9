//! Handlers of the service's own events, and of others, with a store.

use super::*;

#[tokio::test]
async fn a_handler_goes_on_where_it_was_after_a_restart() {
    let folder = folder();
    let mut started = afresh(file(folder.path()).await).await;
    started.post(1).await;
    assert_eq!(started.hears("archive").await, 1);
    let mut again = started.restart(file(folder.path()).await).await;
    again.post(2).await;
    assert_eq!(again.hears("archive").await, 2);
}

#[tokio::test]
async fn a_handler_whose_cursor_is_set_back_hears_again_though_nothing_new_comes() {
    let store = MemoryStore::new();
    let mut started = afresh(store.clone()).await;
    started.post(1).await;
    assert_eq!(started.hears("archive").await, 1);
    while store
        .cursor("blog.archive", Start::Now)
        .await
        .expect("read")
        == 0
    {
        tokio::task::yield_now().await;
    }
    assert!(store.rewind("blog.archive", 0).await.expect("set"));
    assert_eq!(started.hears("archive").await, 1);
}

#[tokio::test]
async fn a_new_handler_hears_from_the_beginning_if_it_asks() {
    let store = MemoryStore::new();
    let mut started = afresh(store.clone()).await;
    started.post(1).await;
    assert_eq!(started.hears("archive").await, 1);
    started.running.shutdown().await.expect("shut down");
    assert!(
        store
            .forget_cursor("blog.archive")
            .await
            .expect("forgotten")
    );
    let mut as_if_new = start(store, Spy::default(), Spy::default()).await;
    assert_eq!(as_if_new.hears("archive").await, 1);
}

#[tokio::test]
async fn what_a_handler_announces_is_stored_if_it_succeeds_and_not_otherwise() {
    let folder = folder();
    let mut started = afresh(file(folder.path()).await).await;
    for number in [13, 14, 15] {
        started.command(number).await;
    }
    assert_eq!(started.hears("note").await, 14);
    assert_eq!(started.hears("note").await, 15);
    started.running.shutdown().await.expect("shut down");
    let store = file(folder.path()).await;
    let all = fanfare::store::Query {
        after: 0,
        of: Which::Named(vec!["Noted".to_owned()]),
        max: 100,
    };
    let page = store.read(&all).await.expect("read");
    let numbers: Vec<_> = page
        .events
        .iter()
        .map(|(_, event)| number(event.payload()))
        .collect();
    assert_eq!(numbers, [14, 15]);
    assert!(!extension(&page.events[0].1, "causationid").is_empty());
}

#[tokio::test]
async fn what_is_given_up_is_a_dead_letter_in_the_store() {
    let store = MemoryStore::new();
    let mut started = afresh(store.clone()).await;
    started.command(13).await;
    started.command(15).await;
    assert_eq!(started.hears("note").await, 15);
    started.running.shutdown().await.expect("shut down");
    let letters = store.dead_letters(0, 10).await.expect("listed");
    let (_, letter) = letters.first().expect("a dead letter");
    assert_eq!(letter.handler, "blog.write");
    assert_eq!((letter.reason.as_str(), letter.attempts), ("unlucky", 2));
    assert_eq!(number(letter.message.payload()), 13);
    assert_eq!(letters.len(), 1);
}

#[tokio::test]
async fn a_handler_that_deduplicates_does_so_across_a_restart() {
    let folder = folder();
    let mut started = afresh(file(folder.path()).await).await;
    let command = event("Command", r#"{"number":1}"#);
    publish(started.main.memory(), "commands", command.clone()).await;
    assert_eq!(started.hears("note").await, 1);
    let mut again = started.restart(file(folder.path()).await).await;
    publish(again.main.memory(), "commands", command).await;
    again.command(2).await;
    // The one that was delivered again is not among them.
    assert_eq!(again.hears("write").await, 2);
}
