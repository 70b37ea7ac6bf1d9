//! Events in Avro in a `TestApp`, which asks no registry.

use fanfare::prelude::*;
use fanfare::registry::SchemaRegistry;
use fanfare::testing::TestApp;

#[derive(Streamers)]
struct Streamers {
    #[streamer(codec = "avro")]
    main: Memory,
}

#[event(stream_to = streamer!("main", "posts"))]
#[derive(Clone, Debug, PartialEq)]
struct PostCreated {
    title: String,
}

#[event(codec = "avro", stream_to = streamer!("main", "indexed"))]
#[derive(Clone, Debug, PartialEq)]
struct PostIndexed {
    title: String,
    /// Left out where it is empty; in Avro it is empty then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(extend("default" = ""))]
    note: String,
}

#[event_handler(streamed_from = streamer!("main", "posts"))]
async fn index(post: PostCreated, publisher: Publisher) -> Result<()> {
    let (title, note) = (post.title, String::new());
    publisher.publish(PostIndexed { title, note }).await?;
    Ok(())
}

async fn indexes(app: App) {
    let test = TestApp::start(app).await.expect("started");
    let (title, topic) = ("Hello".to_owned(), streamer!("main", "posts"));
    let post = PostCreated {
        title: title.clone(),
    };
    test.deliver(topic, post.clone()).await.expect("delivered");
    test.settle().await.expect("settled");
    assert_eq!(test.handled::<PostCreated>("index"), [post], "{test}");
    let note = String::new();
    assert_eq!(
        test.published::<PostIndexed>(),
        [PostIndexed { title, note }]
    );
    test.shutdown().await.expect("shut down");
}

#[tokio::test]
async fn events_come_and_go_without_a_registry() {
    indexes(App::new("blog")).await;
}

#[tokio::test]
async fn the_registry_of_the_app_is_not_asked() {
    indexes(App::new("blog").schema_registry(SchemaRegistry::new("http://127.0.0.1:9"))).await;
}

#[tokio::test]
async fn a_message_of_others_comes_with_its_schema() {
    let test = TestApp::start(App::new("blog")).await.expect("started");
    let topic = streamer!("main", "posts");
    let schema = r#"{"type": "record", "name": "com.example.Post", "fields": [
        {"name": "title", "type": "string"}, {"name": "words", "type": "int"}]}"#;
    let message = b"\0\0\0\0\x2A\x0AHello\x06";
    test.deliver_avro(topic, schema, message)
        .await
        .expect("delivered");
    test.settle().await.expect("settled");
    let title = "Hello".to_owned();
    assert_eq!(
        test.handled::<PostCreated>("index"),
        [PostCreated { title }],
        "{test}"
    );

    for (message, words) in [
        (&message[..8], "5 bytes are to come"),
        (&b"Hello"[..], "not in Confluent's wire format"),
    ] {
        let refused = test.deliver_avro(topic, schema, message).await;
        let refused = refused.expect_err("refused").to_string();
        assert!(refused.contains(words), "{refused}");
    }
    test.shutdown().await.expect("shut down");
}
