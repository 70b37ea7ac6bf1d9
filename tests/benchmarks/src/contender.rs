//! A contender, and what it is told to do.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{MissedTickBehavior, interval};

use crate::figures::{Figures, cpu_time, peak_memory};
use crate::heard::Heard;
use crate::sample::Sample;

/// What a contender is to do.
#[derive(Debug, Clone, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct Task {
    /// How many threads the runtime has; 0 is the current one.
    #[arg(long, default_value_t = 0)]
    pub workers: usize,
    /// How many events are announced.
    #[arg(long, default_value_t = 1_000_000)]
    pub events: u64,
    /// One event a millisecond, and how long each takes.
    #[arg(long)]
    pub paced: bool,
    /// So many are announced, then handled, and then the next; 0 is no bound but the contender's.
    #[arg(long, default_value_t = 0)]
    pub ahead: u64,
    /// None before those that are measured: for counts, which leave the beginning out otherwise.
    #[arg(long)]
    pub cold: bool,
    /// By how many bytes an event is larger.
    #[arg(long, default_value_t = 0)]
    pub more: usize,
    /// How many authors there are.
    #[arg(long, default_value_t = 1)]
    pub authors: u64,
    /// Which of the contender's ways, where it has several.
    #[arg(long, default_value = "")]
    pub way: String,
}

/// One that carries events from a publisher to a handler within the process, as its own
/// documentation says.
pub trait Contender: Sized + Send + Sync + 'static {
    /// Starts it; its handlers count.
    fn start(task: &Task, heard: Heard) -> impl Future<Output = Self> + Send;

    /// Announces one event, and waits as long as the contender has its publishers wait.
    fn publish(&self, sample: Sample) -> impl Future<Output = ()> + Send;

    /// Announces several.
    fn publish_all(
        &self,
        samples: impl Iterator<Item = Sample> + Send,
    ) -> impl Future<Output = ()> + Send {
        async move {
            for sample in samples {
                self.publish(sample).await;
            }
        }
    }

    /// How many handlers hear each event, in this way of it.
    fn handlers(&self) -> u64 {
        1
    }
}

/// The process of a contender: does what it is told, and prints its figures.
pub fn contend<C: Contender>() {
    let task = Task::parse();
    let figures = runtime(task.workers).block_on(async {
        // Not by the thread that is blocked: it would be a worker more.
        tokio::spawn(work::<C>(task)).await.expect("no panic")
    });
    println!("{}", serde_json::to_string(&figures).expect("JSON"));
}

fn runtime(workers: usize) -> Runtime {
    let mut builder = match workers {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if workers > 0 {
        builder.worker_threads(workers);
    }
    builder.enable_all().build().expect("a runtime")
}

async fn work<C: Contender>(task: Task) -> Figures {
    let heard = Heard::new(task.paced);
    let contender = Arc::new(C::start(&task, heard.clone()).await);
    if !task.cold {
        announce(&*contender, &task, &heard, task.events / 10).await;
        heard.forget();
    }
    let (begun, cpu) = (Instant::now(), cpu_time());
    announce(&*contender, &task, &heard, task.events).await;
    let (took, cpu) = (begun.elapsed(), cpu_time().saturating_sub(cpu));
    let calls = number(task.events * contender.handlers());
    let latencies = heard.took();
    Figures {
        cpu: number(u64::try_from(cpu.as_nanos()).unwrap_or(0)) / calls,
        rate: calls / took.as_secs_f64(),
        memory: peak_memory(),
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
    }
}

async fn announce(contender: &impl Contender, task: &Task, heard: &Heard, events: u64) {
    let sample = |number| Sample::new(number, heard.now(), task.authors, task.more);
    if task.paced {
        let mut beat = interval(Duration::from_millis(1));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let awaited = heard.expect(events * contender.handlers());
        for number in 0..events {
            beat.tick().await;
            contender.publish(sample(number)).await;
        }
        heard.wait_for(awaited).await;
        return;
    }
    let at_a_time = if task.ahead > 0 { task.ahead } else { events };
    let mut done = 0;
    while done < events {
        let some = at_a_time.min(events - done);
        let awaited = heard.expect(some * contender.handlers());
        contender.publish_all((done..done + some).map(sample)).await;
        heard.wait_for(awaited).await;
        done += some;
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e6)
}

#[allow(clippy::cast_precision_loss, reason = "no more than some digits")]
fn number(number: u64) -> f64 {
    number as f64
}
