//! The broker, and the network in front of it.

use fanfare_tests::brokers::{Broker, Kafka, Nats, Options, Proxy, RabbitMq};

use super::Kind;

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
            Kind::Amqp => Running::Amqp(Box::new(RabbitMq::start())),
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
            Kind::Kafka | Kind::Nats | Kind::Amqp => "",
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
