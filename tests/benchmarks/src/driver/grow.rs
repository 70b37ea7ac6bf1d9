//! How cost grows: fanfare alone, on the current thread.

use fanfare_benchmarks::Figures;

use crate::report::{Report, Table};
use crate::turn::Contestant;
use crate::{bar, median};

/// What is measured, beside what it is to be compared with: the first of its kind.
struct Step {
    kind: &'static str,
    contestant: Contestant,
}

/// By how much less is announced where it takes long.
const LESS: u64 = 20;

/// Measures all of it.
pub(crate) fn measure(rounds: usize, events: u64, report: &mut Report) {
    let steps = steps(events);
    let mut figures: Vec<Vec<Figures>> = steps.iter().map(|_| Vec::new()).collect();
    let bar = bar(rounds * steps.len());
    for _ in 0..rounds {
        for (step, figures) in steps.iter().zip(&mut figures) {
            bar.set_message(format!("{}: {}", step.kind, step.contestant.name));
            figures.push(step.contestant.run());
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    tell(&steps, &figures, report);
}

fn steps(events: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut add = |kind, name: &str, program, events: u64, arguments: &[&str]| {
        let events = events.max(100).to_string();
        let contestant = Contestant::new(name, program, arguments);
        let contestant = contestant.with(&["--events", &events]);
        steps.push(Step { kind, contestant });
    };
    for (name, program, handlers) in [
        ("1", "many_1_1", 1),
        ("10", "many_10_1", 10),
        ("100", "many_100_1", 100),
    ] {
        add("handlers of a topic", name, program, events / handlers, &[]);
    }
    for (name, program, each) in [
        ("1, of 1 handler", "many_1_1", 1),
        ("100, of 1 handler each", "many_100_100", 1),
        ("100, of 10 handlers each", "many_1000_100", 10),
    ] {
        add("topics", name, program, events / each, &[]);
    }
    for (name, more, less) in [
        ("198 B", "0", 1),
        ("1 KB", "802", 1),
        ("100 KB", "99802", LESS),
        ("1 MB", "999802", 200),
    ] {
        add("payload", name, "ours", events / less, &["--more", more]);
    }
    for (name, authors) in [("1", "1"), ("100", "100"), ("100,000", "100000")] {
        add("keys", name, "ways", events, &["--authors", authors]);
    }
    for (name, way) in [("1", "one"), ("16", "sixteen"), ("256", "many")] {
        let arguments = ["--way", way, "--authors", "100000"];
        add(
            "concurrency, of handlers that yield",
            name,
            "ways",
            events,
            &arguments,
        );
    }
    for (name, way) in [("off", "plain"), ("on", "once")] {
        add(
            "deduplication, without a store",
            name,
            "ways",
            events,
            &["--way", way],
        );
    }
    for (name, way, less) in [
        ("none", "plain", LESS),
        ("memory", "memory-store", LESS),
        ("SQLite", "sqlite-store", 10 * LESS),
    ] {
        add("store", name, "ways", events / less, &["--way", way]);
    }
    for (name, way) in [
        ("quick handlers", "plain"),
        ("and a slow one beside", "shared"),
    ] {
        add(
            "one event a millisecond",
            name,
            "ways",
            1_000,
            &["--paced", "--way", way],
        );
    }
    steps
}

fn tell(steps: &[Step], figures: &[Vec<Figures>], report: &mut Report) {
    let columns = [
        "",
        "CPU ns a call",
        "over the first",
        "peak MiB",
        "p50 us",
        "p99 us",
    ];
    let mut at = 0;
    while at < steps.len() {
        let kind = steps[at].kind;
        let first = at;
        let mut table = Table::new(format!("{kind}:"), &columns);
        while steps.get(at).is_some_and(|step| step.kind == kind) {
            let of = |of: fn(&Figures) -> f64| median(figures[at].iter().map(of));
            let rounds = figures[at].iter().zip(&figures[first]);
            let over = median(rounds.map(|(this, first)| this.cpu / first.cpu));
            let latency = |us: f64| {
                if us > 0.0 {
                    format!("{us:.1}")
                } else {
                    String::new()
                }
            };
            table.row(vec![
                steps[at].contestant.name.clone(),
                format!("{:.0}", of(|it| it.cpu)),
                format!("{over:.2}"),
                format!("{:.1}", of(|it| it.memory)),
                latency(of(|it| it.p50)),
                latency(of(|it| it.p99)),
            ]);
            at += 1;
        }
        report.add(table);
    }
}
