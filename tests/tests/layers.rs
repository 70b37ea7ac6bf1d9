//! tower layers around handlers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use fanfare::handler::{Call, HandlerService};
use fanfare::prelude::*;
use fanfare::{Error, Running};
use fanfare_tests::{Heard, Spy, Tell, channel, event, extension, listen, publish};
use tower::layer::layer_fn;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::{Layer, Service};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(stream_to = [
    streamer!("main", "quick"),
    streamer!("main", "slow"),
    streamer!("main", "rows"),
    streamer!("main", "each"),
])]
struct Job {
    number: u32,
}

#[event(stream_to = streamer!("main", "done"))]
struct Done {
    number: u32,
}

type Word = String;

#[event_handler(streamed_from = streamer!("main", "quick"), retry(attempts = 2))]
async fn quick(job: Job, publisher: Publisher, State(tell): State<Tell<Word>>) -> Result<()> {
    tell.tell(format!("quick {}", job.number));
    publisher.publish(Done { number: job.number }).await?;
    match job.number {
        13 => Err(Error::reject("unlucky")),
        _ => Ok(()),
    }
}

#[event_handler(streamed_from = streamer!("main", "slow"), concurrency = 4, retry(attempts = 1))]
async fn slow(job: Job, State(tell): State<Tell<Word>>) -> Result<()> {
    tell.tell(format!("+{}", job.number));
    tokio::time::sleep(Duration::from_mins(1)).await;
    tell.tell(format!("-{}", job.number));
    Ok(())
}

#[event_handler(
    streamed_from = streamer!("main", "rows"),
    batch(max = 2, within = "1s"),
    retry(attempts = 1)
)]
async fn rows(jobs: Vec<Job>, State(tell): State<Tell<Word>>) -> Result<()> {
    tell.tell(format!("rows {}", jobs.len()));
    if jobs.iter().any(|job| job.number == 13) {
        return Err(Error::msg("unlucky"));
    }
    Ok(())
}

/// Says what passes, and what comes back.
#[derive(Clone)]
struct Telling<S> {
    name: &'static str,
    tell: Tell<Word>,
    inner: S,
}

fn telling(
    name: &'static str,
    tell: &Tell<Word>,
) -> impl Layer<HandlerService, Service = Telling<HandlerService>> + Send + Sync + 'static {
    let tell = tell.clone();
    layer_fn(move |inner| Telling {
        name,
        tell: tell.clone(),
        inner,
    })
}

type Answer = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl<S> Service<Call> for Telling<S>
where
    S: Service<Call, Response = (), Error = Error, Future: Send + 'static>,
{
    type Response = ();
    type Error = Error;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Answer {
        let (name, tell) = (self.name, self.tell.clone());
        let events = call.events().iter();
        let events: Vec<_> = events
            .map(|event| format!("{}#{}", event.origin().topic(), event.attempt()))
            .collect();
        tell.tell(format!("{name} > {} {}", call.handler(), events.join(" ")));
        let answer = self.inner.call(call);
        Box::pin(async move {
            let answer = answer.await;
            let word = match &answer {
                Ok(()) => "well".to_owned(),
                Err(error) => error.to_string(),
            };
            tell.tell(format!("{name} < {word}"));
            answer
        })
    }
}

fn app(spy: &Spy) -> (App, Tell<Word>, Heard<Word>) {
    let (tell, heard) = channel::<Word>();
    let streamers = Streamers { main: spy.clone() };
    let app = App::new("jobs").streamers(streamers).state(tell.clone());
    (app, tell, heard)
}

async fn start(app: App) -> Running {
    app.start().await.expect("started")
}

async fn job(spy: &Spy, topic: &str, number: u32) {
    let payload = format!(r#"{{"number":{number}}}"#);
    publish(spy.memory(), topic, event("Job", &payload)).await;
}

async fn words(heard: &mut Heard<Word>, many: usize) -> Vec<Word> {
    let mut words = Vec::new();
    while words.len() < many {
        words.push(heard.next().await);
    }
    words
}

#[tokio::test(start_paused = true)]
async fn the_layer_that_was_added_last_is_outermost() {
    let spy = Spy::default();
    let (app, tell, mut heard) = app(&spy);
    let app = app
        .layer(telling("in", &tell))
        .layer(layer_fn(move |inner| Telling {
            name: "out",
            tell: tell.clone(),
            inner,
        }));
    let _running = start(app).await;
    job(&spy, "quick", 1).await;
    assert_eq!(
        words(&mut heard, 5).await,
        [
            "out > quick quick#1",
            "in > quick quick#1",
            "quick 1",
            "in < well",
            "out < well"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_reaches_no_layer() {
    let spy = Spy::default();
    let (app, tell, mut heard) = app(&spy);
    let mut letters = listen(spy.memory(), "quick.dead-letters").await;
    let _running = start(app.layer(telling("in", &tell))).await;
    publish(spy.memory(), "quick", event("Job", "nothing")).await;
    letters.next().await;
    assert!(heard.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_rejects_does_so_through_its_layers() {
    let spy = Spy::default();
    let (app, tell, mut heard) = app(&spy);
    let mut letters = listen(spy.memory(), "quick.dead-letters").await;
    let app = app.layer(telling("in", &tell));
    // One that makes another error type of it.
    let _running = start(app.layer(TimeoutLayer::new(Duration::from_secs(10)))).await;
    job(&spy, "quick", 13).await;
    let letter = letters.next_event().await;
    assert_eq!(extension(&letter, "deadletterattempts"), "1");
    assert_eq!(extension(&letter, "deadletterreason"), "unlucky");
    assert_eq!(
        heard.rest().last().map(String::as_str),
        Some("in < unlucky")
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_layer_is_the_handlers() {
    let spy = Spy::default();
    let (app, _tell, _heard) = app(&spy);
    let mut letters = listen(spy.memory(), "slow.dead-letters").await;
    let _running = start(app.layer(TimeoutLayer::new(Duration::from_secs(10)))).await;
    job(&spy, "slow", 1).await;
    let letter = letters.next_event().await;
    assert_eq!(extension(&letter, "deadletterreason"), "request timed out");
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds_for_all_attempts_of_a_handler() {
    let spy = Spy::default();
    let (app, _tell, mut heard) = app(&spy);
    let _running = start(app.layer(GlobalConcurrencyLimitLayer::new(2))).await;
    for number in 1..=4 {
        job(&spy, "slow", number).await;
    }
    let mut now = 0;
    for word in words(&mut heard, 8).await {
        now += if word.starts_with('+') { 1 } else { -1 };
        assert!(now <= 2);
    }
}

#[event_handler(streamed_from = streamer!("main", "each"), batch(max = 2, within = "1s"))]
async fn each(jobs: Vec<Job>) -> Vec<Result<()>> {
    let outcome = |job: &Job| match job.number {
        13 => Err(Error::reject("unlucky")),
        _ => Ok(()),
    };
    jobs.iter().map(outcome).collect()
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_a_layer_sees_an_error_where_none_of_it_succeeded() {
    let spy = Spy::default();
    let (app, tell, mut heard) = app(&spy);
    let mut letters = listen(spy.memory(), "each.dead-letters").await;
    let _running = start(app.layer(telling("in", &tell))).await;
    job(&spy, "each", 13).await;
    job(&spy, "each", 13).await;
    letters.next().await;
    letters.next().await;
    assert_eq!(heard.rest(), ["in > each each#1 each#1", "in < unlucky"]);
    job(&spy, "each", 13).await;
    job(&spy, "each", 1).await;
    letters.next().await;
    assert_eq!(heard.rest(), ["in > each each#1 each#1", "in < well"]);
}

/// Answers without calling, or turns every answer into an error.
#[derive(Clone)]
struct Deciding {
    calls: bool,
    inner: HandlerService,
}

impl Service<Call> for Deciding {
    type Response = ();
    type Error = Error;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Answer {
        if !self.calls {
            return Box::pin(async { Ok(()) });
        }
        let answer = self.inner.call(call);
        Box::pin(async {
            answer.await?;
            Err(Error::reject("not good enough"))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_does_not_call_has_handled_the_event() {
    let spy = Spy::default();
    let (app, _tell, mut heard) = app(&spy);
    let calls = false;
    let layer = layer_fn(move |inner| Deciding { calls, inner });
    let running = start(app.layer(layer)).await;
    job(&spy, "quick", 13).await;
    job(&spy, "rows", 13).await;
    spy.acknowledged(2).await;
    let handled: u64 = running.counts().iter().map(|counts| counts.handled).sum();
    assert_eq!(handled, 2);
    running
        .shutdown()
        .await
        .expect("everything is acknowledged");
    assert!(heard.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_announced_is_forgotten_if_a_layer_answers_with_an_error() {
    let spy = Spy::default();
    let (app, _tell, _heard) = app(&spy);
    let mut done = listen(spy.another().memory(), "done").await;
    let mut letters = listen(spy.memory(), "quick.dead-letters").await;
    let calls = true;
    let layer = layer_fn(move |inner| Deciding { calls, inner });
    let running = start(app.layer(layer)).await;
    job(&spy, "quick", 1).await;
    let letter = letters.next_event().await;
    assert_eq!(extension(&letter, "deadletterreason"), "not good enough");
    running.shutdown().await.expect("shut down");
    assert!(done.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_call() {
    let spy = Spy::default();
    let (app, tell, mut heard) = app(&spy);
    let mut letters = listen(spy.memory(), "rows.dead-letters").await;
    let _running = start(app.layer(telling("in", &tell))).await;
    job(&spy, "rows", 1).await;
    job(&spy, "rows", 2).await;
    assert_eq!(
        words(&mut heard, 3).await,
        ["in > rows rows#1 rows#1", "rows 2", "in < well"]
    );
    job(&spy, "rows", 13).await;
    letters.next().await;
    assert_eq!(heard.rest(), ["in > rows rows#1", "rows 1", "in < unlucky"]);
}
