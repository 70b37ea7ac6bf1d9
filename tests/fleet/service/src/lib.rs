//! A service of the fleet.

use announcements::prelude::*;
use fleet_events::parcels::ParcelSent;
use fleet_events::{OrderPlaced, streamer};

/// Streamers of this service alone: a second set in one program.
pub mod own {
    use announcements::prelude::*;

    /// Where this service's own events travel.
    #[derive(Streamers)]
    pub struct OwnStreamers {
        /// What the warehouse says.
        pub warehouse: Memory,
    }

    /// A shelf is empty.
    #[event(stream_to = streamer!("warehouse", "shelves"))]
    pub struct ShelfEmptied {
        /// Its number.
        pub shelf: u32,
    }

    #[event_handler(streamed_from = streamer!("warehouse", "shelves"))]
    async fn refill(shelf: ShelfEmptied) -> Result<()> {
        let _ = shelf.shelf;
        Ok(())
    }
}

#[event_handler(streamed_from = streamer!("front-office", "orders"))]
async fn pack(order: OrderPlaced, publisher: Publisher) -> Result<()> {
    publisher
        .publish(ParcelSent {
            order_id: order.order_id,
        })
        .await?;
    Ok(())
}

#[event_handler(streamed_from = [
    fleet_events::streamer!("front-office", "parcels"),
    fleet_events::streamer!("back-office", "audit"),
])]
async fn trace(parcel: ParcelSent) -> Result<()> {
    let _ = parcel.order_id;
    Ok(())
}

#[event_handler(streamed_from = streamer!("back-office", "audit"), group = each_instance)]
async fn audit(event: RawEvent) -> Result<()> {
    let _ = event.payload();
    Ok(())
}

/// The app of this service.
pub fn app() -> App {
    App::new("shop")
        .streamers(fleet_events::FleetStreamers {
            front_office: Memory::new(),
            back_office: Memory::new(),
        })
        .streamers(own::OwnStreamers {
            warehouse: Memory::new(),
        })
}
