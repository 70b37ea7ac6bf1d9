//! A kill at just the moment that matters: the program `crash` lets a part of its service die
//! there, lets it live again, and keeps books of what became of every event.

use std::process::Command;

use fanfare_tests::Postgres;

/// Kills at this point. Every event that was published has then been stored, streamed and handled
/// at least once, in order by key; its effect is there exactly once; and nothing that was rolled
/// back is there at all: that is what the program ends well for. What came again, or was stored
/// and not answered, shows that it was killed at this point and at no other.
fn survives(store: &[&str], point: &str, shown: Option<&str>) {
    let output = Command::new(env!("CARGO_BIN_EXE_crash"))
        .args(store)
        .args(["--point", point])
        .output()
        .expect("started");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    let last = said.lines().last().unwrap_or_default();
    let right = " lost=0 out_of_order=0 effects_twice=0";
    assert!(last.starts_with("crash: kills=1 "), "{said}");
    assert!(last.ends_with(right), "{said}");
    let Some(shown) = shown else { return };
    let mut words = said.split_whitespace();
    let times = words.find_map(|word| word.strip_prefix(shown)?.strip_prefix('='));
    let times: u64 = times.expect("said").parse().expect("a number");
    assert!(times > 0, "{shown} = 0: {said}");
}

fn sqlite(point: &str, shown: Option<&str>) {
    survives(&["--store", "sqlite"], point, shown);
}

#[tokio::main(flavor = "current_thread")]
async fn postgres(point: &str, shown: Option<&str>) {
    let database = Postgres::shared().database().await;
    let store = ["--store", "postgres", "--database", &database];
    survives(&store, point, shown);
}

/// Each point as a test of each store, named for what is promised there.
macro_rules! points {
    ($($name:ident: $point:literal, $shown:expr;)*) => {
        mod sqlite {$(
            #[test]
            fn $name() {
                super::sqlite($point, $shown);
            }
        )*}

        mod postgres {$(
            #[test]
            fn $name() {
                super::postgres($point, $shown);
            }
        )*}
    };
}

points! {
    a_transaction_that_has_not_committed_leaves_nothing: "within", None;
    between_append_and_return_an_event_is_kept: "appended", Some("unanswered");
    what_the_broker_has_and_did_not_confirm_is_streamed_again: "written", Some("streamed");
    between_streaming_and_cursor_an_event_is_streamed_again: "streamed", Some("streamed");
    behind_the_cursor_nothing_is_missing: "passed", None;
    between_mark_and_commit_an_event_is_handled_again: "marked", Some("handled");
    between_commit_and_acknowledgement_the_effect_is_not_repeated: "committed", None;
    between_handling_and_acknowledgement_an_event_is_handled_again: "handled", Some("heard");
    behind_an_acknowledgement_nothing_is_missing: "acknowledged", None;
    between_dead_letter_and_cursor_an_event_is_given_up_again: "buried", Some("buried");
}
