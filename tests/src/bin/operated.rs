//! A shop with a command line, for tests/cli: its database, and whether its till is broken, say the
//! environment's `SHOP_DB` and `SHOP_IS_BROKEN`; `SHOP_IS_CUT_OFF`, that its streamer cannot be
//! reached; `SHOP_GROUPS`, a file with the groups that its broker keeps; `SHOP_IS_SILENT`, that the
//! other broker does not tell of its groups. With `SHOP_ORDERS` it takes
//! so many orders, waits until all are charged or given up, and ends.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fanfare::event::Event;
use fanfare::prelude::*;
use fanfare::store::{Query, SqliteStore, Start, Store, Which};
use fanfare::streamer::{
    Deliver, Deliveries, Groups, Leftover, Needs, Outgoing, Publish, Source, StreamError, Streamer,
    Subscribe, SubscriptionRequest,
};
use fanfare::{Error, Running};

#[derive(Streamers)]
struct Streamers {
    out: Out,
    main: Main,
}

/// Somebody wants something: 'this', "that", or #3 (as in `key: value`), as soon as it can be had, please.
///
/// - It is not paid yet; see `Charged`.
///
///       indented: yes
#[event(stream_to = streamer!("out", "orders"), key = number)]
struct Ordered {
    number: u64,
}

#[event]
struct Charged {
    number: u64,
}

/// Comes from elsewhere.
#[event(stream_to = streamer!("main", "returns"))]
struct Returned {
    number: u64,
}

/// Whether the till and the way out are broken, and where what is charged is written to.
#[derive(Clone)]
struct Shop {
    is_broken: bool,
    charged: PathBuf,
}

#[event_handler(retry(attempts = 1))]
async fn charge(order: Ordered, publisher: Publisher, State(shop): State<Shop>) -> Result<()> {
    if shop.is_broken {
        return Err(Error::msg("the till is broken"));
    }
    let number = order.number;
    publisher.publish(Charged { number }).await?;
    Ok(())
}

#[event_handler]
async fn note(charged: Charged, State(shop): State<Shop>) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut lines = options.create(true).append(true).open(&shop.charged)?;
    Ok(writeln!(lines, "{}", charged.number)?)
}

#[event_handler(streamed_from = streamer!("main", "returns"))]
async fn refund(_returned: Returned) -> Result<()> {
    Ok(())
}

/// A streamer that refuses everything for good while the shop is broken.
struct Out {
    is_broken: bool,
}

impl Streamer for Out {
    async fn connect(&self) -> Result<(), StreamError> {
        match std::env::var_os("SHOP_IS_CUT_OFF") {
            Some(_) => Err(StreamError::new("the way out is cut off")),
            None => Ok(()),
        }
    }

    async fn leftovers(&self, needs: &Needs) -> Result<Vec<Leftover>, StreamError> {
        let Some(kept) = Kept::of_the_broker() else {
            return Ok(Vec::new());
        };
        let groups = kept.groups()?.into_iter();
        let left = groups.filter(|group| {
            group.starts_with(&format!("{}.", needs.service)) && !needs.has_group("orders", group)
        });
        let leftover = |group| Leftover {
            group,
            topic: Some("orders".to_owned()),
            waiting: Some(3),
        };
        Ok(left.map(leftover).collect())
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), StreamError> {
        if leftover.group.ends_with("in_use") {
            return Err(StreamError::new("somebody subscribes to it"));
        }
        match Kept::of_the_broker() {
            Some(kept) => kept.remove(&leftover.group),
            None => Ok(()),
        }
    }
}

/// The groups that the broker knows: a line each.
struct Kept(PathBuf);

impl Kept {
    fn of_the_broker() -> Option<Kept> {
        std::env::var_os("SHOP_GROUPS").map(|path| Kept(path.into()))
    }

    fn groups(&self) -> Result<Vec<String>, StreamError> {
        let text = std::fs::read_to_string(&self.0).map_err(StreamError::new)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn remove(&self, group: &str) -> Result<(), StreamError> {
        let mut groups = self.groups()?;
        groups.retain(|known| known != group);
        std::fs::write(&self.0, groups.join("\n")).map_err(StreamError::new)
    }
}

impl Publish for Out {
    async fn publish(&self, _topic: &str, batch: &mut [Outgoing]) {
        for outgoing in batch {
            outgoing.report(if self.is_broken {
                Err(StreamError::refused("the way out is blocked"))
            } else {
                Ok(())
            });
        }
    }
}

/// A memory that may not tell of its groups.
struct Main(Memory);

impl Streamer for Main {
    async fn leftovers(&self, _: &Needs) -> Result<Vec<Leftover>, StreamError> {
        match std::env::var_os("SHOP_IS_SILENT") {
            Some(_) => Err(StreamError::new("it tells of no groups")),
            None => Ok(Vec::new()),
        }
    }
}

impl Publish for Main {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        self.0.publish(topic, batch).await;
    }
}

impl Subscribe for Main {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        self.0.subscribe(request).await
    }
}

impl Deliver for Main {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Groups for Main {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let is_broken = std::env::var_os("SHOP_IS_BROKEN").is_some();
    let mut app = App::new("shop").streamers(Streamers {
        out: Out { is_broken },
        main: Main(Memory::new()),
    });
    let Some(path) = std::env::var_os("SHOP_DB").map(PathBuf::from) else {
        let charged = PathBuf::new();
        return app.state(Shop { is_broken, charged }).cli().await;
    };
    let charged = path.with_extension("charged");
    app = app.state(Shop { is_broken, charged });
    let store = SqliteStore::open(&path).await?;
    let app = app.store(store.clone());
    match std::env::var("SHOP_ORDERS").ok() {
        Some(orders) => take(app.start().await?, &store, orders.parse()?).await,
        None => app.cli().await,
    }
}

/// Takes orders, until all that is stored is charged and noted, or given up.
async fn take(running: Running, store: &SqliteStore, orders: u64) -> Result<()> {
    for number in 1..=orders {
        running.publisher().publish(Ordered { number }).await?;
    }
    while !has_passed(store, "shop.charge", Ordered::NAME).await?
        || !has_passed(store, "shop.note", Charged::NAME).await?
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.shutdown().await
}

/// Whether a handler has passed all events of this name.
async fn has_passed(store: &SqliteStore, cursor: &str, event: &str) -> Result<bool> {
    let query = Query {
        after: store.cursor(cursor, Start::Now).await?,
        of: Which::Named(vec![event.to_owned()]),
        max: 1,
    };
    Ok(store.read(&query).await?.events.is_empty())
}
