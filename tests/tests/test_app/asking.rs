//! What a test can ask afterwards.

use std::time::Duration;

use fanfare::event::Envelope;
use fanfare_tests::extension;

use super::{Order, Packed, Shipped, in_trouble, order, reason, settled, start, streamer};

#[tokio::test]
async fn what_a_handler_succeeded_with_comes_in_its_order() {
    let test = start().await;
    let orders = [3, 1, 13, 2];
    for number in orders {
        test.publish(order(number)).await.expect("published");
    }
    settled(&test).await;
    let handled = [order(3), order(1), order(2)];
    assert_eq!(test.handled::<Order>("pack"), handled, "{test}");
    assert_eq!(test.handled::<Order>("audit").len(), 4);
}

#[tokio::test]
async fn a_failure_is_tried_again_after_its_pauses() {
    let test = in_trouble("away").await;
    settled(&test).await;
    let attempts = test.attempts("cope");
    let numbers: Vec<_> = attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(reason(&attempts[0].outcome), "the store is away");
    assert_eq!(attempts[3].outcome, Ok(()));
    for (seconds, pair) in [1, 2, 4].into_iter().zip(attempts.windows(2)) {
        let pause = pair[1].began.saturating_sub(pair[0].ended);
        let least = Duration::from_secs(seconds);
        // tokio's timers are of whole milliseconds, and never early.
        let most = 2 * least + Duration::from_millis(2);
        assert!(least <= pause && pause <= most, "{pause:?}: {test}");
    }
}

#[tokio::test]
async fn a_rejected_event_is_a_dead_letter() {
    let test = start().await;
    let id = test.publish(order(13)).await.expect("published");
    settled(&test).await;
    let letters = test.dead_letters();
    let [letter] = letters.as_slice() else {
        panic!("{test}");
    };
    assert_eq!((letter.handler, letter.attempts), ("pack", 1));
    assert_eq!(letter.reason, "unlucky");
    assert_eq!(letter.message.event().map(Envelope::id), Some(&id));
    assert!(letter.origin.to_string().starts_with("far/orders/"));
    // Nobody listens there; what the topic got is known all the same.
    let kept = test.published_to(streamer!("far", "orders.dead-letters"));
    let kept = kept[0].event().expect("an event");
    assert_eq!(extension(kept, "deadletterreason"), "unlucky");
}

#[tokio::test]
async fn what_a_failed_handler_publishes_is_forgotten() {
    let test = start().await;
    test.publish(order(13)).await.expect("published");
    settled(&test).await;
    assert!(test.published::<Packed>().is_empty(), "{test}");
}

#[tokio::test]
async fn a_dead_letter_that_only_the_log_has_is_seen() {
    let test = start().await;
    test.publish(Packed { number: 99 })
        .await
        .expect("published");
    settled(&test).await;
    let letters = test.dead_letters();
    assert_eq!(letters[0].reason, "no such ship");
    assert_eq!(letters[0].origin.to_string(), "local/Packed/ship@0");
}

#[tokio::test]
async fn the_report_says_what_happened() {
    let test = in_trouble("away").await;
    test.publish(order(13)).await.expect("published");
    settled(&test).await;
    let report = test.to_string();
    for words in [
        "cope from far/trouble: 1 handled, 0 ignored, 3 failed attempts, 0 dead-lettered",
        r#"from another-service, {"kind":"away"}"#,
        "`cope` failed in attempt 3 at `Trouble`",
        ": the store is away",
        "`cope` handled `Trouble`",
        "`pack` gave up `Order`",
        "after 1 attempt: unlucky",
        "to far/orders: `Order`",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    // What went to a topic is not said twice.
    assert!(!report.contains("announced: `Order`"), "{report}");
}

#[tokio::test]
#[should_panic(expected = "no handler is called `pakc`; did you mean `pack`?")]
async fn a_misspelt_handler_is_answered() {
    start().await.attempts("pakc");
}

#[tokio::test]
#[should_panic(expected = "the handler `pack` takes `Order`, and never a `Shipped`")]
async fn a_handler_that_takes_another_event_is_answered() {
    start().await.handled::<Shipped>("pack");
}
