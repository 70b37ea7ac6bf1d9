//! The broker, and the network in front of it.

use std::thread;
use std::time::{Duration, Instant};

use fanfare::{Error, Result};
use fanfare_tests::brokers::{Broker, HASHING, Kafka, Nats, Options, Proxy, RabbitMq};

use super::Kind;
use super::service::FASTEST;

/// How long a group may take to settle, and a broker to answer.
const LONGEST: Duration = Duration::from_mins(2);
const ANSWER: Duration = Duration::from_secs(10);

/// A broker of its own, behind a proxy.
pub(super) struct Site {
    kind: Kind,
    broker: Running,
    proxy: Option<Proxy>,
}

enum Running {
    Kafka(Kafka),
    Nats(Nats),
    Amqp(Box<RabbitMq>),
}

impl Site {
    pub(super) fn open(kind: Kind) -> Site {
        let broker = match kind {
            Kind::Kafka => Running::Kafka(Kafka::start_with(&Options {
                proxied: true,
                ..Options::default()
            })),
            Kind::Nats => Running::Nats(Nats::start()),
            Kind::Amqp => Running::Amqp(Box::new(RabbitMq::start_with(&Options {
                plugins: &[HASHING],
                ..Options::default()
            }))),
        };
        let proxy = match &broker {
            // It has its own.
            Running::Kafka(_) => None,
            Running::Nats(nats) => Some(Proxy::to(nats.address())),
            Running::Amqp(rabbitmq) => Some(Proxy::to(rabbitmq.address())),
        };
        Site {
            kind,
            broker,
            proxy,
        }
    }

    /// Where services reach it, through the proxy.
    pub(super) fn url(&self) -> String {
        let url = match &self.broker {
            Running::Kafka(kafka) => format!("kafka://{}", kafka.bootstrap()),
            Running::Nats(_) => format!("nats://{}", self.proxy().address()),
            Running::Amqp(rabbitmq) => rabbitmq.url_at(self.proxy().address()),
        };
        format!("{url}?create_topics=true{}", self.options())
    }

    fn options(&self) -> &'static str {
        match self.kind {
            Kind::Kafka | Kind::Nats => "",
            // One for each instance, or the second would stand by.
            Kind::Amqp => "&streams=2",
        }
    }

    /// How many instances there are of the service.
    pub(super) fn instances(&self) -> u64 {
        match self.kind {
            Kind::Kafka | Kind::Amqp => 2,
            // Across instances it keeps no order by key.
            Kind::Nats => 1,
        }
    }

    /// Waits until what was declared would survive a kill.
    pub(super) fn settle(&self) {
        if let Running::Amqp(rabbitmq) = &self.broker {
            rabbitmq.settle();
        }
    }

    /// Waits until the members of the group are those that live: what is committed while Kafka shares
    /// partitions out anew has no effect, so a second kill meanwhile repeats more than one does.
    #[cfg(feature = "kafka")]
    pub(super) fn has_settled(&self) -> Result<()> {
        use rdkafka::consumer::{BaseConsumer, Consumer};
        let Running::Kafka(kafka) = &self.broker else {
            return Ok(());
        };
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", kafka.bootstrap());
        let asker: BaseConsumer = config.create()?;
        let begun = Instant::now();
        while begun.elapsed() < LONGEST {
            // It may not be there again.
            if let Ok(groups) = asker.fetch_group_list(Some("faults.handle"), ANSWER) {
                let is_settled = |group: &rdkafka::groups::GroupInfo| {
                    group.state() == "Stable" && group.members().len() as u64 == self.instances()
                };
                if groups.groups().iter().any(is_settled) {
                    return Ok(());
                }
            }
            thread::sleep(Duration::from_millis(200));
        }
        Err(Error::msg("the group has not settled"))
    }

    #[cfg(not(feature = "kafka"))]
    pub(super) fn has_settled(&self) -> Result<()> {
        Ok(())
    }

    /// How many events an instance may repeat for a fault beyond what it has in hand. Kafka's offsets
    /// are committed five times a second; a NATS server writes down what is acknowledged some ten
    /// times a second, and less often on a busy disk.
    pub(super) fn most_uncommitted(&self) -> u64 {
        match self.kind {
            Kind::Kafka | Kind::Nats => FASTEST / 5,
            Kind::Amqp => 0,
        }
    }

    pub(super) fn kill_and_restart(&self) {
        self.broker().kill();
        self.broker().restart();
    }

    pub(super) fn cut(&self) {
        self.proxies().iter().for_each(Proxy::cut);
    }

    pub(super) fn stall(&self) {
        self.proxies().iter().for_each(Proxy::stall);
    }

    pub(super) fn heal(&self) {
        self.proxies().iter().for_each(Proxy::heal);
    }

    fn broker(&self) -> &dyn Broker {
        match &self.broker {
            Running::Kafka(kafka) => kafka,
            Running::Nats(nats) => nats,
            Running::Amqp(rabbitmq) => &**rabbitmq,
        }
    }

    fn proxies(&self) -> &[Proxy] {
        match &self.broker {
            Running::Kafka(kafka) => kafka.proxies(),
            Running::Nats(_) | Running::Amqp(_) => self.proxy.as_slice(),
        }
    }

    fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("opened with one")
    }
}
