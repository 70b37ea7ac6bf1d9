//! Who is to have which cursor: no instance many more than another that wants one of them.
//!
//! Whoever waits for a cursor says so where all see it. One that holds at least two more than one
//! that waits gives a cursor back; of those that wait for a free one, whoever holds the fewest takes
//! it. So a difference of one moves nothing, and what nobody else wants stays where it is.

use std::collections::BTreeSet;

/// A cursor on the board: a hash of its name. Two of one hash are shared a little less evenly.
pub(super) type Notice = i32;

/// The other instances that wait for a cursor.
#[derive(Debug, Default)]
pub(super) struct Board(Vec<Other>);

/// One of them.
#[derive(Debug)]
struct Other {
    /// How many cursors it has.
    held: usize,
    /// What it waits for.
    waits: BTreeSet<Notice>,
}

impl Board {
    pub(super) fn add(&mut self, held: usize, waits: impl IntoIterator<Item = Notice>) {
        let waits = waits.into_iter().collect();
        self.0.push(Other { held, waits });
    }

    /// Whether one that has fewer than so many waits for this cursor.
    pub(super) fn has_poorer(&self, cursor: Notice, mine: usize) -> bool {
        let mut waiting = self.0.iter().filter(|other| other.waits.contains(&cursor));
        waiting.any(|other| other.held < mine)
    }

    /// Which are asked back of what one can give, who has so many. What was asked back before, and is
    /// not free yet, counts as if it were where it goes, or more would follow it.
    pub(super) fn asks_back<T>(
        mut self,
        mut mine: usize,
        asked_back: impl IntoIterator<Item = Notice>,
        can_give: impl IntoIterator<Item = (Notice, T)>,
    ) -> Vec<T> {
        for cursor in asked_back {
            mine -= 1;
            if let Some(poorest) = self.poorest(cursor) {
                poorest.held += 1;
            }
        }
        let mut given = Vec::new();
        for (cursor, what) in can_give {
            if let Some(poorest) = self.poorest(cursor)
                && poorest.held + 2 <= mine
            {
                poorest.held += 1;
                mine -= 1;
                given.push(what);
            }
        }
        given
    }

    fn poorest(&mut self, cursor: Notice) -> Option<&mut Other> {
        let waiting = self.0.iter_mut();
        let waiting = waiting.filter(|other| other.waits.contains(&cursor));
        waiting.min_by_key(|other| other.held)
    }
}

#[cfg(test)]
mod tests {
    use super::{Board, Notice};

    const ALL: [Notice; 6] = [1, 2, 3, 4, 5, 6];

    /// Others that wait for all, and have so many.
    fn waiting(held: &[usize]) -> Board {
        let mut board = Board::default();
        for held in held {
            board.add(*held, ALL);
        }
        board
    }

    fn given(board: Board, mine: usize) -> Vec<Notice> {
        board.asks_back(mine, [], ALL.into_iter().take(mine).map(|all| (all, all)))
    }

    #[test]
    fn one_that_joins_is_given_its_share() {
        assert_eq!(given(waiting(&[0]), 6), [1, 2, 3]);
        assert_eq!(given(waiting(&[0, 0]), 6), [1, 2, 3, 4]);
        assert_eq!(given(waiting(&[0]), 3), [1]);
    }

    #[test]
    fn a_difference_of_one_moves_nothing() {
        assert_eq!(given(waiting(&[2]), 3), [0; 0]);
        assert_eq!(given(waiting(&[0]), 1), [0; 0]);
    }

    #[test]
    fn what_is_on_its_way_is_not_asked_for_twice() {
        let left = [2, 3, 4, 5].map(|all| (all, all));
        assert_eq!(waiting(&[1]).asks_back(5, [1], left), [2]);
        let left = [2, 3, 4].map(|all| (all, all));
        assert_eq!(waiting(&[1]).asks_back(4, [1], left), [0; 0]);
    }

    #[test]
    fn what_nobody_else_wants_is_kept() {
        let mut board = Board::default();
        board.add(0, [7]);
        assert_eq!(given(board, 6), [0; 0]);
        let mut board = Board::default();
        board.add(0, [6]);
        assert_eq!(given(board, 6), [6]);
    }

    #[test]
    fn a_free_one_is_left_to_whoever_has_fewer() {
        assert!(waiting(&[1]).has_poorer(1, 2));
        assert!(!waiting(&[1]).has_poorer(1, 1));
        assert!(!waiting(&[0]).has_poorer(7, 2));
    }
}
