//! From a topic to a handler and back to the acknowledgement.

use fanfare::event::Message;
use fanfare::prelude::*;
use fanfare::{Counts, Running};
use fanfare_tests::{Heard, Spy, Tell, channel, event, foreign, join, listen, publish};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(stream_to = streamer!("main", "posts"), key = id)]
#[derive(Debug, PartialEq)]
struct PostCreated {
    id: u64,
    title: String,
}

#[event(stream_to = streamer!("main", "posts"))]
struct PostDeleted {
    id: u64,
}

/// An event that has changed twice.
mod versions {
    use super::*;

    #[event(name = "Signup", stream_to = streamer!("main", "signups"))]
    pub(super) struct SignupV1 {
        pub name: String,
    }

    #[event(name = "Signup", version = 2, previous = SignupV1, stream_to = streamer!("main", "signups"))]
    pub(super) struct SignupV2 {
        pub first_name: String,
        pub last_name: String,
    }

    #[event(name = "Signup", version = 3, previous = SignupV2, stream_to = streamer!("main", "signups"))]
    pub(super) struct Signup {
        pub full_name: String,
        pub greeting: String,
    }

    impl From<SignupV1> for SignupV2 {
        fn from(v1: SignupV1) -> Self {
            let (first, last) = v1.name.split_once(' ').unwrap_or((&v1.name, ""));
            SignupV2 {
                first_name: first.to_owned(),
                last_name: last.to_owned(),
            }
        }
    }

    impl From<SignupV2> for Signup {
        fn from(v2: SignupV2) -> Self {
            Signup {
                greeting: format!("Dear {}", v2.first_name),
                full_name: format!("{} {}", v2.first_name, v2.last_name),
            }
        }
    }
}

use versions::{Signup, SignupV1, SignupV2};

#[event_handler(streamed_from = streamer!("main", "posts"))]
async fn created(post: PostCreated, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("created {} {}", post.id, post.title));
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "posts"))]
async fn deleted(
    post: PostDeleted,
    metadata: Metadata,
    origin: Origin,
    State(tell): State<Tell<String>>,
) -> Result<()> {
    let attempt = metadata.attempt();
    tell.tell(format!("deleted {} from {} ({attempt})", post.id, origin));
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "anything"))]
async fn anything(raw: RawEvent, State(tell): State<Tell<RawEvent>>) -> Result<()> {
    tell.tell(raw);
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "signups"))]
async fn greet(signup: Signup, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("{}: {}", signup.full_name, signup.greeting));
    Ok(())
}

struct Started {
    spy: Spy,
    memory: Memory,
    running: Running,
    told: Heard<String>,
    raw: Heard<RawEvent>,
}

async fn start() -> Started {
    let spy = Spy::default();
    let (tell, told) = channel::<String>();
    let (tell_raw, raw) = channel::<RawEvent>();
    let running = App::new("blog")
        .streamers(Streamers { main: spy.clone() })
        .state(tell)
        .state(tell_raw)
        .start()
        .await
        .expect("started");
    Started {
        memory: spy.memory().clone(),
        spy,
        running,
        told,
        raw,
    }
}

impl Started {
    fn counts(&self, handler: &str) -> Counts {
        let mut counts = self.running.counts().into_iter();
        let found = counts.find(|counts| counts.handler == handler);
        found.expect("a handler of this name")
    }
}

#[tokio::test]
async fn an_event_is_handled_and_acknowledged() {
    let mut app = start().await;
    let post = PostCreated {
        id: 7,
        title: "Hello".to_owned(),
    };
    let publisher = app.running.publisher();
    publisher.publish(post).await.expect("published");
    assert_eq!(app.told.next().await, "created 7 Hello");

    app.spy.acknowledged(2).await;
    let (created, deleted) = (app.counts("created"), app.counts("deleted"));
    assert_eq!((created.handled, deleted.ignored), (1, 1));
    app.running.shutdown().await.expect("shut down");
    // Acknowledged, so it does not wait for the group's next subscriber.
    let mut group = join(&app.memory, "posts", "blog.created").await;
    assert_eq!(group.rest(), []);
}

#[tokio::test]
async fn a_handler_hears_its_own_event_and_nothing_else() {
    let mut app = start().await;
    publish(
        &app.memory,
        "posts",
        event("PostCreated", r#"{"id":1,"title":"a"}"#),
    )
    .await;
    publish(&app.memory, "posts", event("Unheard", "not even JSON")).await;
    publish(&app.memory, "posts", event("PostDeleted", r#"{"id":2}"#)).await;

    let mut told = [app.told.next().await, app.told.next().await];
    told.sort();
    assert_eq!(told[0], "created 1 a");
    let origin = told[1]
        .strip_prefix("deleted 2 from main/posts/")
        .expect("an origin");
    assert!(origin.contains('@') && origin.ends_with(" (1)"), "{origin}");

    app.spy.acknowledged(6).await;
    for handler in ["created", "deleted"] {
        let counts = app.counts(handler);
        assert_eq!((counts.handled, counts.ignored), (1, 2));
        assert_eq!((counts.failed_attempts, counts.dead_lettered), (0, 0));
    }
}

#[tokio::test]
async fn what_is_no_cloudevent_reaches_typed_and_raw_handlers() {
    let mut app = start().await;
    publish(
        &app.memory,
        "signups",
        foreign(r#"{"full_name":"Ada L","greeting":"Hi"}"#),
    )
    .await;
    assert_eq!(app.told.next().await, "Ada L: Hi");

    let telegram = foreign("STOP").with_header("sent", "1871".into());
    publish(&app.memory, "anything", telegram.clone()).await;
    publish(&app.memory, "anything", event("Whatever", "{}")).await;
    assert_eq!(*app.raw.next().await.message(), Message::Foreign(telegram));
    let envelope = app.raw.next().await.envelope().cloned().expect("an event");
    assert_eq!(envelope.kind(), "Whatever");
}

#[tokio::test]
async fn older_versions_are_brought_up_to_the_handlers() {
    let mut app = start().await;
    let publisher = app.running.publisher();
    let v1 = SignupV1 {
        name: "Grace Hopper".to_owned(),
    };
    let v2 = SignupV2 {
        first_name: "Ada".to_owned(),
        last_name: "Lovelace".to_owned(),
    };
    publisher.publish(v1).await.expect("published");
    assert_eq!(app.told.next().await, "Grace Hopper: Dear Grace");
    publisher.publish(v2).await.expect("published");
    assert_eq!(app.told.next().await, "Ada Lovelace: Dear Ada");
    // Without a schema it is read as what the handler knows.
    publish(
        &app.memory,
        "signups",
        event("Signup", r#"{"full_name":"A","greeting":"B"}"#),
    )
    .await;
    assert_eq!(app.told.next().await, "A: B");
}

#[tokio::test]
async fn a_version_newer_than_the_code_goes_to_the_dead_letters() {
    let mut app = start().await;
    let mut dead_letters = listen(&app.memory, "signups.dead-letters").await;
    let newer = event("Signup", r#"{"full_name":"A","greeting":"B"}"#)
        .with_schema("urn:fanfare:event:Signup:4")
        .expect("valid");
    publish(&app.memory, "signups", newer.clone()).await;

    let letter = dead_letters.next_event().await;
    assert_eq!(
        (letter.id(), letter.payload()),
        (newer.id(), newer.payload())
    );
    let reason = letter
        .extension("deadletterreason")
        .expect("a reason")
        .to_string();
    assert!(
        reason.contains("version 4") && reason.contains("up to version 3"),
        "{reason}"
    );
    assert_eq!(app.told.rest(), [""; 0]);
}

#[tokio::test]
async fn each_handler_has_a_group_that_instances_share() {
    let mut one = start().await;
    let (tell, mut told) = channel::<String>();
    let (tell_raw, _raw) = channel::<RawEvent>();
    let other = App::new("blog")
        .streamers(Streamers {
            main: one.spy.clone(),
        })
        .state(tell)
        .state(tell_raw);
    let other = other.start().await.expect("started");
    for id in 0..100 {
        let payload = format!(r#"{{"id":{id},"title":"t"}}"#);
        publish(&one.memory, "posts", event("PostCreated", &payload)).await;
    }
    let handled = |running: &Running| {
        let mut counts = running.counts().into_iter();
        counts
            .find(|counts| counts.handler == "created")
            .map_or(0, |counts| counts.handled)
    };
    // By `created` or `deleted`, which ignores them.
    one.spy.acknowledged(200).await;
    assert_eq!(handled(&one.running) + handled(&other), 100);
    assert!(handled(&one.running) > 0 && handled(&other) > 0);
    assert_eq!(one.told.rest().len() + told.rest().len(), 100);
}
