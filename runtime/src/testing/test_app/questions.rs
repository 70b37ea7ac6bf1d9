//! What a test asks afterwards.

use super::record::Entry;
use super::{Attempt, DeadLetter, TestApp};
use crate::dispatch::Hears;
use crate::event::{Event, Message, Topic};
use crate::handler::Input;
use crate::topology::HandlerDeclaration;

/// What has happened so far, each time from the start of the app and in the order in which it
/// happened. It is kept as long as the [`TestApp`] lives.
impl TestApp {
    /// The events that a handler has succeeded with.
    ///
    /// A handler is asked for by its name. One that takes `RawEvent` succeeds with all kinds of
    /// messages: of them these are the events of this name.
    ///
    /// # Panics
    /// When there is no handler of this name, when it takes another event, or when its events
    /// cannot be read as `E` (which an older version of theirs cannot).
    #[track_caller]
    pub fn handled<E: Event>(&self, handler: &str) -> Vec<E> {
        let handler = self.handler(handler);
        if let Hears::Event { name, .. } = handler.hears {
            let given = E::NAME;
            assert!(
                name == given,
                "the handler `{}` takes `{name}`, and never a `{given}`",
                handler.name
            );
        }
        let handled = self.record.pick(|entry| match entry {
            Entry::Attempted(attempt)
                if attempt.handler == handler.name && attempt.outcome.is_ok() =>
            {
                Some(attempt.message.clone())
            }
            _ => None,
        });
        let takes_all = handler.hears == Hears::Everything;
        let of_this_name = handled
            .iter()
            .filter(|message| !takes_all || is::<E>(message));
        match of_this_name.map(<E as Input>::read).collect() {
            Ok(handled) => handled,
            Err(error) => panic!("{error}"),
        }
    }

    /// All attempts of a handler, in the order in which they ended.
    ///
    /// # Panics
    /// When there is no handler of this name.
    #[track_caller]
    pub fn attempts(&self, handler: &str) -> Vec<Attempt> {
        let handler = self.handler(handler).name;
        self.record.pick(|entry| match entry {
            Entry::Attempted(attempt) if attempt.handler == handler => Some(attempt.clone()),
            _ => None,
        })
    }

    /// The events of this type that the service has published to all of their targets: its
    /// handlers by succeeding, and the test through [`publish`](TestApp::publish). What was
    /// published in an older version is brought up to this one.
    ///
    /// # Panics
    /// When one cannot be read as `E`: it was published in a newer version.
    #[track_caller]
    pub fn published<E: Event>(&self) -> Vec<E> {
        let published = self.record.pick(|entry| match entry {
            Entry::Announced(_, message) if is::<E>(message) => Some(message.clone()),
            _ => None,
        });
        match published.iter().map(<E as Input>::read).collect() {
            Ok(published) => published,
            Err(error) => panic!("{error}"),
        }
    }

    /// What went to a topic, whoever published it: the service, another one (through
    /// [`deliver`](TestApp::deliver)), or a handler that gave up.
    pub fn published_to<S>(&self, topic: Topic<S>) -> Vec<Message> {
        let topic = topic.name();
        self.record.pick(|entry| match entry {
            Entry::Streamed(_, place, message) if place.is(&topic) => Some(message.clone()),
            _ => None,
        })
    }

    /// What was given up, by any handler; also what has no topic for its dead letters, or one that
    /// nobody hears, so that the log has it alone.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.record.pick(|entry| match entry {
            Entry::GaveUp(letter) => Some(letter.clone()),
            _ => None,
        })
    }

    #[track_caller]
    fn handler(&self, name: &str) -> &'static HandlerDeclaration {
        let handlers = &self.running.topology().handlers;
        match handlers.iter().find(|handler| handler.name == name) {
            Some(handler) => handler,
            None => panic!("{}", no_such_handler(name, handlers)),
        }
    }
}

fn is<E: Event>(message: &Message) -> bool {
    let is_name = |kind: &str| kind == E::NAME || E::FORMER_NAMES.contains(&kind);
    message.event().is_some_and(|event| is_name(event.kind()))
}

fn no_such_handler(given: &str, known: &[&'static HandlerDeclaration]) -> String {
    let similar = |name: &str| strsim::normalized_damerau_levenshtein(given, name);
    let names = known.iter().map(|handler| handler.name);
    let nearest = names.max_by(|one, other| similar(one).total_cmp(&similar(other)));
    let meant = match nearest {
        Some(name) if similar(name) >= 0.5 => format!("; did you mean `{name}`?"),
        _ => String::new(),
    };
    let names = known.iter().map(|handler| format!("`{}`", handler.name));
    let names: Vec<_> = names.collect();
    let names = names.join(", ");
    format!("no handler is called `{given}`{meant}\nthe handlers are {names}")
}
