//! Time, memory and latency of all contenders.

use fanfare_benchmarks::{Figures, Heard, Sample};

use crate::goals::Goal;
use crate::report::{Report, Table};
use crate::turn::{Contestant, bounded_ruststream, contestants};
use crate::{bar, median};

/// How many are announced at one event a millisecond.
const PACED: &str = "2000";

/// How many handlers of the service with many hear an event: it is given the fewer events.
const EACH: u64 = 10;

/// What each did in each round.
pub(crate) struct Turns {
    events: u64,
    lines: Vec<Line>,
}

/// A contender on so many workers.
struct Line {
    name: String,
    workers: usize,
    busy: Vec<Figures>,
    paced: Vec<Figures>,
}

/// Lets all of them take turns.
pub(crate) fn measure(rounds: usize, events: u64) -> Turns {
    let mut contestants = contestants().to_vec();
    contestants.insert(5, bounded_ruststream());
    let mut lines = Vec::new();
    let mut tasks = Vec::new();
    for workers in [0, 2] {
        for contestant in &contestants {
            let contestant = contestant.with(&["--workers", &workers.to_string()]);
            let busy = contestant.with(&["--events", &events.to_string()]);
            // It is one at a time anyway where there is one a millisecond.
            let is_bounded = contestant.name.contains("at a time");
            let paced = (!is_bounded).then(|| contestant.with(&["--paced", "--events", PACED]));
            tasks.push((busy, paced));
            lines.push(Line::new(&contestant, workers));
        }
    }
    for (program, calls) in [("many_1_1", 1), ("many_1000_100", EACH)] {
        let events = (events / calls).to_string();
        let contestant = Contestant::new(many(program), program, &["--events", &events]);
        lines.push(Line::new(&contestant, 0));
        tasks.push((contestant, None));
    }
    take_turns(rounds, &tasks, &mut lines);
    Turns { events, lines }
}

fn take_turns(rounds: usize, tasks: &[(Contestant, Option<Contestant>)], lines: &mut [Line]) {
    let bar = bar(rounds * tasks.len());
    for _ in 0..rounds {
        for ((busy, paced), line) in tasks.iter().zip(&mut *lines) {
            bar.set_message(busy.name.clone());
            line.busy.push(busy.run());
            line.paced.extend(paced.as_ref().map(Contestant::run));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
}

fn many(program: &str) -> &'static str {
    match program {
        "many_1_1" => "fanfare, 1 handler (of `many`)",
        _ => "fanfare, 1,000 handlers on 100 topics",
    }
}

/// Of an event as JSON.
fn size() -> usize {
    let sample = Sample::new(0, Heard::new(false).now(), 1, 0);
    serde_json::to_vec(&sample).expect("JSON").len()
}

impl Line {
    fn new(contestant: &Contestant, workers: usize) -> Self {
        let name = contestant.name.clone();
        Line {
            name,
            workers,
            busy: Vec::new(),
            paced: Vec::new(),
        }
    }

    fn busy(&self, of: fn(&Figures) -> f64) -> f64 {
        median(self.busy.iter().map(of))
    }

    fn paced(&self, of: fn(&Figures) -> f64) -> Option<f64> {
        (!self.paced.is_empty()).then(|| median(self.paced.iter().map(of)))
    }

    /// The median of the rounds' ratios.
    fn over(&self, other: &Line) -> f64 {
        let rounds = self.busy.iter().zip(&other.busy);
        median(rounds.map(|(this, other)| this.cpu / other.cpu))
    }
}

impl Turns {
    fn line(&self, name: &str, workers: usize) -> &Line {
        let is_it = |line: &&Line| line.name.starts_with(name) && line.workers == workers;
        self.lines.iter().find(is_it).expect("measured")
    }

    /// Says what each did.
    pub(crate) fn tell(&self, report: &mut Report) {
        let columns = [
            "",
            "threads",
            "CPU ns",
            "over channel",
            "events/s",
            "peak MiB",
            "p50 us",
            "p99 us",
        ];
        let title = format!(
            "An event of {} bytes, published, queued, decoded and handled; {} of them, and \
             latency at one a millisecond. Medians of {} rounds:",
            size(),
            self.events,
            self.lines[0].busy.len()
        );
        let mut table = Table::new(title, &columns);
        for line in &self.lines {
            let latency = |of| {
                line.paced(of)
                    .map_or(String::new(), |us| format!("{us:.1}"))
            };
            let channel = self.line("floor: a bounded channel", line.workers);
            let threads = if line.workers == 0 {
                "current"
            } else {
                "2 workers"
            };
            table.row(vec![
                line.name.clone(),
                threads.to_owned(),
                format!("{:.0}", line.busy(|it| it.cpu)),
                format!("{:.2}", line.over(channel)),
                format!("{:.0}", line.busy(|it| it.rate)),
                format!("{:.1}", line.busy(|it| it.memory)),
                latency(|it| it.p50),
                latency(|it| it.p99),
            ]);
        }
        report.add(table);
    }

    /// What is wanted of it.
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for (workers, said) in [(0, "current thread"), (2, "2 workers")] {
            let line = |name| self.line(name, workers);
            let ours = line("fanfare");
            let mut over = |what: &str, wanted, name| {
                let what = format!("CPU an event over {what}, {said}");
                goals.push(Goal::new(what, wanted, ours.over(line(name))));
            };
            over("the bounded channel", 1.25, "floor: a bounded channel");
            over("ruststream", 0.8, "ruststream 0.7.7");
            over("ruststream, 1,024 at a time", 0.8, "ruststream, 1,024");
            let what = format!("peak MiB, {said}");
            goals.push(Goal::new(what, 16.0, ours.busy(|it| it.memory)));
        }
        let (ours, theirs) = (self.line("fanfare", 0), self.line("ruststream 0.7.7", 0));
        for (said, of) in [
            ("p50", (|it| it.p50) as fn(&Figures) -> f64),
            ("p99", |it| it.p99),
        ] {
            let ratio = ours
                .paced(of)
                .zip(theirs.paced(of))
                .map(|(ours, theirs)| ours / theirs);
            let what = format!("latency {said} over ruststream's, current thread");
            goals.push(Goal::new(what, 1.0, ratio.unwrap_or(f64::NAN)));
        }
        let many = self
            .line("fanfare, 1,000", 0)
            .over(self.line("fanfare, 1 handler", 0));
        let what = "CPU a call of 1,000 handlers on 100 topics over that of one";
        goals.push(Goal::new(what, 1.05, many));
        goals
    }
}
