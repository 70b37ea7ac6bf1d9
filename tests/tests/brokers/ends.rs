//! Nothing is left of a broker: no process and no file.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use fanfare_tests::brokers::{Broker, Kafka, Nats, RabbitMq};

#[test]
fn a_dropped_nats_leaves_nothing() {
    leaves_nothing(Nats::start(), 1);
}

#[test]
fn a_dropped_rabbitmq_leaves_nothing_not_even_its_port_mapper() {
    leaves_nothing(RabbitMq::start(), 2);
}

#[test]
fn a_dropped_kafka_leaves_nothing() {
    leaves_nothing(Kafka::start(), 1);
}

#[test]
fn a_broker_that_is_dropped_while_it_is_paused_leaves_nothing() {
    let nats = Nats::start();
    nats.pause();
    leaves_nothing(nats, 1);
}

#[test]
fn a_broker_that_is_dropped_after_it_was_killed_leaves_nothing() {
    let nats = Nats::start();
    nats.kill();
    leaves_nothing(nats, 0);
}

#[test]
fn nats_ends_with_a_program_that_is_killed() {
    ends_with_its_program("nats");
}

#[test]
fn rabbitmq_ends_with_a_program_that_is_killed() {
    ends_with_its_program("rabbitmq");
}

#[test]
fn kafka_ends_with_a_program_that_is_killed() {
    ends_with_its_program("kafka");
}

fn leaves_nothing(broker: impl Broker, at_least: usize) {
    let folder = broker.folder().to_owned();
    assert!(processes(&folder).len() >= at_least);
    drop(broker);
    assert_eq!(processes(&folder), [] as [PathBuf; 0]);
    assert!(!folder.exists());
}

fn ends_with_its_program(broker: &str) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_broker"))
        .arg(broker)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let said = BufReader::new(program.stdout.take().expect("piped"));
    let folder = said.lines().nth(1).expect("a folder").expect("a folder");
    let folder = PathBuf::from(folder);
    assert!(!processes(&folder).is_empty());
    program.kill().expect("killed");
    program.wait().expect("ended");
    // The folder is the last thing to go. Nobody tells when: the test's own runner has the patience.
    while folder.exists() {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(processes(&folder), [] as [PathBuf; 0]);
}

/// What runs in a folder.
fn processes(folder: &Path) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").expect("processes");
    let processes = processes.map(|process| process.expect("a process").path());
    let runs_there = |process: &PathBuf| {
        let there = std::fs::read_link(process.join("cwd"));
        there.is_ok_and(|there| there.starts_with(folder))
    };
    processes.filter(runs_there).collect()
}
