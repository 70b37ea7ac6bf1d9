//! The dead letters in the store.

mod pages;

use std::collections::HashSet;
use std::fmt::{self, Display, Write};
use std::num::NonZeroUsize;

use base64::prelude::{BASE64_STANDARD, Engine};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use self::pages::{Letters, check_name};
use super::log::ended;
use super::print::{Print, table};
use crate::app::{App, Replayed, Running};
use crate::error::{Error, Result};
use crate::event::{Envelope, Foreign, Message, Rfc3339, cloudevents::structured, printable};
use crate::store::DeadLetter;

/// The most characters of a reason in a list.
const SHOWN: usize = 60;

/// What can be done with dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum LettersCommand {
    /// List them, oldest first
    List {
        /// Only those of this handler, or of this `streamer/topic`
        #[arg(long)]
        handler: Option<String>,
        /// Only those after this number
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// The most to list
        #[arg(long, default_value = "100")]
        max: NonZeroUsize,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
    /// Show one whole: the message as it came, and why it was given up
    Show {
        /// Its number
        number: u64,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
    /// Give them to their handler once more, and remove those that it handles
    Replay {
        /// Which.
        #[command(flatten)]
        chosen: Chosen,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
    /// Remove them for good
    Drop {
        /// Which.
        #[command(flatten)]
        chosen: Chosen,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
}

/// Which dead letters.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Chosen {
    /// Their numbers
    numbers: Vec<u64>,
    /// Those of this handler, or of this `streamer/topic`
    #[arg(long)]
    handler: Option<String>,
    /// All
    #[arg(long)]
    all: bool,
}

impl LettersCommand {
    pub(super) async fn run(self, app: App) -> Result<()> {
        let running = app.idle()?;
        let result = match self {
            LettersCommand::List {
                handler,
                after,
                max,
                print,
            } => list(&running, handler.as_deref(), (after, max), print).await,
            LettersCommand::Show { number, print } => show(&running, number, print).await,
            LettersCommand::Replay { chosen, print } => replay(&running, &chosen, print).await,
            LettersCommand::Drop { chosen, print } => drop_all(&running, &chosen, print).await,
        };
        ended(running, result).await
    }
}

async fn list(
    running: &Running,
    handler: Option<&str>,
    (after, max): (u64, NonZeroUsize),
    print: Print,
) -> Result<()> {
    let (mut rows, mut values, mut last) = (Vec::new(), Vec::new(), after);
    let mut letters = Letters::new(running, handler, after)?;
    while values.len() < max.get()
        && let Some((number, letter)) = letters.next().await?
    {
        last = number;
        values.push(summary(number, &letter));
        rows.push(row(number, &letter));
    }
    if values.is_empty() {
        check_name(running, handler)?;
    }
    let more = letters.next().await?.is_some();
    let headline = [
        "number", "handler", "event", "attempts", "given up", "reason",
    ];
    let is_empty = rows.is_empty();
    let table = table(&headline, rows);
    let text = fmt::from_fn(|f| {
        if is_empty {
            return f.write_str("no dead letters");
        }
        write!(f, "{table}")?;
        if more {
            write!(f, "\nthere are more: --after {last}")?;
        }
        Ok(())
    });
    print.out(&json!({"dead_letters": values, "more": more}), &text)
}

fn row(number: u64, letter: &DeadLetter) -> Vec<String> {
    let event = letter
        .message
        .event()
        .map_or("no event", |event| event.kind());
    vec![
        number.to_string(),
        printable(&letter.handler),
        printable(format_args!("{event:.40}")),
        letter.attempts.to_string(),
        Rfc3339(letter.time).to_string(),
        printable(format_args!("{:.SHOWN$}", letter.reason)),
    ]
}

fn summary(number: u64, letter: &DeadLetter) -> Value {
    let event = letter.message.event();
    json!({
        "number": number,
        "handler": letter.handler,
        "event": event.map(Envelope::kind),
        "id": event.map(|event| event.id().to_string()),
        "attempts": letter.attempts,
        "time": Rfc3339(letter.time).to_string(),
        "origin": letter.origin,
        "reason": letter.reason,
    })
}

async fn show(running: &Running, number: u64, print: Print) -> Result<()> {
    let letter = running.store()?.dead_letter(number).await?;
    let letter = letter.ok_or_else(|| Error::msg(format!("there is no dead letter {number}")))?;
    let message = match &letter.message {
        Message::Event(event) => serde_json::from_slice(&structured::to_json(event))?,
        Message::Foreign(foreign) => around(foreign),
    };
    let text = fmt::from_fn(|f| {
        writeln!(f, "dead letter {number} of {}", printable(&letter.handler))?;
        writeln!(
            f,
            "  given up  {}, after {} attempts",
            Rfc3339(letter.time),
            letter.attempts
        )?;
        writeln!(f, "  from      {}", printable(&letter.origin))?;
        writeln!(f, "  because   {}", printable(&letter.reason))?;
        write!(f, "\n{}", harmless(&message))
    });
    let mut value = summary(number, &letter);
    value["message"] = message.clone();
    print.out(&value, &text)
}

/// JSON that does nothing to a terminal: it escapes some control characters by itself, and here
/// all others, which only stand in strings.
fn harmless(json: &Value) -> impl Display {
    fmt::from_fn(move |f| {
        for c in format!("{json:#}").chars() {
            if c.is_control() && c != '\n' {
                write!(f, "\\u{:04x}", u32::from(c))?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    })
}

/// A message that is no event.
fn around(foreign: &Foreign) -> Value {
    let headers = foreign
        .headers()
        .map(|(name, value)| (name.to_owned(), readable(value)));
    json!({
        "content_type": foreign.content_type(),
        "key": foreign.key().map(|key| readable(key)),
        "headers": headers.collect::<serde_json::Map<_, _>>(),
        "fault": foreign.fault().map(ToString::to_string),
        "payload": readable(foreign.payload()),
    })
}

/// Bytes as text, or in base64 where they are none.
fn readable(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({"base64": BASE64_STANDARD.encode(bytes)}),
    }
}

async fn replay(running: &Running, chosen: &Chosen, print: Print) -> Result<()> {
    let chosen = numbers(running, chosen).await?;
    let topics = connect_for(running, &chosen).await?;
    let bar = progress(chosen.len());
    let (mut rows, mut values, mut failed) = (Vec::new(), Vec::new(), 0);
    for number in &chosen {
        let (outcome, error) = match replay_one(running, *number, &topics).await {
            Ok(outcome) => (outcome, None),
            Err(error) => {
                failed += 1;
                ("failed", Some(error))
            }
        };
        values.push(json!({"number": number, "outcome": outcome, "error": error}));
        rows.push(vec![
            number.to_string(),
            outcome.to_owned(),
            printable(error.unwrap_or_default()),
        ]);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let text = table(&["number", "", ""], rows);
    print.out(&json!({"replayed": values}), &text)?;
    if failed == 0 {
        return Ok(());
    }
    let all = chosen.len();
    Err(Error::msg(format!(
        "{failed} of {all} dead letters were not replayed"
    )))
}

/// What became of a letter, or why it was not replayed.
async fn replay_one(
    running: &Running,
    number: u64,
    topics: &Topics,
) -> Result<&'static str, String> {
    if let Some(reason) = &topics.unreached
        && topics.letters.contains(&number)
    {
        return Err(format!("it cannot be streamed: {reason}"));
    }
    match running.replay_dead_letter(number).await {
        Ok(Replayed::Handled) => Ok("handled"),
        Ok(Replayed::Repeated) => Ok("had been handled"),
        Ok(Replayed::Streamed) => Ok("streamed"),
        Err(error) => Err(error.to_string()),
    }
}

/// The letters that go to a topic.
#[derive(Default)]
struct Topics {
    letters: HashSet<u64>,
    /// Why none of them can be streamed, if the streamers cannot be reached.
    unreached: Option<String>,
}

/// Connects the streamers, if one of the letters goes to a topic. Those of handlers need none.
async fn connect_for(running: &Running, numbers: &[u64]) -> Result<Topics> {
    let (store, mut topics) = (running.store()?, Topics::default());
    for number in numbers {
        let letter = store.dead_letter(*number).await?;
        if letter.is_some_and(|letter| running.is_of_a_topic(&letter)) {
            topics.letters.insert(*number);
        }
    }
    if !topics.letters.is_empty() {
        let connected = running.connect().await;
        topics.unreached = connected.err().map(|error| error.to_string());
    }
    Ok(topics)
}

async fn drop_all(running: &Running, chosen: &Chosen, print: Print) -> Result<()> {
    let (store, mut dropped) = (running.store()?, Vec::new());
    let mut missing = Vec::new();
    let chosen = numbers(running, chosen).await?;
    let bar = progress(chosen.len());
    for number in chosen {
        if store.drop_dead_letter(number).await? {
            dropped.push(number);
        } else {
            missing.push(number.to_string());
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let text = format!("dead letters removed: {}", dropped.len());
    print.out(&json!({"dropped": dropped}), &text)?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::msg(format!(
        "there is no dead letter {}",
        missing.join(", ")
    )))
}

/// The numbers of the chosen letters, of those that are there now.
async fn numbers(running: &Running, chosen: &Chosen) -> Result<Vec<u64>> {
    let mut numbers = chosen.numbers.clone();
    if !numbers.is_empty() {
        numbers.sort_unstable();
        numbers.dedup();
        return Ok(numbers);
    }
    let mut letters = Letters::new(running, chosen.handler.as_deref(), 0)?;
    while let Some((number, _)) = letters.next().await? {
        numbers.push(number);
    }
    if numbers.is_empty() {
        check_name(running, chosen.handler.as_deref())?;
    }
    Ok(numbers)
}

/// On standard error, where that is a terminal.
fn progress(length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} dead letters, {eta} left");
    let bar = ProgressBar::new(length as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
