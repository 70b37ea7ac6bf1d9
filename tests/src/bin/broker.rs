//! Runs a broker of the tests for as long as its standard input is open, and says where.

use std::fmt::Display;
use std::io;

use clap::{Parser, ValueEnum};
use fanfare_tests::brokers::{Broker, Kafka, Nats, RabbitMq};

/// Runs a broker for tests.
#[derive(Parser)]
struct Arguments {
    /// Which.
    broker: Which,
}

#[derive(Clone, ValueEnum)]
enum Which {
    Nats,
    Rabbitmq,
    Kafka,
}

fn main() -> io::Result<()> {
    match Arguments::parse().broker {
        Which::Nats => {
            let nats = Nats::start();
            hold(&nats, nats.url())
        }
        Which::Rabbitmq => {
            let rabbitmq = RabbitMq::start();
            hold(&rabbitmq, rabbitmq.url())
        }
        Which::Kafka => {
            let kafka = Kafka::start();
            hold(&kafka, kafka.bootstrap())
        }
    }
}

fn hold(broker: &impl Broker, place: impl Display) -> io::Result<()> {
    println!("{place}\n{}", broker.folder().display());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
