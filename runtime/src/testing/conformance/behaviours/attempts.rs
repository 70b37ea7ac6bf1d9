//! How often an event is tried, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::dead_letters::expect_letter;
use crate::testing::conformance::failure::Clock;
use crate::testing::conformance::hand::{Act, Call, Ear, Hand, Told, Works};
use crate::testing::conformance::jobs::job;
use crate::testing::conformance::scene::one;
use crate::testing::conformance::service::{POLICY, Service};
use crate::testing::conformance::{Factory, Failure};
use crate::topology::{Policy, RetryOrder};

/// An event whose handler always fails is tried as often as the policy says, no more and no less,
/// and its dead letter says so.
pub async fn attempts_are_counted<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut letters = scene.dead_letters(&connection, &topic).await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene).handler::<Works>(&topic, POLICY);
    let hand = ear.hand(|call| match &*call.name {
        "poison" => Act::Fail,
        _ => Act::Succeed,
    });
    let app = service.start(&hand).await?;
    connection.publish(&topic, [job("key", "poison")]).await?;
    for attempt in 1..=POLICY.attempts {
        ear.expect("poison", attempt).await?;
    }
    expect_letter(&scene, &mut letters, "poison", POLICY.attempts).await?;
    // Of its key: it would come behind what is tried again.
    connection.publish(&topic, [job("key", "next")]).await?;
    ear.expect("next", 1).await?;
    letters.expect_nothing("one dead letter").await?;
    ear.expect_nothing("no attempt after the last").await?;
    app.shutdown().await
}

/// Attempts are counted on when another instance takes the event over: all instances together make
/// as many as the policy says.
pub async fn attempts_are_counted_across_instances<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut letters = scene.dead_letters(&connection, &topic).await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene).handler::<Works>(&topic, POLICY);
    let pauses_after_the_second = ear.hand(|call| match call.attempt {
        2 => Act::FailFor(Duration::from_hours(1)),
        _ => Act::Fail,
    });
    let app = service.start(&pauses_after_the_second).await?;
    connection.publish(&topic, [job("key", "poison")]).await?;
    ear.expect("poison", 1).await?;
    ear.expect("poison", 2).await?;
    app.shutdown().await?;

    let fails = ear.hand(|_| Act::Fail);
    let app = service.start(&fails).await?;
    for attempt in 3..=POLICY.attempts {
        ear.expect("poison", attempt).await?;
    }
    expect_letter(&scene, &mut letters, "poison", POLICY.attempts).await?;
    ear.expect_nothing("no attempt after the last").await?;
    app.shutdown().await
}

/// While an event pauses between its attempts, each pause longer than the one before, the later
/// events of its key wait and those of other keys do not.
pub async fn backoff_in_order<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut ear = Ear::new(scene.clock);
    let policy = pausing(RetryOrder::InOrder);
    let service = Service::of(&scene).handler::<Works>(&topic, policy);
    let app = service.start(&fails_until(&ear, "other")).await?;
    connection.publish(&topic, [job("key", "first")]).await?;
    let mut attempts = vec![ear.expect("first", 1).await?];
    let later = [
        job("key", "second"),
        job("key", "third"),
        job("another key", "other"),
    ];
    connection.publish(&topic, later).await?;
    while attempts.last().is_some_and(|last| last.act == Act::Fail) {
        let expected = "`first` again, or `other`";
        let told = ear.next(expected).await?;
        match &*told.call.name {
            "first" => attempts.push(told),
            "other" => {}
            _ => return Err(scene.clock.fail(expected, told.words())),
        }
    }
    check_pauses(&attempts, &policy, &scene.clock)?;
    ear.expect("second", 1).await?;
    ear.expect("third", 1).await?;
    ear.expect_nothing("nothing after the last one").await?;
    app.shutdown().await
}

/// Where the handler says so, the later events of its key overtake an event that pauses between its
/// attempts; the pauses are kept all the same.
pub async fn backoff_requeued<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut ear = Ear::new(scene.clock);
    let policy = pausing(RetryOrder::Requeue);
    let service = Service::of(&scene).handler::<Works>(&topic, policy);
    let app = service.start(&fails_until(&ear, "second")).await?;
    connection.publish(&topic, [job("key", "first")]).await?;
    let mut attempts = vec![ear.expect("first", 1).await?];
    connection.publish(&topic, [job("key", "second")]).await?;
    let mut overtaken = 0;
    while attempts.last().is_some_and(|last| last.act == Act::Fail) {
        let expected = "`first` until `second` has overtaken it";
        let told = ear.next(expected).await?;
        match &*told.call.name {
            "first" => attempts.push(told),
            "second" if overtaken == 0 => overtaken += 1,
            _ => return Err(scene.clock.fail(expected, told.words())),
        }
    }
    check_pauses(&attempts, &policy, &scene.clock)?;
    ear.expect_nothing("nothing after the last one").await?;
    app.shutdown().await
}

fn pausing(order: RetryOrder) -> Policy {
    Policy {
        attempts: u32::MAX,
        shortest_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(80),
        order,
        ..POLICY
    }
}

/// Fails for the event `first` until this other one was handled, and five times at least.
fn fails_until(ear: &Ear, other: &'static str) -> Hand {
    let passed = Arc::new(AtomicBool::new(false));
    ear.hand(move |call: &Call| {
        if call.name == other {
            passed.store(true, Ordering::SeqCst);
        }
        let enough = call.attempt > 5 && passed.load(Ordering::SeqCst);
        if call.name == "first" && !enough {
            Act::Fail
        } else {
            Act::Succeed
        }
    })
}

/// Whether these are the first attempts, one after another, with no pause shorter than it should be.
fn check_pauses(attempts: &[Told], policy: &Policy, clock: &Clock) -> Result<(), Failure> {
    let mut due = policy.shortest_pause;
    for (last, pair) in (1..).zip(attempts.windows(2)) {
        let [before, after] = pair else { break };
        let expected = format!("attempt {} after {due:?}", last + 1);
        let pause = after.at - before.at;
        // Timers count in milliseconds, and the growth in fractions.
        if after.call.attempt != last + 1 || pause + Duration::from_millis(1) < due {
            let came = format!("{} after {pause:?}", after.words());
            return Err(clock.fail(expected, came));
        }
        due = policy.longest_pause.min(due * 2);
    }
    Ok(())
}
