//! What was given out and is to come back, as far as nobody has begun it.

/// Which messages of a group may still be begun, by their arrival.
#[derive(Default)]
pub(super) struct Recall {
    /// The last that was begun.
    begun: u64,
    /// The last that may be, while the others are to come back.
    last: Option<u64>,
}

impl Recall {
    /// Whether this one may be begun, which it then is.
    pub(super) fn begins(&mut self, arrival: u64) -> bool {
        let may = self.last.is_none_or(|last| arrival <= last);
        if may {
            self.begun = self.begun.max(arrival);
        }
        may
    }

    /// From now on only what stands before something that was begun: so what is done has no gaps.
    pub(super) fn start(&mut self) {
        self.last = Some(self.begun);
    }

    /// From now on nothing, and nothing again.
    pub(super) fn start_at_once(&mut self) {
        self.last = Some(0);
    }

    pub(super) fn end(&mut self) {
        self.last = None;
    }

    pub(super) fn is_on(&self) -> bool {
        self.last.is_some()
    }
}
