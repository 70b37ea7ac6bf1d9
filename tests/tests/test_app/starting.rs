//! What starts, what refuses to, and how it ends.

use std::time::Duration;

use fanfare::Faults;
use fanfare::prelude::*;
use fanfare::testing::TestApp;

use super::{Far, Hook, Streamers, Trouble, app, in_trouble, order, settled, streamer, trouble};

#[tokio::test(flavor = "multi_thread")]
async fn another_runtime_is_refused() {
    let refused = TestApp::start(app()).await.expect_err("refused");
    let refused = refused.to_string();
    assert!(
        refused.contains("`#[tokio::test]` without a `flavor`"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_paused_already_is_fine() {
    settled(&in_trouble("away").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_real_time_a_handler_may_wait_for_the_world() {
    let test = TestApp::start_in_real_time(app()).await.expect("started");
    test.publish(trouble("outside")).await.expect("published");
    settled(&test).await;
    assert_eq!(test.handled::<Trouble>("cope"), [trouble("outside")]);
}

#[tokio::test]
async fn a_missing_state_refuses_to_start() {
    let refused = TestApp::start(App::new("shop")).await;
    let refused = refused.expect_err("refused");
    let faults = refused.downcast_ref::<Faults>().expect("faults");
    assert_eq!(faults.iter().count(), 1, "{faults}");
    assert!(faults.to_string().contains("Calls"), "{faults}");
}

#[tokio::test]
async fn a_streamer_that_is_given_is_asked_for_names_only() {
    let (far, hook) = (Far, Hook);
    let app = app().streamers(Streamers { far, hook });
    let test = TestApp::start(app).await.expect("started");
    test.publish(order(13)).await.expect("published");
    settled(&test).await;
    assert_eq!(
        test.published_to(streamer!("far", "orders-graveyard"))
            .len(),
        1
    );
    test.shutdown().await.expect("shut down");
}

#[tokio::test]
async fn streamers_that_are_given_twice_refuse_to_start() {
    let given = || Streamers {
        far: Far,
        hook: Hook,
    };
    let app = app().streamers(given()).streamers(given());
    let refused = TestApp::start(app).await.expect_err("refused");
    assert!(refused.to_string().contains("two connections"), "{refused}");
}

#[tokio::test]
async fn a_shutdown_is_the_one_of_production() {
    let test = in_trouble("stuck").await;
    let error = test.settle_within(Duration::from_secs(1)).await;
    error.expect_err("stuck");
    let unclean = test.shutdown().await.expect_err("unclean").to_string();
    assert!(
        unclean.contains("`cope` (from far/trouble) did not finish within 30s"),
        "{unclean}"
    );
    assert!(unclean.contains("1 unacknowledged events"), "{unclean}");
}
