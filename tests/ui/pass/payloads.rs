//! What an event may hold.
#![deny(warnings)]

use std::collections::BTreeMap;

use fanfare::prelude::*;

#[payload]
#[derive(Clone, Debug)]
pub struct Author {
    pub name: String,
    pub friends: Vec<Author>,
}

/// Holds itself again.
#[event]
pub enum Tree {
    Leaf(u64),
    Node { left: Box<Tree>, right: Box<Self> },
}

#[payload]
#[derive(Clone)]
pub struct Wire {
    pub text: String,
}

#[event]
#[derive(Clone)]
#[serde(from = "Wire", into = "Wire")]
pub struct Elsewhere {
    pub number: std::num::NonZeroU8,
}

impl From<Wire> for Elsewhere {
    fn from(_: Wire) -> Self {
        Elsewhere { number: std::num::NonZeroU8::MIN }
    }
}

impl From<Elsewhere> for Wire {
    fn from(_: Elsewhere) -> Self {
        Wire { text: String::new() }
    }
}

pub struct NotSent;

#[event(key = 0)]
pub struct Pair(pub u64, #[serde(skip)] pub Option<NotSent>, pub BTreeMap<String, Author>);

/// Two events that hold each other: one of the fields says that it needs no bound.
#[event]
pub struct Question {
    #[serde(bound = "")]
    pub answers: Vec<Answer>,
}

#[event]
pub struct Answer {
    pub questions: Vec<Question>,
}

fn main() {}
