//! What leads from topics to the queues that this streamer subscribes.
//!
//! Whoever publishes makes an exchange again that somebody has deleted, and what nothing is bound to
//! drops what is published. So it is bound first, as far as it is known here what hears it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lapin::options::{ExchangeBindOptions, QueueBindOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Error};

use super::connect::failed;
use super::names;
use super::topology::ALL;
use crate::streamer::StreamError;
use crate::streamer::queue::locked;

/// The first thing behind a topic's exchange.
#[derive(Clone)]
pub(super) enum Lead {
    Queue(ShortString),
    /// It leads to several queues.
    Exchange(ShortString),
}

/// By topic and number.
#[derive(Clone, Default)]
pub(super) struct Leads(Arc<Mutex<BTreeMap<(String, u64), Lead>>>);

/// One that is known as long as this is there.
pub(super) struct Known {
    leads: Leads,
    at: (String, u64),
}

impl Drop for Known {
    fn drop(&mut self) {
        locked(&self.leads.0).remove(&self.at);
    }
}

impl Leads {
    pub(super) fn add(&self, topic: String, lead: Lead) -> Known {
        let mut leads = locked(&self.0);
        let last = leads.keys().map(|(_, number)| *number).max();
        let at = (topic, last.map_or(0, |last| last + 1));
        leads.insert(at.clone(), lead);
        Known {
            leads: self.clone(),
            at,
        }
    }

    /// Binds all that is known of a topic to its exchange.
    pub(super) async fn bind(&self, channel: &Channel, topic: &str) -> Result<(), StreamError> {
        let of_topic = (topic.to_owned(), 0)..=(topic.to_owned(), u64::MAX);
        let leads: Vec<_> = locked(&self.0)
            .range(of_topic)
            .map(|(_, lead)| lead.clone())
            .collect();
        for lead in leads {
            let bound = lead.bind(channel, names::exchange(topic)?).await;
            bound.map_err(|error| {
                let (Lead::Queue(name) | Lead::Exchange(name)) = &lead;
                failed(
                    &format!("the topic `{topic}` does not lead to `{name}` yet"),
                    &error,
                )
            })?;
        }
        Ok(())
    }
}

impl Lead {
    pub(super) async fn bind(&self, channel: &Channel, exchange: ShortString) -> Result<(), Error> {
        let (all, nothing) = (ALL.into(), FieldTable::default());
        match self.clone() {
            Lead::Queue(queue) => {
                let options = QueueBindOptions::default();
                let binding = channel.queue_bind(queue, exchange, all, options, nothing);
                binding.await
            }
            Lead::Exchange(spread) => {
                let options = ExchangeBindOptions::default();
                let binding = channel.exchange_bind(spread, exchange, all, options, nothing);
                binding.await
            }
        }
    }
}
