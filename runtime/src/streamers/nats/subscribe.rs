//! Subscribing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::attached::{Attached, Begun, Whose};
use super::desk::{Desk, Given};
use super::link::Link;
use super::pump::Pump;
use super::topics;
use crate::streamer::{Deliveries, Group, StreamError, SubscriptionRequest};

/// How long subscribing may take while the app starts.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn subscribe(
    link: &Arc<Link>,
    request: SubscriptionRequest,
) -> Result<Deliveries, StreamError> {
    topics::check(&request.topic)?;
    // Waits for no connection: the app is starting.
    let session = link.session()?;
    let whose = match request.group {
        Group::Shared(name) => Whose::Group(name),
        Group::EachInstance => Whose::Instance,
    };
    let stream = topics::find_or_create(link, &session, &request.topic).await?;
    let desk = Desk::new(&stream, request.max_in_flight.get(), whose.answers());
    let desk = Arc::new(desk);
    let (mut begun, mut acknowledged) = (Begun::default(), VecDeque::new());
    let attached = Attached::attach(
        link,
        &desk,
        &request.topic,
        &whose,
        &mut begun,
        &mut acknowledged,
    );
    let attached = timeout(PATIENCE, attached).await.unwrap_or_else(|_| {
        let why = link.session().err();
        let why = why.map_or_else(|| "it does not answer".to_owned(), |why| why.to_string());
        Err(StreamError::new(format!(
            "NATS gave no events of `{}` within {PATIENCE:?}: {why}",
            request.topic
        )))
    })?;
    let pump = Pump {
        link: Arc::clone(link),
        desk: Arc::clone(&desk),
        topic: request.topic,
        whose,
        begun,
        acknowledged,
        beat: 0,
        number: link.next_number(),
    };
    link.subscriptions.spawn(pump.run(attached));
    Ok(Box::pin(Given::new(desk)))
}
