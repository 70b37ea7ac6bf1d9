//! A shop that sends and hears by several streamers, and its document.

#![allow(dead_code)] // fields that only travel

use fanfare::prelude::*;
use serde_json::Value;

/// Where this shop's events travel.
#[derive(Streamers)]
struct Streamers {
    /// What customers do.
    #[streamer(topics("orders", "payments"))]
    main_kafka: Kafka,
    fast: Nats,
    rabbit: Amqp,
    /// Within this process.
    near: Memory,
    unmentioned: Kafka,
}

pub(crate) mod orders {
    use fanfare::prelude::*;

    use super::streamer;

    /// Where to.
    #[payload]
    pub(super) struct Address {
        /// With the number.
        pub(super) street: String,
    }

    /// Somebody wants something: "quickly", #1.
    ///
    /// It is not paid yet.
    #[event(
        name = "orders.Placed",
        stream_to = [streamer!("main-kafka", "orders"), streamer!("fast", "orders.new")],
        key = order
    )]
    #[schemars(example = example())]
    pub(crate) struct Placed {
        /// Unique in the shop.
        pub(super) order: u64,
        /// Where the goods go.
        pub(super) to: Address,
        pub(super) note: Option<String>,
    }

    fn example() -> Placed {
        Placed {
            order: 17,
            to: Address {
                street: "Long Lane 3".to_owned(),
            },
            note: None,
        }
    }
}

pub(crate) mod parcels {
    use fanfare::prelude::*;

    use super::streamer;

    /// Where it lies.
    #[payload]
    pub(super) struct Address {
        pub(super) shelf: u32,
    }

    /// A parcel lies on a shelf.
    #[event(name = "parcels.Placed", stream_to = streamer!("rabbit", "parcels"))]
    pub(crate) struct Placed {
        pub(super) at: Address,
    }

    /// A box with boxes in it.
    #[payload]
    pub(super) struct Packing {
        pub(super) label: String,
        pub(super) inside: Vec<Packing>,
    }

    #[event(stream_to = streamer!("near", "losses/all"))]
    pub(super) enum ParcelLost {
        /// Gone between two places.
        Between(String, String),
        With {
            packing: Packing,
        },
        Vanished,
    }
}

#[event(name = "Paid", stream_to = streamer!("main-kafka", "payments"))]
struct PaidV1 {
    order: u32,
}

#[event(name = "Paid", version = 2, previous = PaidV1, stream_to = streamer!("main-kafka", "payments"))]
struct Paid {
    order: u32,
    cents: u64,
}

impl From<PaidV1> for Paid {
    fn from(v1: PaidV1) -> Self {
        Paid {
            order: v1.order,
            cents: 0,
        }
    }
}

/// What another module calls the first version of `Paid`.
mod till {
    use fanfare::prelude::*;

    use super::streamer;

    #[event(name = "Paid", stream_to = streamer!("near", "till/{number}"))]
    pub(super) struct Taken {
        pub(super) order: u32,
    }
}

#[event]
struct Internal {}

/// Sends the goods.
#[event_handler(
    streamed_from = streamer!("main-kafka", "orders"),
    dead_letter = streamer!("fast", "undelivered")
)]
async fn deliver(_: orders::Placed) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("main-kafka", "payments"), name = "books", group = "ledger")]
async fn book(_: Paid) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("main-kafka", "payments"))]
async fn book_once(_: PaidV1) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("rabbit", "parcels"), group = each_instance)]
async fn watch(_: RawEvent) -> Result<()> {
    Ok(())
}

/// Hears what nobody here declares.
#[event_handler(streamed_from = streamer!("rabbit", "strangers"))]
async fn listen(_: RawEvent) -> Result<()> {
    Ok(())
}

#[event_handler]
async fn inside(_: Internal) -> Result<()> {
    Ok(())
}

pub(crate) fn document() -> Value {
    App::new("shop").topology().asyncapi("1.4.0")
}

/// What stands at a reference of the document.
pub(crate) fn followed<'a>(document: &'a Value, reference: &Value) -> &'a Value {
    let reference = reference["$ref"].as_str().expect("a reference");
    let place = reference.strip_prefix('#').expect("within the document");
    document.pointer(place).expect("what it refers to")
}

pub(crate) fn keys(object: &Value) -> Vec<&str> {
    let object = object.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}
