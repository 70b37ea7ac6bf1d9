//! What others push at a service.

use std::pin::pin;
use std::sync::Arc;

use fanfare::event::{Foreign, Message};
use fanfare::prelude::*;
use fanfare::streamer::{
    Deliver, Groups, Ingest, Outgoing, Publish, Source, StreamError, Streamer,
};
use fanfare::{IngestError, Running};
use fanfare_tests::{Heard, Tell, channel, event, foreign, listen};
use futures_util::poll;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

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
async fn greet(
    signup: Signup,
    State(tell): State<Tell<String>>,
    State(patience): State<Arc<Notify>>,
) -> Result<()> {
    tell.tell(format!("greet {}", signup.name));
    match signup.name.as_str() {
        "nobody" => std::future::pending().await,
        "later" => {
            patience.notified().await;
            Ok(())
        }
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
    let (running, told, _) = start_patiently(memory).await;
    (running, told)
}

/// As [`start`], with what lets go of "later".
async fn start_patiently(memory: &Memory) -> (Running, Heard<String>, Arc<Notify>) {
    let (tell, told) = channel();
    let patience = Arc::new(Notify::new());
    let hook = Webhook(memory.clone());
    let app = App::new("blog")
        .streamers(Streamers { hook })
        .state(tell)
        .state(Arc::clone(&patience));
    (app.start().await.expect("started"), told, patience)
}

fn signed(body: &str) -> Foreign {
    foreign(body).with_header("signature", "good".into())
}

/// Hands over a request, as a task of an HTTP server does.
fn push(running: &Running, body: &str) -> JoinHandle<Result<(), IngestError>> {
    let (ingester, body) = (running.ingester(), signed(body));
    tokio::spawn(async move { ingester.ingest(streamer!("hook", "signups"), body).await })
}

#[tokio::test]
async fn it_is_done_when_every_handler_is() {
    let (running, mut told) = start(&Memory::new()).await;
    let body = signed("{\"name\":\"Ada\"}\n{\"name\":\"Bob\"}");
    running
        .ingester()
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
        .ingester()
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
        .ingester()
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
        .ingester()
        .ingest(streamer!("hook", "signups"), unsigned)
        .await
        .expect_err("unsigned");
    assert_eq!(
        error.to_string(),
        "refused: what is pushed at signups must be signed: do not repeat it"
    );
    assert!(!error.is_worth_repeating());

    let error = running
        .ingester()
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
    let push = |body: &str| push(&running, body);
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

#[tokio::test(start_paused = true)]
async fn a_shutdown_finishes_what_is_in_hand_and_has_the_rest_repeated() {
    let (running, mut told, patience) = start_patiently(&Memory::new()).await;
    let ingester = running.ingester();
    let in_hand = push(&running, "{\"name\":\"later\"}");
    while told.next().await != "greet later" {}
    let waits = push(&running, "{\"name\":\"Ada\"}");
    while !told.next().await.starts_with("count Ada") {}

    let mut ending = pin!(running.shutdown());
    assert!(poll!(&mut ending).is_pending());
    patience.notify_one();
    ending.await.expect("shut down");
    in_hand.await.expect("no panic").expect("done");
    let error = waits.await.expect("no panic").expect_err("not done");
    assert_eq!(
        error.to_string(),
        "not every handler of `hook/signups` finished: repeat it later"
    );
    assert!(error.is_worth_repeating());
    assert!(told.rest().is_empty(), "nothing new was taken");

    let error = ingester
        .ingest(streamer!("hook", "signups"), signed(""))
        .await
        .expect_err("shut down");
    assert_eq!(
        error.to_string(),
        "the service is shut down: repeat it later"
    );
    assert!(error.is_worth_repeating());
}
