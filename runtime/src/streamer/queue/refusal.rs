//! Why messages were not published.

/// Why messages were not published.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A group made no room in time.
    Full(GroupLabel),
    /// A group is full, and nobody is there to make room.
    Abandoned(GroupLabel),
    /// A group that must have every message has ended.
    Ended,
    /// Whoever publishes has closed meanwhile.
    Closed,
}

/// A group, for an error.
#[derive(Debug)]
pub(crate) struct GroupLabel {
    /// `None` for the group of one subscriber.
    pub(crate) name: Option<String>,
    pub(crate) capacity: usize,
}
