//! The conformance suite against streamers that are broken on purpose: each is caught by name.

mod broken;
mod delivering;
mod publishing;
mod settling;

use std::collections::BTreeMap;

use fanfare::testing::conformance::{Failure, behaviours, compare};
use futures_util::future::join_all;

use broken::{Fault, Honest, Make};

/// Runs the whole suite, and gives back what failed.
async fn failures<K: Fault>() -> BTreeMap<&'static str, Failure> {
    let behaviours = behaviours::<Make<K>>();
    let runs = behaviours.iter().map(async |behaviour| {
        assert_eq!(behaviour.missing(), None, "{}", behaviour.name());
        (behaviour.name(), behaviour.run().await)
    });
    let runs = join_all(runs).await.into_iter();
    runs.filter_map(|(name, result)| Some((name, result.err()?)))
        .collect()
}

/// Each of these behaviours fails, and its error says so.
async fn caught<K: Fault>(by: &[(&str, &str)]) {
    let failures = failures::<K>().await;
    for (name, says) in by {
        let failure = failures.get(name);
        let failure = failure.unwrap_or_else(|| panic!("`{name}` holds; {failures:#?} do not"));
        let said = failure.to_string();
        assert!(said.contains(says), "`{name}` says: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_not_broken_is_not_caught() {
    assert_eq!(failures::<Honest>().await, BTreeMap::new());
}

#[test]
fn a_capability_that_is_declared_and_not_there_is_caught() {
    let said = compare::<Make<Honest>>(true, true, false).expect_err("no marker");
    let expected = "`Durable` is declared, and not implemented";
    assert!(said.ends_with(expected), "{said}");
}

/// The faults, and by which behaviour each is caught, with what it says.
macro_rules! caught {
    ($($module:ident::$fault:ident { $($behaviour:ident: $says:literal,)+ })+) => {
        mod is_caught {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[allow(non_snake_case, reason = "the name of the fault")]
                async fn $fault() {
                    let by = &[$((stringify!($behaviour), $says)),+];
                    super::caught::<super::$module::$fault>(by).await;
                }
            )+
        }

        /// A behaviour that catches nothing proves nothing.
        #[test]
        fn every_behaviour_catches_something() {
            let catching = [$($(stringify!($behaviour)),+),+];
            let idle: Vec<_> = behaviours::<Make<Honest>>()
                .into_iter()
                .map(|behaviour| behaviour.name())
                .filter(|name| !catching.contains(name))
                .collect();
            assert_eq!(idle, [""; 0]);
        }
    };
}

caught! {
    publishing::Loses {
        many_publishers_and_subscribers: "missing: `publisher",
        each_event_is_reported: "missing: `event",
        each_group_gets_every_event: "missing: `event",
    }
    publishing::Duplicates {
        many_publishers_and_subscribers: "more than once: `publisher",
        bounded_duplicates: "which is acknowledged or unknown",
    }
    publishing::Reorders {
        order_by_key: "expected `key",
    }
    publishing::ConfirmsFailures {
        publish_after_close_is_an_error: "expected 3 errors after the close; came 3",
        a_refused_event_is_an_error_by_itself: "[true, true, true, true, true]",
    }
    publishing::FailsTogether {
        a_refused_event_is_an_error_by_itself: "[false, false, false, false, false]",
    }
    publishing::HangsWhenMuchIsPublished {
        each_event_is_reported: "expected `publish` to return; came nothing in 2s",
    }
    publishing::ConfirmsTooEarly {
        concurrent_close: "expected all that was confirmed; came",
        each_event_is_reported: "came missing: `event 0`",
    }
    publishing::WantsSubscribers {
        publish_before_subscribe: "came the error \"nobody subscribes\"",
    }
    publishing::PublishesTwice {
        what_a_handler_publishes_waits_for_its_success: "recovers",
        attempts_are_counted: "expected attempt 1 at `next`; came attempt 1 at `poison`",
    }
    publishing::LosesDeadLetters {
        undecodable_input_is_dead_lettered: "expected a dead letter; came nothing in 2s",
        an_error_is_no_acknowledgement: "missing: `fails",
        attempts_are_counted: "the dead letter of `poison` after 4 attempts; came nothing in 2s",
    }
    publishing::EmptiesDeadLetters {
        undecodable_input_is_dead_lettered: "a payload of 0 bytes instead of",
    }
    publishing::IgnoresKeys {
        backoff_in_order: "expected `first` again, or `other`; came attempt 1 at `",
        a_stuck_key_stops_no_other: "unexpected: `behind`",
    }
    publishing::GivesItsOwnIds {
        what_a_handler_publishes_says_its_cause: "expected `id` as",
    }
    publishing::CrossesTopics {
        topic_isolation: "expected nothing after the last one; came `Posts 0`",
    }
    publishing::SwallowsExtensions {
        cloudevents_attributes: "`extensions` as  instead of correlationid=order 7",
        undecodable_input_is_dead_lettered: "`deadletterreason` as None",
        what_a_handler_publishes_says_its_cause: "expected `correlationid` as",
        an_expired_event_is_not_handled: "came attempt 1 at `late`",
    }
    publishing::SwallowsHeaders {
        foreign_headers: "came []",
    }
    publishing::TakesHeadersForText {
        binary_headers: "came [(\"bytes\"",
    }
    publishing::SwallowsKeys {
        foreign_keys: "came None",
    }
    publishing::TakesTextForAscii {
        non_ascii_text: "`subject` as Some(\"Zo? sagt",
    }
    publishing::TakesPayloadsForText {
        binary_payload: "different from byte 0 on",
    }
    publishing::TruncatesPayloads {
        large_payload: "a payload of 65536 bytes instead of 1048576",
    }
    publishing::SwallowsEmptyPayloads {
        empty_payload: "expected no payload; came nothing in 2s",
    }
    publishing::WrapsStrangers {
        foreign_payloads: "came the CloudEvent `wrapped`",
    }
    delivering::IgnoresStrangers {
        a_raw_message_arrives: "expected a raw message; came nothing in 2s",
    }
    delivering::KnowsBinaryModeOnly {
        structured_events_of_strangers: "an event in structured mode",
    }
    delivering::DeliversToTwo {
        subscribers_of_a_group_share: "more than once: `event",
        a_group_keeps_its_events_while_away: "missing: `before",
    }
    delivering::GroupsCompete {
        each_group_gets_every_event: "missing: `event",
        a_stuck_handler_stops_no_other: "the handler that is not stuck; came nothing in 2s",
    }
    delivering::InstancesShare {
        each_instance_gets_every_event: "missing: `event",
    }
    delivering::ExceedsMaxInFlight {
        max_in_flight_is_kept: "expected no more than 1 in flight; came `event",
    }
    delivering::OneInFlight {
        max_in_flight_is_kept: "expected 3 deliveries, of which 1 came; came nothing",
        a_stuck_key_stops_no_other: "missing: `other",
    }
    delivering::OneTopicAtATime {
        several_topics: "the end of the subscription",
    }
    delivering::LosesWhatItFetched {
        a_lost_consumer_loses_nothing: "missing: `event",
        continues_after_reopening: "missing: `event",
    }
    delivering::DoesNotReconnect {
        reconnects_after_a_restart: "expected all that was confirmed;",
    }
    delivering::ForgetsAtARestart {
        confirmed_events_survive_a_restart: "expected all that was confirmed",
    }
    settling::AcknowledgesEarly {
        a_released_delivery_comes_again: "expected the event, released 1 times; came nothing",
        a_dropped_delivery_comes_again: "expected the event, dropped once; came nothing",
        a_lost_consumer_loses_nothing: "missing: `event",
        attempts_are_counted_across_instances: "expected attempt 3 at `poison`; came nothing",
        shutdown_finishes_what_is_in_flight: "missing: `job",
        restarts_lose_and_repeat_nothing: "missing: `job",
        crashes_lose_nothing: "missing: `job",
    }
    settling::RequeuesAtTheEnd {
        order_by_key_after_redelivery: "which was released; came `key",
    }
    settling::DeliversAgainTooSoon {
        no_second_delivery_before_it_is_settled: "before any is settled",
        backoff_requeued: "came attempt 1 at `",
    }
    settling::DeliversAgainWhatTakesLong {
        backoff_in_order: "came attempt 1 at `first`",
        backoff_requeued: "came attempt 1 at `first`",
    }
    settling::SharesItsRoom {
        a_stuck_handler_stops_no_other: "the handler that is not stuck; came nothing in 2s",
    }
    settling::CountsDeliveries {
        attempts_are_counted: "expected attempt 1 at `poison`; came attempt 2 at `poison`",
    }
    settling::IgnoresAcknowledgements {
        many_publishers_and_subscribers: "more than once: `publisher",
        no_second_delivery_before_it_is_settled: "nothing after all is acknowledged",
        bounded_duplicates: "which is acknowledged",
    }
    settling::DeafAfterUnsubscribing {
        settling_after_unsubscribing: "unexpected: `event 0`",
    }
    settling::ForgetsAttempts {
        attempts_survive_redelivery: "expected the event after 1 attempts; came the event after 0",
        attempts_are_counted_across_instances: "expected attempt 3 at `poison`; came attempt 1",
    }
    settling::IgnoresDelays {
        a_delay_is_kept: "expected the event after 300ms",
    }
    settling::LosesAcknowledgementsAtClose {
        drain_on_shutdown: "unexpected: `event",
        shutdown_finishes_what_is_in_flight: "unexpected: `job",
        restarts_lose_and_repeat_nothing: "more than once: `job",
    }
    settling::HangsAtClose {
        drain_on_shutdown: "expected `close` to return; came nothing in 2s",
        concurrent_close: "expected `close` to return; came nothing in 2s",
        restarts_lose_and_repeat_nothing: "expected the app to shut down; came nothing in 2s",
    }
}
