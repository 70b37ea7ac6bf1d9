//! Handlers that share a group on a topic would lose each other's events: the app does not start.

use fanfare::prelude::*;

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

#[event(stream_to = [streamer!("main", "posts"), streamer!("main", "drafts")])]
struct Created {
    title: String,
}

#[event(stream_to = [streamer!("main", "posts"), streamer!("main", "drafts")])]
struct Deleted {
    title: String,
}

#[event_handler(streamed_from = streamer!("main", "posts"), group = "blog")]
async fn created(_: Created) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "posts"), group = "blog")]
async fn deleted(_: Deleted) -> Result<()> {
    Ok(())
}

/// Has by its group what would be another one's without a word.
#[event_handler(streamed_from = streamer!("main", "drafts"), group = "desk.proofread")]
async fn typeset(_: Created) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "drafts"))]
async fn proofread(_: Created) -> Result<()> {
    Ok(())
}

/// Has the group of others, on a topic that they do not hear: that is no fault.
#[event_handler(streamed_from = streamer!("main", "drafts"), group = "blog")]
async fn count(_: Created) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "drafts"), group = each_instance)]
async fn watch(_: Created) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "drafts"), group = each_instance)]
async fn watch_too(_: Created) -> Result<()> {
    Ok(())
}

#[test]
fn two_handlers_of_one_group_on_one_topic_are_a_fault() {
    let main = Memory::new();
    let app = App::new("desk").streamers(Streamers { main });
    let faults = app.check().expect_err("two groups are shared");
    let said: Vec<_> = faults.iter().map(|fault| fault.mistake.as_str()).collect();
    assert_eq!(
        said,
        [
            "2 handlers share the group `blog` on `main/posts`, so that each event reaches one of them only: `created` and `deleted`",
            "2 handlers share the group `desk.proofread` on `main/drafts`, so that each event reaches one of them only: `proofread` and `typeset`",
        ]
    );
    for fault in faults.iter() {
        assert_eq!(
            fault.remedy,
            "give each a `group` of its own, or leave it out: then it is `desk.<handler>`"
        );
        assert_eq!(fault.places.len(), 2);
    }
}
