//! What is wanted, beside what is reached.

use crate::report::{Report, Table};

/// Something that is to be no more than so much.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) wanted: f64,
    pub(crate) reached: f64,
}

impl Goal {
    pub(crate) fn new(what: impl Into<String>, wanted: f64, reached: f64) -> Self {
        let what = what.into();
        Goal {
            what,
            wanted,
            reached,
        }
    }
}

/// Says of each whether it is reached.
pub(crate) fn tell(goals: &[Goal], report: &mut Report) {
    let columns = ["what is wanted", "at most", "it is", ""];
    let mut table = Table::new("What is wanted, and what is reached:", &columns);
    for goal in goals {
        let said = if goal.reached <= goal.wanted {
            "reached"
        } else {
            "NOT reached"
        };
        let (wanted, reached) = (
            format!("{:.2}", goal.wanted),
            format!("{:.2}", goal.reached),
        );
        table.row(vec![goal.what.clone(), wanted, reached, said.to_owned()]);
    }
    report.add(table);
}
