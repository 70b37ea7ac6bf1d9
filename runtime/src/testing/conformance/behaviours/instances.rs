//! Instances of a service come and go in the middle of their work.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::testing::conformance::hand::{Act, Ear, Hand, Works};
use crate::testing::conformance::jobs::jobs;
use crate::testing::conformance::messages::{Tally, texts};
use crate::testing::conformance::scene::one;
use crate::testing::conformance::service::{FOUR_AT_A_TIME, Instance, Service};
use crate::testing::conformance::{Factory, Failure};
use crate::topology::Policy;

/// A shutdown begins nothing new and lets what is in flight finish; everything else goes to the
/// next instance, and nothing that was finished does.
pub async fn shutdown_finishes_what_is_in_flight<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut ear = Ear::new(scene.clock);
    let policy = Policy {
        in_flight: const { NonZeroUsize::new(20).expect("not zero") },
        ..FOUR_AT_A_TIME
    };
    let service = Service::of(&scene).handler::<Works>(&topic, policy);
    let holds = ear.hand(|_| Act::Hold);
    let app = service.start(&holds).await?;
    let sent = texts("job", 0..100);
    connection.publish(&topic, jobs(&sent)).await?;
    let mut begun = Vec::new();
    while begun.len() < 4 {
        begun.push(ear.next("4 at a time").await?.call.name.clone());
    }
    app.shutdown_and(|| holds.let_go()).await?;
    let mut in_flight = Tally::of(&begun);
    for told in ear.rest() {
        // One that begins now would be one too many, and is counted.
        in_flight.count(&told.call.name);
    }
    in_flight.check(&scene.clock)?;

    let rest: Vec<_> = sent
        .into_iter()
        .filter(|name| !begun.contains(name))
        .collect();
    let mut rest = Tally::of(&rest);
    let app = service.start(&ear.hand(|_| Act::Succeed)).await?;
    ear.count(&mut rest).await?;
    rest.check(&scene.clock)?;
    ear.expect_nothing("nothing after the last one").await?;
    app.shutdown().await
}

/// A service that is shut down and started, again and again, in the middle of thousands of events
/// loses none of them and handles none twice.
pub async fn restarts_lose_and_repeat_nothing<F: Factory>() -> Result<(), Failure> {
    let restart = async |app: Instance, hand: &Hand| app.shutdown_and(|| hand.let_go()).await;
    handles_all::<F>(4, 1, restart).await
}

/// A service that crashes and is started, again and again, in the middle of thousands of events
/// loses none of them, and handles one at most once more for each time.
pub async fn crashes_lose_nothing<F: Factory>() -> Result<(), Failure> {
    let crash = async |app: Instance, _: &Hand| {
        drop(app);
        Ok(())
    };
    handles_all::<F>(3, 4, crash).await
}

/// Ends so many instances, each with some events in its hands, and looks that each event is handled
/// at most so many times.
async fn handles_all<F: Factory>(
    ends: usize,
    times: usize,
    end: impl AsyncFn(Instance, &Hand) -> Result<(), Failure>,
) -> Result<(), Failure> {
    const ALL: usize = 3_000;
    const EACH: usize = 500;
    let (scene, connection, topic) = one::<F>().await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene).handler::<Works>(&topic, FOUR_AT_A_TIME);
    let sent = texts("job", 0..ALL);
    let mut tally = Tally::of(&sent);
    for ended in 0..ends {
        let hand = holds_after(&ear, EACH);
        let app = service.start(&hand).await?;
        if ended == 0 {
            connection.publish(&topic, jobs(&sent)).await?;
        }
        loop {
            let told = ear.next("an event").await?;
            told.count(&mut tally);
            if told.act == Act::Hold {
                break;
            }
        }
        end(app, &hand).await?;
    }
    let app = service.start(&ear.hand(|_| Act::Succeed)).await?;
    ear.count(&mut tally).await?;
    app.shutdown().await?;
    for told in ear.rest() {
        told.count(&mut tally);
    }
    tally.check_at_most(times, &scene.clock)
}

/// Handles so many, and then holds what it has.
fn holds_after(ear: &Ear, many: usize) -> Hand {
    let begun = AtomicUsize::new(0);
    ear.hand(move |_| match begun.fetch_add(1, Ordering::SeqCst) {
        number if number < many => Act::Succeed,
        _ => Act::Hold,
    })
}
