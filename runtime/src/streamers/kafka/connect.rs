//! The connection: its clients, and seeing to it that it stands.

use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::BaseConsumer;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ear::{ConsumerEar, Ear};
use super::hand::Hand;
use super::health::Health;
use super::options::{Options, Side, refused};
use super::producers::Producers;
use super::search;
use crate::streamer::StreamError;
use crate::streamer::queue::locked;

/// How long one question to the broker may take.
pub(super) const ANSWER: Duration = Duration::from_secs(20);

/// How long a wait is at the most before it is looked whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(100);

/// What a connected streamer has.
pub(super) struct Connection {
    pub(super) options: Options,
    pub(super) watch: Arc<Watch>,
    pub(super) producers: Producers,
    pub(super) consumer: ClientConfig,
    /// The threads of its subscriptions.
    pub(super) threads: TaskTracker,
    hands: Mutex<Vec<Weak<Hand>>>,
    pub(super) closed: CancellationToken,
}

impl Connection {
    /// Until `closed`.
    pub(super) async fn open(
        options: &Options,
        closed: CancellationToken,
    ) -> Result<Arc<Self>, StreamError> {
        options.check()?;
        if let Some(tls) = &options.tls {
            tls.check()?;
        }
        let consumer = options.config(Side::Consumer)?;
        let watch = Arc::new(Watch {
            health: Arc::new(Health::new(options.brokers.clone())),
            config: consumer.clone(),
        });
        let producers = Producers::new(options.config(Side::Producer)?, Arc::clone(&watch))?;
        let ear = ConsumerEar::new(Ear::new(Arc::clone(&watch)));
        let asker = create::<_, BaseConsumer<ConsumerEar>>(&consumer, ear)?;
        let limit = options.connect_timeout;
        let unwanted = CancellationToken::new();
        // Ends the search, if this is dropped half way.
        let _unwanted = unwanted.clone().drop_guard();
        let search = spawn_blocking(move || is_there(&asker, limit, &unwanted));
        let found = tokio::select! {
            biased;
            why = watch.health.refused() => Err(why),
            found = search => match found {
                Ok(true) => Ok(()),
                _ => Err(watch.health.why()),
            },
        };
        found.map_err(|why| no_connection(options, &why))?;
        watch.reached();
        Ok(Arc::new(Connection {
            options: options.clone(),
            watch,
            producers,
            consumer,
            threads: TaskTracker::new(),
            hands: Mutex::default(),
            closed,
        }))
    }

    /// A subscription is to hear when it is closed.
    pub(super) fn add(&self, hand: &Arc<Hand>) {
        let mut hands = locked(&self.hands);
        hands.retain(|hand| hand.strong_count() > 0);
        hands.push(Arc::downgrade(hand));
    }

    /// Ends the subscriptions, and sends what is queued, no longer than this for each.
    pub(super) async fn close(self: &Arc<Self>, limit: Duration) -> Result<(), StreamError> {
        self.closed.cancel();
        self.wake();
        self.threads.close();
        let ended = timeout(limit, self.threads.wait()).await;
        let this = Arc::clone(self);
        let flushed = spawn_blocking(move || this.producers.close(limit)).await;
        self.watch.health.close();
        flushed.map_err(StreamError::new)??;
        ended.map_err(|_| {
            StreamError::new(format!(
                "not every group was left within {limit:?}: what was acknowledged last may come again"
            ))
        })
    }

    /// Has the subscriptions look around.
    pub(super) fn wake(&self) {
        let hands = locked(&self.hands).clone();
        hands
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|hand| hand.wake());
    }

    pub(super) fn ear(&self) -> Ear {
        Ear::new(Arc::clone(&self.watch))
    }

    /// A client that asks, on a thread where it may block.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer<ConsumerEar>) -> Result<T, StreamError> + Send + 'static,
    ) -> Result<T, StreamError> {
        let (config, ear) = (self.consumer.clone(), self.ear());
        let asking = spawn_blocking(move || {
            let asker = create::<_, BaseConsumer<ConsumerEar>>(&config, ConsumerEar::new(ear))?;
            question(&asker)
        });
        asking.await.map_err(StreamError::new)?
    }

    pub(super) fn admin(&self) -> Result<AdminClient<Ear>, StreamError> {
        create(&self.options.config(Side::Admin)?, self.ear())
    }
}

/// Whether a broker answers in time.
fn is_there(
    asker: &BaseConsumer<ConsumerEar>,
    limit: Duration,
    unwanted: &CancellationToken,
) -> bool {
    use rdkafka::consumer::Consumer as _;
    let begun = Instant::now();
    while begun.elapsed() < limit && !unwanted.is_cancelled() {
        // Errors come by polling.
        let served = asker.context().served();
        let _ = asker.poll(Duration::ZERO);
        if asker.context().served() == served && asker.client().fetch_cluster_id(GLANCE).is_some() {
            return true;
        }
    }
    false
}

fn no_connection(options: &Options, why: &str) -> StreamError {
    let login = match (&options.tls, &options.sasl) {
        (None, None) => "without TLS and without a login",
        (Some(_), None) => "with TLS and without a login",
        (None, Some(_)) => "without TLS and with a login",
        (Some(_), Some(_)) => "with TLS and a login",
    };
    StreamError::new(format!(
        "Kafka at {} cannot be reached {login}: {why}; see to the addresses given to `Kafka::new`, to \
         `Kafka::with_tls` and to `Kafka::with_sasl`",
        options.brokers,
    ))
}

/// Makes a client, which says what is wrong with its options.
pub(super) fn create<C, T>(config: &ClientConfig, context: C) -> Result<T, StreamError>
where
    C: rdkafka::ClientContext,
    T: FromClientConfigAndContext<C>,
{
    let mut config = config.clone();
    // What of it is seen is for the subscriber of `tracing` to say; what librdkafka calls debugging is
    // there when its option asks for it.
    let level = match config.get("debug") {
        Some(_) => RDKafkaLogLevel::Debug,
        None => RDKafkaLogLevel::Info,
    };
    config.set_log_level(level);
    let created = config.create_with_context(context);
    created.map_err(|error| refused(&error))
}

/// librdkafka takes its time to end, which nobody is to wait for.
pub(super) fn give_up(client: impl Send + 'static) {
    // Where there is no thread, it ends here.
    let _ = thread::Builder::new().spawn(move || drop(client));
}

/// What the clients of a connection have in common: how it is, and what finds out.
pub(super) struct Watch {
    pub(super) health: Arc<Health>,
    config: ClientConfig,
}

impl Watch {
    /// Something went wrong that explains what may follow.
    pub(super) fn fails(&self, why: &str) {
        tracing::debug!("Kafka: {why}");
        self.health.explain(why);
    }

    /// No broker is reached.
    pub(super) fn lost(&self) {
        if self.health.lost() {
            self.look();
        }
    }

    /// The broker does not let us in.
    pub(super) fn refused(&self, why: &str) {
        self.health.explain(why);
        self.health.refuse(why);
        self.lost();
    }

    pub(super) fn reached(&self) {
        self.health.reached();
    }

    /// Looks whether a broker is there again: nobody else may have a question.
    fn look(&self) {
        let (health, config) = (Arc::downgrade(&self.health), self.config.clone());
        let looking = thread::Builder::new().name("fanfare-kafka-watch".to_owned());
        if let Err(error) = looking.spawn(move || search::look(&health, &config)) {
            tracing::warn!(%error, "nobody looks whether Kafka is there again");
        }
    }
}
