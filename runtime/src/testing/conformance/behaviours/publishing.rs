//! What publishing says is so.

use crate::testing::conformance::messages::{events, texts};
use crate::testing::conformance::scene::one;
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
