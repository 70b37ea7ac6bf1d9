//! What a service publishes, from outside of handlers and in them.

use std::sync::{Arc, Mutex, PoisonError};

use fanfare::prelude::*;
use fanfare::{PublishError, Running};
use fanfare_tests::{Ear, Heard, Spy, Tell, channel, event, extension, foreign, listen, publish};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
    second: Spy,
}

#[event(stream_to = streamer!("main", "asked"))]
struct Asked {
    how: String,
}

#[event(stream_to = streamer!("main", "answered"), key = key)]
struct Answered {
    key: String,
    attempt: u32,
}

#[event(stream_to = [streamer!("main", "both"), streamer!("second", "both")])]
struct Both {
    number: u32,
}

#[event]
struct Nowhere {
    number: u32,
}

/// The publishers that outlive their handlers.
type Kept = Arc<Mutex<Vec<Publisher>>>;

#[event_handler(streamed_from = streamer!("main", "asked"))]
async fn answer(
    asked: Asked,
    publisher: Publisher,
    metadata: Metadata,
    State(kept): State<Kept>,
    State(tell): State<Tell<u32>>,
) -> Result<()> {
    let attempt = metadata.attempt();
    let key = asked.how.clone();
    publisher.publish(Answered { key, attempt }).await?;
    kept.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(publisher.clone());
    tell.tell(attempt);
    match asked.how.as_str() {
        "fail once" if attempt == 1 => Err(std::io::Error::other("not yet").into()),
        "panic once" if attempt == 1 => panic!("not yet"),
        "answer both" => {
            let numbers = [1, 2].map(|number| Both { number });
            let reports = publisher.publish_all(numbers).await;
            reports.into_iter().collect::<Result<Vec<_>, _>>()?;
            Ok(())
        }
        _ => Ok(()),
    }
}

struct Started {
    main: Spy,
    second: Spy,
    running: Running,
    kept: Kept,
    attempts: Heard<u32>,
    answers: Ear,
}

async fn start() -> Started {
    let (main, second, kept) = (Spy::default(), Spy::default(), Kept::default());
    let (tell, attempts) = channel();
    let app = App::new("Frage&Antwort^?")
        .streamers(Streamers {
            main: main.clone(),
            second: second.clone(),
        })
        .state(Arc::clone(&kept))
        .state(tell);
    Started {
        running: app.start().await.expect("started"),
        answers: listen(main.memory(), "answered").await,
        main,
        second,
        kept,
        attempts,
    }
}

impl Started {
    async fn ask(&self, how: &str) -> fanfare::event::Envelope {
        let asked = event("Asked", &format!(r#"{{"how":"{how}"}}"#));
        publish(self.main.memory(), "asked", asked.clone()).await;
        asked
    }

    fn publishes(&self, topic: &str) -> usize {
        let wanted = format!("publish {topic}");
        self.main
            .seen()
            .iter()
            .filter(|seen| **seen == wanted)
            .count()
    }
}

#[tokio::test]
async fn an_envelope_is_a_complete_cloudevent() {
    let mut app = start().await;
    let publisher = app.running.publisher();
    let before = std::time::SystemTime::now();
    let answered = Answered {
        key: "k".to_owned(),
        attempt: 0,
    };
    let id = publisher.publish(answered).await.expect("published");
    let envelope = app.answers.next_event().await;
    assert_eq!(envelope.id(), &id);
    assert_eq!(envelope.source(), "Frage%26Antwort%5E%3F");
    assert_eq!(envelope.kind(), "Answered");
    assert_eq!(envelope.key(), Some("k"));
    assert_eq!(envelope.content_type(), Some("application/json"));
    assert_eq!(envelope.schema(), Some("urn:fanfare:event:Answered:1"));
    assert!(envelope.time().is_some_and(|time| before <= time));
    assert_eq!(envelope.payload(), r#"{"key":"k","attempt":0}"#);
    assert_eq!(envelope.extensions().count(), 0);
}

#[tokio::test]
async fn a_key_that_cannot_travel_is_an_error_and_an_empty_one_is_none() {
    let mut app = start().await;
    let publisher = app.running.publisher();
    let keyed = |key: &str| Answered {
        key: key.to_owned(),
        attempt: 0,
    };
    publisher.publish(keyed("")).await.expect("published");
    assert_eq!(app.answers.next_event().await.key(), None);

    let reports = publisher
        .publish_all([keyed("good"), keyed("b\u{0}d"), keyed("fine")])
        .await;
    assert!(reports[0].is_ok() && reports[2].is_ok());
    let error = reports[1].as_ref().expect_err("no key").to_string();
    assert_eq!(
        error,
        "`Answered` makes no CloudEvent: the attribute `partitionkey` holds U+0000, a character that CloudEvents disallows"
    );
    assert_eq!(app.answers.next_event().await.key(), Some("good"));
    assert_eq!(app.answers.next_event().await.key(), Some("fine"));
    // One batch for all.
    assert_eq!(app.publishes("answered"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_publishes_is_visible_when_it_succeeds_and_not_otherwise() {
    let mut app = start().await;
    for how in ["fail once", "panic once"] {
        app.ask(how).await;
        assert_eq!(
            [app.attempts.next().await, app.attempts.next().await],
            [1, 2]
        );
        let answer = app.answers.next_event().await;
        assert_eq!(
            answer.payload(),
            &format!(r#"{{"key":"{how}","attempt":2}}"#)
        );
    }
    app.main.acknowledged(2).await;
    assert_eq!(app.running.counts()[0].handled, 2);
    assert_eq!(app.answers.rest(), []);
    assert_eq!(app.publishes("answered"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_events_cannot_be_published_has_failed() {
    let mut app = start().await;
    app.main.fail_publishes(2);
    app.ask("well").await;
    let answer = app.answers.next_event().await;
    assert_eq!(answer.payload(), r#"{"key":"well","attempt":3}"#);
    app.main.acknowledged(1).await;
    let counts = app.running.counts().swap_remove(0);
    assert_eq!((counts.handled, counts.failed_attempts), (1, 2));
    assert_eq!(app.answers.rest(), []);
}

#[tokio::test]
async fn several_events_of_a_handler_go_out_together() {
    let mut app = start().await;
    let mut both = listen(app.second.memory(), "both").await;
    app.ask("answer both").await;
    app.answers.next_event().await;
    assert_eq!(both.next_event().await.payload(), r#"{"number":1}"#);
    assert_eq!(both.next_event().await.payload(), r#"{"number":2}"#);
    assert_eq!((app.publishes("answered"), app.publishes("both")), (1, 1));
}

#[tokio::test]
async fn what_is_caused_carries_its_cause() {
    let mut app = start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let first = event("Asked", r#"{"how":"well"}"#)
        .with_extension("traceparent", trace)
        .expect("valid");
    publish(app.main.memory(), "asked", first.clone()).await;
    let answer = app.answers.next_event().await;
    let id = first.id().to_string();
    assert_eq!(extension(&answer, "causationid"), id);
    assert_eq!(extension(&answer, "correlationid"), id);
    assert_eq!(extension(&answer, "traceparent"), trace);
    let origin = extension(&answer, "origin");
    assert!(
        origin.starts_with("main/asked/") && origin.contains('@'),
        "{origin}"
    );

    // Further down the chain, only the cause is another.
    let second = event("Asked", r#"{"how":"well"}"#)
        .with_extension("correlationid", "c-1")
        .and_then(|event| event.with_extension("causationid", "before"))
        .and_then(|event| event.with_extension("origin", "feed/quakes/0@17"))
        .expect("valid");
    publish(app.main.memory(), "asked", second.clone()).await;
    let answer = app.answers.next_event().await;
    assert_eq!(extension(&answer, "causationid"), second.id().to_string());
    assert_eq!(extension(&answer, "correlationid"), "c-1");
    assert_eq!(extension(&answer, "origin"), "feed/quakes/0@17");
    assert_eq!(extension(&answer, "traceparent"), "");

    // What is no CloudEvent has no id that could be a cause.
    publish(app.main.memory(), "asked", foreign(r#"{"how":"well"}"#)).await;
    let answer = app.answers.next_event().await;
    assert_eq!(extension(&answer, "causationid"), "");
    assert!(extension(&answer, "origin").starts_with("main/asked/"));
}

#[tokio::test]
async fn a_publisher_that_outlives_its_handler_says_so() {
    let mut app = start().await;
    app.ask("well").await;
    app.answers.next_event().await;
    app.main.acknowledged(1).await;
    let kept = app
        .kept
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(0);
    let answered = Answered {
        key: "late".to_owned(),
        attempt: 9,
    };
    let error = kept.publish(answered).await.expect_err("too late");
    assert!(
        matches!(error, PublishError::HandlerEnded { event: "Answered" }),
        "{error}"
    );
    assert!(
        error.to_string().contains("handler that has already ended"),
        "{error}"
    );
    assert_eq!(app.answers.rest(), []);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_of_a_failed_attempt_says_so_too() {
    let mut app = start().await;
    app.ask("panic once").await;
    assert_eq!(app.attempts.next().await, 1);
    app.answers.next_event().await;
    let kept = app
        .kept
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(0);
    let answered = Answered {
        key: "late".to_owned(),
        attempt: 9,
    };
    let error = kept.publish(answered).await.expect_err("too late");
    assert!(
        matches!(error, PublishError::HandlerEnded { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_event_that_goes_nowhere_is_an_error_with_the_remedy() {
    let app = start().await;
    let error = app
        .running
        .publisher()
        .publish(Nowhere { number: 1 })
        .await
        .expect_err("nowhere");
    assert!(
        error.to_string().starts_with("`Nowhere` goes nowhere:"),
        "{error}"
    );
    assert!(
        error.to_string().contains("stream_to = streamer!(...)"),
        "{error}"
    );
    let reports = app
        .running
        .publisher()
        .publish_all([1, 2].map(|number| Nowhere { number }))
        .await;
    assert!(
        reports
            .iter()
            .all(|report| matches!(report, Err(PublishError::NoTarget { .. })))
    );
    assert_eq!(reports.len(), 2);
}

#[tokio::test]
async fn of_several_targets_those_that_failed_are_named_and_the_others_stand() {
    let app = start().await;
    let mut first = listen(app.main.memory(), "both").await;
    let mut second = listen(app.second.memory(), "both").await;
    let publisher = app.running.publisher();
    publisher
        .publish(Both { number: 1 })
        .await
        .expect("published");
    assert_eq!(first.next().await, second.next().await);

    app.second.fail_publishes(2);
    let error = publisher
        .publish(Both { number: 2 })
        .await
        .expect_err("one failed");
    let said = "`Both` was not published to second/both: the spy was told to fail at publishing";
    assert_eq!(error.to_string(), said);
    assert_eq!(first.next_event().await.payload(), r#"{"number":2}"#);
    let reports = publisher
        .publish_all([3, 4].map(|number| Both { number }))
        .await;
    for report in reports {
        assert_eq!(report.expect_err("one failed").to_string(), said);
    }
    assert_eq!((first.rest().len(), second.rest().len()), (2, 0));
}

#[tokio::test]
async fn after_the_shutdown_publishing_is_an_error() {
    let mut app = start().await;
    let publisher = app.running.publisher();
    app.running.shutdown().await.expect("shut down");
    let answered = |attempt| Answered {
        key: "k".to_owned(),
        attempt,
    };
    let error = publisher.publish(answered(1)).await.expect_err("shut down");
    assert_eq!(
        error.to_string(),
        "`Answered` was not published: the app is shut down"
    );
    for report in publisher.publish_all([answered(2), answered(3)]).await {
        assert!(matches!(report, Err(PublishError::ShutDown { .. })));
    }
    assert_eq!(app.answers.rest(), []);
    assert_eq!(app.main.seen().last().map(String::as_str), Some("close"));
}
