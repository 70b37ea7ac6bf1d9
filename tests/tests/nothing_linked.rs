//! A program into which nothing is linked.

use fanfare::App;

#[tokio::test]
async fn an_app_of_nothing_is_told_about_crates_that_are_not_named() {
    let error = App::new("blog").start().await.expect_err("nothing");
    let text = error.to_string();
    assert!(text.starts_with("the app `blog` cannot start: 1 fault\n\n1. no event and no handler is linked into this program\n   at "), "{text}");
    assert!(text.contains("nothing_linked.rs:"), "{text}");
    assert!(text.contains("`use that_crate as _;`"), "{text}");
}

#[test]
fn its_topology_is_printed_all_the_same() {
    let text = App::new("blog").topology().to_string();
    assert_eq!(
        text,
        "service blog\n\nevents\n  none\n\nhandlers\n  none\n\nstreamers\n  none\n"
    );
}
