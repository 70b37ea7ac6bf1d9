//! What the services of a fleet share: where events travel, and what they look like.

use fanfare::prelude::*;

/// Where the fleet's events travel.
#[derive(Streamers)]
pub struct FleetStreamers {
    /// Everything that customers see.
    #[streamer(topics("orders", "parcels"))]
    pub front_office: Memory,
    /// Everything else.
    pub back_office: Memory,
}

/// A customer ordered something.
#[event(stream_to = streamer!("front-office", "orders"), key = order_id)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPlaced {
    /// Unique in the shop.
    pub order_id: u64,
}

/// What happens to parcels.
pub mod parcels {
    use fanfare::prelude::*;

    use super::streamer;

    /// A parcel left the house.
    #[event(stream_to = [streamer!("front-office", "parcels"), streamer!("back-office", "audit")])]
    pub struct ParcelSent {
        /// The order it belongs to.
        pub order_id: u64,
    }

    /// Nobody in the fleet's code names this one.
    #[event(stream_to = crate::streamer!("back-office", "audit"))]
    pub enum ParcelLost {
        /// Gone between two places.
        Between(String, String),
        /// Gone.
        Vanished,
    }
}
