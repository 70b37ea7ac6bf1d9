//! Whoever is stuck holds up nobody else.

use crate::testing::conformance::hand::{Act, Ear, Role, Watches, Works};
use crate::testing::conformance::jobs::{job, jobs};
use crate::testing::conformance::messages::{Tally, texts};
use crate::testing::conformance::scene::one;
use crate::testing::conformance::service::{FOUR_AT_A_TIME, POLICY, Service};
use crate::testing::conformance::{Factory, Failure};

/// A handler that is stuck with an event goes on with those of other keys, and with the later ones
/// of that key when it is free.
pub async fn a_stuck_key_stops_no_other<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene).handler::<Works>(&topic, FOUR_AT_A_TIME);
    let hand = ear.hand(|call| match &*call.name {
        "stuck" => Act::Hold,
        _ => Act::Succeed,
    });
    let app = service.start(&hand).await?;
    connection.publish(&topic, [job("key", "stuck")]).await?;
    ear.expect("stuck", 1).await?;
    let others = texts("other", 0..50);
    let behind = [job("key", "behind")];
    let later = behind.into_iter().chain(jobs(&others));
    connection.publish(&topic, later).await?;
    let mut tally = Tally::of(&others);
    ear.count(&mut tally).await?;
    tally.check(&scene.clock)?;
    ear.expect_nothing("nothing of the stuck key").await?;
    hand.let_go();
    ear.expect("stuck", 1).await?;
    ear.expect("behind", 1).await?;
    app.shutdown().await
}

/// A handler that is stuck stops no other handler of the service on the same topic, and loses
/// nothing meanwhile.
pub async fn a_stuck_handler_stops_no_other<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut ear = Ear::new(scene.clock);
    let service = Service::of(&scene)
        .handler::<Works>(&topic, POLICY)
        .handler::<Watches>(&topic, POLICY);
    let hand = ear.hand(|call| match call.handler {
        Works::NAME => Act::Hold,
        _ => Act::Succeed,
    });
    let app = service.start(&hand).await?;
    let sent = texts("job", 0..150);
    let mut stuck = 0;
    // Whoever is stuck has taken all that it can hold by the time of the later ones.
    for some in sent.chunks(50) {
        connection.publish(&topic, jobs(some)).await?;
        let mut watched = Tally::of(some);
        while watched.is_waiting() || stuck == 0 {
            let told = ear
                .next("an event for the handler that is not stuck")
                .await?;
            match told.call.handler {
                Works::NAME => stuck += 1,
                _ => told.count(&mut watched),
            }
        }
        watched.check(&scene.clock)?;
    }
    if stuck != 1 {
        let came = format!("{stuck} that are begun");
        return Err(scene.clock.fail("a handler that is stuck with one", came));
    }
    hand.let_go();
    let mut worked = Tally::of(&sent);
    ear.count(&mut worked).await?;
    worked.check(&scene.clock)?;
    app.shutdown().await
}
