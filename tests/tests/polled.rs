//! A streamer that is asked, under an app.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fanfare::event::Message;
use fanfare::event::cloudevents::KAFKA;
use fanfare::prelude::*;
use fanfare::streamer::{
    Deliver, Outgoing, Poll, Position, Publish, Source, StreamError, Streamer,
};
use fanfare_tests::{Tell, channel, event, extension, listen};

/// A feed of lines, with tokens of its own that no header could take. It is published to, too.
#[derive(Clone, Default)]
struct Feed(Arc<Mutex<Vec<Message>>>);

impl Feed {
    fn add(&self, message: impl Into<Message>) {
        self.lines().push(message.into());
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn token(line: usize) -> Position {
    Position::Token(format!("line\n{line}\u{1}").into())
}

impl Streamer for Feed {}

impl Publish for Feed {
    async fn publish(&self, _topic: &str, batch: &mut [Outgoing]) {
        for outgoing in batch {
            outgoing.report(Err(StreamError::new("it only delivers")));
        }
    }
}

impl Poll for Feed {
    async fn poll(
        &self,
        topic: &str,
        after: Option<&Position>,
        max: usize,
    ) -> Result<Vec<(Position, Message)>, StreamError> {
        assert_eq!(topic, "lines");
        let lines = self.lines();
        let numbered = lines.iter().enumerate();
        let all = numbered.map(|(line, message)| (token(line), message.clone()));
        let next = (0..lines.len()).find(|line| after == Some(&token(*line)));
        let new = all.skip(next.map_or(0, |line| line + 1));
        Ok(new.take(max).collect())
    }
}

impl Deliver for Feed {
    fn source(self: Arc<Self>) -> Source {
        Source::poll(self)
    }
}

#[derive(Streamers)]
struct Streamers {
    feed: Feed,
    main: Memory,
}

#[event(stream_to = [streamer!("feed", "lines"), streamer!("main", "elsewhere")])]
struct Line {
    text: String,
}

#[event(stream_to = streamer!("main", "read"))]
struct Read {
    text: String,
}

#[event_handler(
    streamed_from = streamer!("feed", "lines"),
    group = each_instance,
    dead_letter = streamer!("main", "lost")
)]
async fn read(line: Line, publisher: Publisher, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(line.text.clone());
    publisher.publish(Read { text: line.text }).await?;
    Ok(())
}

fn line(text: &str) -> Message {
    event("Line", &format!(r#"{{"text":"{text}"}}"#)).into()
}

#[tokio::test(start_paused = true)]
async fn what_is_polled_reaches_the_handler_once_and_in_order() {
    let (feed, main) = (Feed::default(), Memory::new());
    for number in 0..600 {
        feed.add(line(&number.to_string()));
    }
    let mut lost = listen(&main, "lost").await;
    let (tell, mut told) = channel::<String>();
    let streamers = Streamers {
        feed: feed.clone(),
        main: main.clone(),
    };
    let app = App::new("reader").streamers(streamers).state(tell);
    let running = app.start().await.expect("started");
    for number in 0..600 {
        assert_eq!(told.next().await, number.to_string());
    }

    // What comes later is found too, and what cannot be read is a dead letter.
    feed.add(event("Line", "broken"));
    feed.add(event("Other", "{}"));
    feed.add(line("later"));
    assert_eq!(told.next().await, "later");
    let letter = lost.next_event().await;
    assert_eq!(letter.payload(), "broken");
    assert_eq!(
        extension(&letter, "deadletterorigin"),
        "feed/lines/0@line 600 "
    );
    running.shutdown().await.expect("shut down");
    assert!(told.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_causes_is_a_valid_event_whatever_the_place_is_called() {
    let (feed, main) = (Feed::default(), Memory::new());
    feed.add(line("first"));
    let mut read = listen(&main, "read").await;
    let (tell, _told) = channel::<String>();
    let streamers = Streamers {
        feed,
        main: main.clone(),
    };
    let app = App::new("reader").streamers(streamers).state(tell);
    let _running = app
        .shutdown_deadline(Duration::ZERO)
        .start()
        .await
        .expect("started");
    let caused = read.next_event().await;
    assert_eq!(extension(&caused, "origin"), "feed/lines/0@line 0 ");
    let sent = KAFKA.write(&caused);
    let received = KAFKA.read(sent.headers, sent.key, sent.payload);
    assert_eq!(received, Message::Event(caused));
}
