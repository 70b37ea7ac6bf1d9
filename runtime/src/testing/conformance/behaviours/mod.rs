//! What is tested, each a function that says what did not hold.

mod delivering;
mod groups;
mod order;
mod publishing;
mod settling;

use std::fmt;

use super::{Capability, Factory, Failure};
use crate::streamer::BoxFuture;

pub use delivering::{
    many_publishers_and_subscribers, publish_before_subscribe, several_topics, topic_isolation,
};
pub use groups::{
    each_group_gets_every_event, each_instance_gets_every_event, subscribers_of_a_group_share,
};
pub use order::{order_by_key, order_by_key_after_redelivery};
pub use publishing::publish_after_close_is_an_error;
pub use settling::{
    a_dropped_delivery_comes_again, a_released_delivery_comes_again,
    no_second_delivery_before_it_is_settled,
};

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
            no_second_delivery_before_it_is_settled: [],
            each_group_gets_every_event: [],
            subscribers_of_a_group_share: [Groups],
            each_instance_gets_every_event: [EachInstance],
            order_by_key: [OrderedByKey],
            order_by_key_after_redelivery: [OrderedByKey],
            publish_after_close_is_an_error: [],
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

    /// Tests it, on a tokio runtime with its timers. It ends, at the latest when the factory's
    /// patience does.
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
