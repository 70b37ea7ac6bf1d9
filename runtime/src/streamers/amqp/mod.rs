//! A streamer on `RabbitMQ`.

mod begun;
mod connect;
mod link;
mod management;
mod message;
mod names;
mod options;
mod publish;
mod stint;
mod subscribe;
mod topology;
mod with;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::connect::Dial;
use self::link::{CLOSED, Link};
use self::options::Options;
use self::publish::{Publisher, report_all};
use self::subscribe::Consumption;
use self::topology::Queues;
use super::{Secret, Tls};
use crate::streamer::{
    Deliver, Deliveries, Durable, Group, Groups, Leftover, Needs, OrderedByKey, Outgoing, Publish,
    Source, StreamError, Streamer, Subscribe, SubscriptionRequest,
};

pub use self::options::{QueueType, Unroutable};

/// How long closing may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A streamer on RabbitMQ.
#[derive(Deserialize)]
#[serde(from = "Options")]
pub struct Amqp {
    options: Arc<Options>,
    open: OnceLock<Open>,
    closed: CancellationToken,
}

/// What there is once it is connected.
struct Open {
    dial: Arc<Dial>,
    publisher: Publisher,
    consumption: Arc<Consumption>,
    /// Ends the connections, after all that goes through them.
    ended: CancellationToken,
}

impl Amqp {
    fn open(&self) -> Result<&Open, StreamError> {
        if self.closed.is_cancelled() {
            return Err(StreamError::new(CLOSED));
        }
        let open = self.open.get();
        open.ok_or_else(|| StreamError::new("RabbitMQ is not connected yet"))
    }
}

impl From<Options> for Amqp {
    fn from(options: Options) -> Self {
        Amqp {
            options: Arc::new(options),
            open: OnceLock::new(),
            closed: CancellationToken::new(),
        }
    }
}

impl fmt::Debug for Amqp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amqp")
            .field("options", &self.options)
            .field("closed", &self.closed.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Streamer for Amqp {
    async fn connect(&self) -> Result<(), StreamError> {
        let dial = Arc::new(Dial::new(&self.options)?);
        let ended = CancellationToken::new();
        let open_link = |purpose| Link::open(Arc::clone(&dial), purpose, ended.clone());
        let publishing = open_link("publishing").await?;
        let consuming = open_link("consuming").await?;
        let options = Arc::clone(&self.options);
        let consumption = Consumption::new(consuming, Arc::clone(&options), self.closed.clone());
        let open = Open {
            publisher: Publisher::new(publishing, options),
            consumption: Arc::new(consumption),
            dial,
            ended,
        };
        let again = |_| StreamError::new("RabbitMQ is connected already");
        self.open.set(open).map_err(again)
    }

    async fn prepare(&self, needs: &Needs) -> Result<(), StreamError> {
        let open = self.open()?;
        if self.options.streams.get() > 1 && !needs.subscribed.is_empty() {
            let dialed = open.dial.dial("fanfare, looking").await?;
            topology::look_for_hashing(&dialed.connection).await?;
        }
        topology::prepare(&open.publisher.link, needs, &self.options).await
    }

    fn health(&self) -> Result<(), StreamError> {
        let open = self.open()?;
        open.publisher.link.health()?;
        open.consumption.link.health()?;
        open.consumption.health()
    }

    async fn leftovers(&self, needs: &Needs) -> Result<Vec<Leftover>, StreamError> {
        management::leftovers(&self.open()?.dial, &self.options, needs).await
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), StreamError> {
        management::remove(&self.open()?.publisher.link, leftover).await
    }

    async fn close(&self) -> Result<(), StreamError> {
        self.closed.cancel();
        let Some(open) = self.open.get() else {
            return Ok(());
        };
        let tasks = &open.consumption.tasks;
        tasks.close();
        let settled = timeout(PATIENCE, tasks.wait()).await;
        open.ended.cancel();
        let links = async {
            tokio::join!(open.publisher.link.close(), open.consumption.link.close());
        };
        // What is lost meanwhile is closed too.
        let _ = timeout(PATIENCE, links).await;
        settled.map_err(|_| {
            StreamError::new(
                "some deliveries are still in the hands of handlers; RabbitMQ delivers them again",
            )
        })
    }
}

impl Drop for Amqp {
    fn drop(&mut self) {
        self.closed.cancel();
        if let Some(open) = self.open.get() {
            open.ended.cancel();
        }
    }
}

impl Publish for Amqp {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        match self.open() {
            Ok(open) => open.publisher.publish(topic, batch).await,
            Err(error) => report_all(batch, &error.to_string()),
        }
    }
}

impl Subscribe for Amqp {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        let SubscriptionRequest {
            topic,
            group,
            max_in_flight,
        } = request;
        let queues = match group {
            Group::Shared(group) => Queues::shared(topic, &group, &self.options)?,
            Group::EachInstance => Queues::of_one_instance(topic)?,
        };
        let consumption = &self.open()?.consumption;
        consumption.subscribe(queues, max_in_flight).await
    }
}

impl Deliver for Amqp {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Durable for Amqp {}

impl Groups for Amqp {}

impl OrderedByKey for Amqp {}
