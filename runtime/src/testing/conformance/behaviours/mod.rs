//! What is tested, each a function that says what did not hold.

mod announcing;
mod attempts;
mod closing;
mod contents;
mod dead_letters;
mod delivering;
mod groups;
mod instances;
mod order;
mod publishing;
mod restarting;
mod settling;
mod stuck;

use std::fmt;

use super::{Capability, Factory, Failure};
use crate::streamer::BoxFuture;

pub use announcing::{
    what_a_handler_publishes_says_its_cause, what_a_handler_publishes_waits_for_its_success,
};
pub use attempts::{
    attempts_are_counted, attempts_are_counted_across_instances, backoff_in_order, backoff_requeued,
};
pub use closing::{
    a_group_keeps_its_events_while_away, a_lost_consumer_loses_nothing, concurrent_close,
    continues_after_reopening, drain_on_shutdown,
};
pub use contents::{
    a_raw_message_arrives, binary_headers, binary_payload, cloudevents_attributes, empty_payload,
    foreign_headers, foreign_keys, foreign_payloads, large_payload, non_ascii_text,
    structured_events_of_strangers,
};
pub use dead_letters::{
    an_error_is_no_acknowledgement, an_expired_event_is_not_handled,
    undecodable_input_is_dead_lettered,
};
pub use delivering::{
    many_publishers_and_subscribers, publish_before_subscribe, several_topics, topic_isolation,
};
pub use groups::{
    each_group_gets_every_event, each_instance_gets_every_event, subscribers_of_a_group_share,
};
pub use instances::{
    crashes_lose_nothing, restarts_lose_and_repeat_nothing, shutdown_finishes_what_is_in_flight,
};
pub use order::{order_by_key, order_by_key_after_redelivery};
pub use publishing::{
    a_refused_event_is_an_error_by_itself, each_event_is_reported, publish_after_close_is_an_error,
};
pub use restarting::{confirmed_events_survive_a_restart, reconnects_after_a_restart};
pub use settling::{
    a_delay_is_kept, a_dropped_delivery_comes_again, a_released_delivery_comes_again,
    attempts_survive_redelivery, bounded_duplicates, max_in_flight_is_kept,
    no_second_delivery_before_it_is_settled, settling_after_unsubscribing,
};
pub use stuck::{a_stuck_handler_stops_no_other, a_stuck_key_stops_no_other};

/// All behaviours, with what they need: the one list. It is given to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_behaviours {
    ($then:ident $($with:ident)?) => {
        $crate::$then! {
            $($with)?
            publish_before_subscribe: [],
            many_publishers_and_subscribers: [Groups],
            several_topics: [],
            topic_isolation: [],
            a_released_delivery_comes_again: [],
            a_dropped_delivery_comes_again: [],
            a_lost_consumer_loses_nothing: [Groups],
            no_second_delivery_before_it_is_settled: [],
            settling_after_unsubscribing: [Backlog],
            bounded_duplicates: [],
            attempts_survive_redelivery: [Attempts],
            a_delay_is_kept: [DelayedRelease],
            max_in_flight_is_kept: [],
            each_group_gets_every_event: [],
            subscribers_of_a_group_share: [Groups],
            each_instance_gets_every_event: [EachInstance],
            order_by_key: [OrderedByKey],
            order_by_key_after_redelivery: [OrderedByKey],
            each_event_is_reported: [],
            a_refused_event_is_an_error_by_itself: [Refusal],
            publish_after_close_is_an_error: [],
            a_group_keeps_its_events_while_away: [Backlog],
            continues_after_reopening: [Backlog],
            concurrent_close: [Groups, Backlog],
            drain_on_shutdown: [Backlog],
            empty_payload: [],
            large_payload: [],
            binary_payload: [],
            non_ascii_text: [],
            cloudevents_attributes: [],
            foreign_payloads: [],
            foreign_headers: [Headers],
            binary_headers: [BinaryHeaders],
            foreign_keys: [Key],
            a_raw_message_arrives: [RawPublish],
            structured_events_of_strangers: [RawPublish],
            reconnects_after_a_restart: [Restart],
            confirmed_events_survive_a_restart: [Durable, Backlog, Restart],
            undecodable_input_is_dead_lettered: [],
            an_error_is_no_acknowledgement: [],
            attempts_are_counted: [],
            attempts_are_counted_across_instances: [Attempts, Backlog],
            backoff_in_order: [OrderedByKey],
            backoff_requeued: [],
            shutdown_finishes_what_is_in_flight: [Backlog],
            restarts_lose_and_repeat_nothing: [Backlog],
            crashes_lose_nothing: [Backlog],
            what_a_handler_publishes_waits_for_its_success: [],
            what_a_handler_publishes_says_its_cause: [],
            an_expired_event_is_not_handled: [],
            a_stuck_key_stops_no_other: [OrderedByKey],
            a_stuck_handler_stops_no_other: [],
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ($($name:ident: [$($needs:ident),*],)*) => {
        /// All behaviours, for one factory.
        pub fn behaviours<F: Factory>() -> Vec<Behaviour> {
            vec![$(
                Behaviour {
                    name: stringify!($name),
                    missing: missing::<F>(&[$(Capability::$needs),*]),
                    run: || Box::pin($name::<F>()),
                },
            )*]
        }
    };
}

crate::__conformance_behaviours!(__conformance_list);

/// The first of these that is not declared.
fn missing<F: Factory>(needs: &[Capability]) -> Option<Capability> {
    let mut needs = needs.iter().copied();
    needs.find(|capability| !F::CAPABILITIES.contains(capability))
}

/// One behaviour, for one factory.
#[derive(Clone, Copy)]
pub struct Behaviour {
    name: &'static str,
    missing: Option<Capability>,
    run: fn() -> BoxFuture<'static, Result<(), Failure>>,
}

impl Behaviour {
    /// The name of its function.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it needs and the factory does not declare.
    pub fn missing(&self) -> Option<Capability> {
        self.missing
    }

    /// Tests it, on a tokio runtime with its timers. It ends, whatever the streamer does: each step
    /// has the factory's patience, and all of them ten times that.
    pub async fn run(&self) -> Result<(), Failure> {
        (self.run)().await
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("name", &self.name)
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}
