//! What publishing says is so.

use crate::testing::conformance::messages::{events, texts};
use crate::testing::conformance::scene::{one, shared};
use crate::testing::conformance::{Factory, Failure};

/// After `close`, publishing confirms nothing: each message of the batch is an error.
pub async fn publish_after_close_is_an_error<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let sent = texts("event", 0..3);
    connection.publish(&topic, events(&sent)).await?;
    connection.close().await?;
    let reports = connection.try_publish(&topic, events(&sent)).await?;
    let confirmed = reports.iter().filter(|report| report.is_ok()).count();
    if confirmed > 0 {
        let came = format!("{confirmed} that are confirmed");
        return Err(scene.clock.fail("3 errors after the close", came));
    }
    Ok(())
}

/// Each event of a batch is confirmed by itself, in a batch of any size, also of none.
pub async fn each_event_is_reported<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
    for size in [0, 1, 2, 100, 1000] {
        let sent = texts("event", 0..size);
        let reports = connection.try_publish(&topic, events(&sent)).await?;
        let confirmed = reports.iter().filter(|report| report.is_ok()).count();
        if confirmed != size {
            let came = format!("{confirmed} that are");
            return Err(scene.clock.fail(format!("{size} events confirmed"), came));
        }
        subscriber.expect(&sent).await?;
    }
    Ok(())
}

/// One event that is refused is an error, and stops no other of its batch.
pub async fn a_refused_event_is_an_error_by_itself<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let refused = scene.factory.refused();
    let refused = refused.ok_or_else(|| scene.clock.fail("a message to refuse", "none"))?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
    let sent = texts("event", 0..4);
    let mut batch: Vec<_> = events(&sent).collect();
    batch.insert(2, refused);
    let reports = connection.try_publish(&topic, batch).await?;
    let confirmed: Vec<_> = reports.iter().map(Result::is_ok).collect();
    if confirmed != [true, true, false, true, true] {
        let expected = "all confirmed but the third";
        return Err(scene.clock.fail(expected, format!("{confirmed:?}")));
    }
    subscriber.expect(&sent).await
}
