//! Services under test that never come to rest.

use std::time::Duration;

use fanfare::prelude::*;
use fanfare::testing::TestApp;
use fanfare::{Error, Result};

#[derive(Streamers)]
struct Streamers {
    #[allow(dead_code, reason = "a test replaces it")]
    main: Memory,
}

#[event(stream_to = streamer!("main", "balls"))]
struct Ping;

#[event]
struct Pong;

#[event]
struct Again;

#[event_handler(streamed_from = streamer!("main", "balls"))]
async fn ping(_ping: Ping, publisher: Publisher) -> Result<()> {
    publisher.publish(Pong).await?;
    Ok(())
}

#[event_handler]
async fn pong(_pong: Pong, publisher: Publisher) -> Result<()> {
    publisher.publish(Ping).await?;
    Ok(())
}

#[event_handler(retry(attempts = 4_000_000_000))]
async fn sisyphus(_again: Again) -> Result<()> {
    Err(Error::retry_after(Duration::from_millis(1)))
}

async fn start() -> Result<TestApp> {
    TestApp::start(App::new("court")).await
}

#[tokio::test]
async fn handlers_that_publish_to_each_other_are_named() -> Result<()> {
    let test = start().await?;
    test.publish(Ping).await?;
    let endless = test.settle().await.expect_err("endless").to_string();
    assert!(endless.contains("100000 attempts were made"), "{endless}");
    assert!(endless.contains("`ping` handled `Ping`"), "{endless}");
    assert!(endless.contains("`pong` handled `Pong`"), "{endless}");
    assert!(endless.contains("attempts since the start)"), "{endless}");
    Ok(())
}

#[tokio::test]
async fn a_handler_that_is_tried_for_ever_is_named() -> Result<()> {
    let test = start().await?;
    test.publish(Again).await?;
    let endless = test.settle().await.expect_err("endless").to_string();
    assert!(
        endless.contains("`sisyphus` failed in attempt"),
        "{endless}"
    );
    assert!(endless.contains("asks for another attempt"), "{endless}");
    Ok(())
}
