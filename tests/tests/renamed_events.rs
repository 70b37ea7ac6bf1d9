//! An event that was called something else before.

use fanfare::Running;
use fanfare::event::Envelope;
use fanfare::prelude::*;
use fanfare::store::{Entry, MemoryStore, Start, Store};
use fanfare_tests::{Heard, Tell, channel, event, listen, publish};

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

#[event(name = "PostCreated")]
struct PostCreated {
    title: String,
}

#[event(
    stream_to = streamer!("main", "posts"),
    version = 2,
    previous = PostCreated,
    renamed_from = ["PostCreated", "PostIssued"],
)]
struct PostPublished {
    headline: String,
}

impl From<PostCreated> for PostPublished {
    fn from(PostCreated { title }: PostCreated) -> Self {
        PostPublished { headline: title }
    }
}

#[event_handler(streamed_from = streamer!("main", "posts"))]
async fn streamed(post: PostPublished, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("streamed: {}", post.headline));
    Ok(())
}

#[event_handler]
async fn own(
    post: PostPublished,
    metadata: Metadata,
    State(tell): State<Tell<String>>,
) -> Result<()> {
    let name = metadata.name().unwrap_or_default();
    tell.tell(format!("own {name}: {}", post.headline));
    Ok(())
}

fn created(title: &str) -> Envelope {
    let event = event("PostCreated", &format!(r#"{{"title":"{title}"}}"#));
    let event = event.with_schema("urn:fanfare:event:PostCreated:1");
    event.expect("a schema")
}

fn issued(headline: &str) -> Envelope {
    event("PostIssued", &format!(r#"{{"headline":"{headline}"}}"#))
}

async fn start(store: MemoryStore) -> (Memory, Running, Heard<String>) {
    let memory = Memory::new();
    let (tell, told) = channel();
    let streamers = Streamers {
        main: memory.clone(),
    };
    let app = App::new("blog").streamers(streamers).store(store);
    let running = app.state(tell).start().await.expect("started");
    (memory, running, told)
}

async fn next(told: &mut Heard<String>, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    while all.len() < count {
        all.push(told.next().await);
    }
    all.sort();
    all
}

#[tokio::test]
async fn a_handler_hears_an_event_by_every_name_that_it_had() {
    let (memory, _running, mut told) = start(MemoryStore::new()).await;
    publish(&memory, "posts", created("first")).await;
    publish(&memory, "posts", issued("second")).await;
    publish(&memory, "posts", event("PostDeleted", "{}")).await;
    let heard = next(&mut told, 2).await;
    assert_eq!(heard, ["streamed: first", "streamed: second"]);
}

#[tokio::test]
async fn what_was_stored_by_its_former_name_is_streamed_and_heard() {
    let store = MemoryStore::new();
    // As the program left them that knew the event by that name.
    for cursor in ["blog.own", "blog:main/posts:PostCreated"] {
        let made = store.cursor(cursor, Start::Now).await;
        made.expect("made");
    }
    let entry = Entry {
        events: vec![created("first")],
        mark: None,
    };
    store.append(&entry).await.expect("stored");
    let (memory, running, mut told) = start(store).await;
    let heard = next(&mut told, 2).await;
    assert_eq!(heard, ["own PostCreated: first", "streamed: first"]);

    let mut ear = listen(&memory, "posts").await;
    let headline = "second".to_owned();
    let publisher = running.publisher();
    let published = publisher.publish(PostPublished { headline });
    published.await.expect("published");
    assert_eq!(ear.next_event().await.kind(), "PostPublished");
    let heard = next(&mut told, 2).await;
    assert_eq!(heard, ["own PostPublished: second", "streamed: second"]);
}
