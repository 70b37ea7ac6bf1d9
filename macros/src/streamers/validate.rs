//! The rules for a set of streamers.

use std::collections::HashMap;

use super::parse::{Set, Streamer};
use crate::attribute::name;
use crate::diagnostics::Mistakes;
use crate::event::{CODECS, one_of};
use crate::target::alias;

/// What is wrong with the options of the streamers. They are left out then: who names a streamer of the
/// set makes no mistake.
pub(crate) fn options(set: &mut Set) -> Mistakes {
    let mut mistakes = Mistakes::default();
    for streamer in &mut set.streamers {
        if !topics(streamer, &mut mistakes) {
            streamer.topics = None;
        }
        if !one_of(streamer.codec.as_ref(), "codec", &CODECS, &mut mistakes) {
            streamer.codec = None;
        }
    }
    mistakes
}

/// The set, if each of its streamers can be named.
pub(crate) fn names(set: Set) -> syn::Result<Set> {
    let mut mistakes = Mistakes::default();
    if set.streamers.is_empty() {
        let message =
            "a set of streamers needs at least one: add a field such as `pub main: Memory`";
        mistakes.at(&set.ident, message);
    }
    let mut names = HashMap::new();
    for streamer in &set.streamers {
        let literal = streamer.name();
        if let Err(mistake) = name(&literal, "streamer's name") {
            mistakes.add(mistake);
        }
        // The alias behind a name is an identifier, in which `-` and `_` are one.
        if let Some(other) = names.insert(alias(&literal.value()), literal.value()) {
            let message = format!(
                "the streamer's name `{}` is taken by `{other}` (`-` and `_` are one): give this one another with `#[streamer(name = \"...\")]`",
                literal.value()
            );
            mistakes.at(&literal, message);
        }
    }
    mistakes.unless(set)
}

/// Whether they are all right.
fn topics(streamer: &Streamer, mistakes: &mut Mistakes) -> bool {
    let Some(topics) = &streamer.topics else {
        return true;
    };
    let mut are_right = true;
    let mut wrong = |mistake| {
        mistakes.add(mistake);
        are_right = false;
    };
    if topics.is_empty() {
        let message =
            "`topics()` names no topic: name those that there are, or leave it out for any topic";
        wrong(syn::Error::new_spanned(&streamer.field, message));
    }
    for (at, topic) in topics.iter().enumerate() {
        if let Err(mistake) = name(topic, "topic's name") {
            wrong(mistake);
        }
        if topics[..at]
            .iter()
            .any(|other| other.value() == topic.value())
        {
            let message = "this topic is named twice; take one out";
            wrong(syn::Error::new_spanned(topic, message));
        }
    }
    are_right
}
