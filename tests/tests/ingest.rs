//! What others push at a service.

use std::sync::Arc;

use fanfare::event::{Foreign, Message};
use fanfare::prelude::*;
use fanfare::streamer::{
    Deliver, Groups, Ingest, Outgoing, Publish, Source, StreamError, Streamer,
};
use fanfare::{IngestError, Running};
use fanfare_tests::{Heard, Tell, channel, event, foreign, listen};

/// A webhook whose body is lines of JSON, and which is signed.
struct Webhook(Memory);

impl Streamer for Webhook {}

impl Publish for Webhook {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        self.0.publish(topic, batch).await;
    }
}

impl Ingest for Webhook {
    fn transform_events(&self, raw: Foreign, topic: &str) -> Result<Vec<Message>, StreamError> {
        if raw
            .header("signature")
            .is_none_or(|signature| signature != "good")
        {
            return Err(StreamError::new(format!(
                "what is pushed at {topic} must be signed"
            )));
        }
        let text = String::from_utf8_lossy(raw.payload()).into_owned();
        Ok(text
            .lines()
            .map(|line| event("Signup", line).into())
            .collect())
    }
}

impl Deliver for Webhook {
    fn source(self: Arc<Self>) -> Source {
        Source::ingest(self)
    }
}

impl Groups for Webhook {}

#[derive(Streamers)]
struct Streamers {
    hook: Webhook,
}

#[event(stream_to = streamer!("hook", "signups"))]
struct Signup {
    name: String,
}

#[event_handler(streamed_from = streamer!("hook", "signups"))]
async fn greet(signup: Signup, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("greet {}", signup.name));
    match signup.name.as_str() {
        "nobody" => std::future::pending().await,
        "fails" => Err(std::io::Error::other("no").into()),
        _ => Ok(()),
    }
}

#[event_handler(streamed_from = streamer!("hook", "signups"))]
async fn count(signup: Signup, origin: Origin, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("count {} {origin}", signup.name));
    Ok(())
}

async fn start(memory: &Memory) -> (Running, Heard<String>) {
    let (tell, told) = channel();
    let hook = Webhook(memory.clone());
    let app = App::new("blog").streamers(Streamers { hook }).state(tell);
    (app.start().await.expect("started"), told)
}

fn signed(body: &str) -> Foreign {
    foreign(body).with_header("signature", "good".into())
}

#[tokio::test]
async fn it_is_done_when_every_handler_is() {
    let (running, mut told) = start(&Memory::new()).await;
    let body = signed("{\"name\":\"Ada\"}\n{\"name\":\"Bob\"}");
    running
        .ingest(streamer!("hook", "signups"), body)
        .await
        .expect("done");
    let mut rest = told.rest();
    rest.sort();
    let expected = [
        "count Ada hook/signups/ingest@0",
        "count Bob hook/signups/ingest@1",
        "greet Ada",
        "greet Bob",
    ];
    assert_eq!(rest, expected);
    running
        .ingest(streamer!("hook", "signups"), signed(""))
        .await
        .expect("nothing to do");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_handled_is_dead_lettered_and_done() {
    let memory = Memory::new();
    let mut dead_letters = listen(&memory, "signups.dead-letters").await;
    let (running, _told) = start(&memory).await;
    let body = signed("{\"name\":\"fails\"}\nno JSON");
    running
        .ingest(streamer!("hook", "signups"), body)
        .await
        .expect("done");
    assert_eq!(dead_letters.rest().len(), 3);
}

#[tokio::test]
async fn what_is_refused_or_unheard_is_not_to_be_repeated() {
    let (running, mut told) = start(&Memory::new()).await;
    let unsigned = foreign("{\"name\":\"Eve\"}");
    let error = running
        .ingest(streamer!("hook", "signups"), unsigned)
        .await
        .expect_err("unsigned");
    assert_eq!(
        error.to_string(),
        "refused: what is pushed at signups must be signed: do not repeat it"
    );
    assert!(!error.is_worth_repeating());

    let error = running
        .ingest(streamer!("hook", "other"), signed(""))
        .await
        .expect_err("unheard");
    assert_eq!(
        error.to_string(),
        "no handler listens on `hook/other`: do not repeat it"
    );
    assert!(!error.is_worth_repeating());
    assert!(told.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_room_it_is_to_be_repeated_later() {
    let (running, mut told) = start(&Memory::new()).await;
    let running = Arc::new(running);
    let push = |body: &str| {
        let (running, body) = (Arc::clone(&running), signed(body));
        tokio::spawn(async move { running.ingest(streamer!("hook", "signups"), body).await })
    };
    let stuck = push("{\"name\":\"nobody\"}");
    while told.next().await != "greet nobody" {}
    let filling = push(&"{\"name\":\"Ada\"}\n".repeat(255));
    // Once the other handler has them all, the first one is full.
    while !told.next().await.ends_with("@255") {}
    let error = push("{\"name\":\"Bob\"}")
        .await
        .expect("no panic")
        .expect_err("full");
    assert!(matches!(error, IngestError::Busy(_)), "{error}");
    assert!(error.is_worth_repeating() && error.to_string().ends_with(": repeat it later"));
    assert!(
        !stuck.is_finished() && !filling.is_finished(),
        "not done, so not acknowledged"
    );
}
