//! Instructions and allocations of an event: they do not depend on how busy the machine is.
//!
//! Each is the difference of two runs under valgrind, of so many events and of twice as many, so
//! that what happens once is in both. All on the current thread.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::bar;
use crate::goals::Goal;
use crate::report::{Report, Table};
use crate::turn::{Contestant, contestants};

/// How many events; the second run has twice as many.
const EVENTS: u64 = 10_000;

/// What may grow without being said.
const GROWTH: f64 = 0.02;

/// Of each contender.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Another compiler makes other instructions.
    compiler: String,
    contenders: BTreeMap<String, Count>,
}

/// Of one event.
#[derive(Debug, Serialize, Deserialize)]
struct Count {
    instructions: f64,
    allocations: f64,
}

impl Counts {
    /// Counts all of them.
    pub(crate) fn measure() -> Self {
        let contestants = contestants();
        let bar = bar(contestants.len());
        let mut contenders = BTreeMap::new();
        for contestant in contestants {
            bar.set_message(format!("{} under valgrind", contestant.name));
            let count = Count {
                instructions: of_an_event(&contestant, "callgrind", instructions),
                allocations: of_an_event(&contestant, "dhat", allocations),
            };
            contenders.insert(contestant.name, count);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Counts {
            compiler: compiler(),
            contenders,
        }
    }

    /// Says what was counted.
    pub(crate) fn tell(&self, report: &mut Report) {
        let columns = [
            "an event, on the current thread",
            "instructions",
            "allocations",
        ];
        let mut table = Table::new("Counts of valgrind:", &columns);
        for (name, count) in &self.contenders {
            let instructions = format!("{:.0}", count.instructions);
            table.row(vec![
                name.clone(),
                instructions,
                format!("{:.2}", count.allocations),
            ]);
        }
        report.add(table);
    }

    /// Allocations beyond those of JSON alone: the event's own, the payload and what is decoded.
    pub(crate) fn goal(&self) -> Goal {
        let of = |name: &str| self.contenders[name].allocations;
        let beyond = of("fanfare") - of("floor: JSON alone");
        Goal::new(
            "allocations an event beyond payload and fields",
            2.0,
            beyond,
        )
    }

    /// Says what grew since the baseline, and whether anything did.
    pub(crate) fn tell_growth(&self, report: &mut Report) -> bool {
        let Ok(text) = fs::read(path()) else {
            let none = "There is nothing to compare with: `counts --write` makes a baseline.";
            report.add(Table::new(none, &["baseline.json"]));
            return false;
        };
        let before: Counts = serde_json::from_slice(&text).expect("a baseline");
        let (ours, was) = (&self.contenders["fanfare"], &before.contenders["fanfare"]);
        let mut table = Table::new(
            format!(
                "fanfare since the baseline (by {}; this is {}). What grew by more than 2 % is \
                 said:",
                before.compiler, self.compiler
            ),
            &["of an event", "was", "is", "grew by", ""],
        );
        let mut any = false;
        for (what, was, is) in [
            ("instructions", was.instructions, ours.instructions),
            ("allocations", was.allocations, ours.allocations),
        ] {
            let grown = is / was - 1.0;
            let said = if grown > GROWTH { "GREW" } else { "" };
            any |= grown > GROWTH;
            let growth = format!("{:+.1} %", grown * 100.0);
            let (was, is) = (format!("{was:.1}"), format!("{is:.1}"));
            table.row(vec![what.to_owned(), was, is, growth, said.to_owned()]);
        }
        report.add(table);
        any
    }

    /// Makes this the baseline.
    pub(crate) fn write(&self) {
        let mut text = serde_json::to_string_pretty(self).expect("JSON");
        text.push('\n');
        fs::write(path(), text).expect("written");
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json")
}

fn compiler() -> String {
    let output = Command::new("rustc")
        .arg("--version")
        .output()
        .expect("rustc");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn of_an_event(contestant: &Contestant, tool: &str, read: fn(&str) -> Option<u64>) -> f64 {
    let total = |events: u64| {
        let told = contestant.with(&["--cold", "--events", &events.to_string()]);
        let said = told.under(tool);
        read(&said).unwrap_or_else(|| panic!("{tool} says nothing of it:\n{said}"))
    };
    let more = total(2 * EVENTS).saturating_sub(total(EVENTS));
    // No more than a hundredth of an event's is said.
    let tenths = u32::try_from(more * 100 / EVENTS).expect("few");
    f64::from(tenths) / 100.0
}

/// `==1== Collected : 1234`
fn instructions(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// `==1== Total:     1,234 bytes in 56 blocks`
fn allocations(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Total:"))?;
    let blocks = line.split_once(" in ")?.1.split_whitespace().next()?;
    blocks.replace(',', "").parse().ok()
}
