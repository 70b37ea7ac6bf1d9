//! What services disagree on, and what they do not.

use serde_json::{Value, json};

use crate::services::{Fleet, Service, blog, mailer, place};

#[test]
fn a_topic_of_dead_letters_by_its_name_is_fed_by_who_hears_the_other() {
    let files = "blog.json mailer.json";
    let look = |topic| mailer().handler("look", None, topic);
    let fleet = Fleet::of([blog(), look("main/posts.dead-letters")]);
    fleet.agree(files);
    let fleet = Fleet::of([blog(), look("main/others.dead-letters")]);
    let error = fleet.disagree(files);
    assert!(
        error.contains("`look` of `mailer` hears `every message`"),
        "{error}"
    );
}

#[test]
fn a_subscriber_that_cannot_read_what_is_published_is_told() {
    let writer = Service::named("blog").event("Posted", 1, "main/posts", "string");
    let fleet = Fleet::of([writer, mailer()]);
    let error = fleet.disagree("blog.json mailer.json");
    assert_eq!(
        error,
        "Error: the services disagree:
  main/posts: `blog` publishes `Posted v1`, and `send` of `mailer` cannot read it: `id` is written as string, and read as integer
"
    );
    let (said, error, is_well) = fleet.merge("blog.json mailer.json --json");
    assert!(!is_well);
    assert_eq!(error, "Error: disagreements of the services: 1\n");
    let merged: Value = serde_json::from_str(&said).expect("JSON");
    let disagreement = &merged["disagreements"][0];
    assert_eq!(disagreement["kind"], "unreadable");
    assert_eq!(disagreement["topic"], place("main/posts"));
}

#[test]
fn a_field_that_may_be_null_is_told_as_such() {
    let mut blog = blog().0;
    blog["schemas"]["Posted"]["1"]["properties"]["id"]["type"] = json!(["integer", "null"]);
    let error = Fleet::of([Service(blog), mailer()]).disagree("blog.json mailer.json");
    assert!(
        error.contains("`id` is written as integer or null, and read as integer"),
        "{error}"
    );
}

#[test]
fn a_subscriber_without_the_codec_of_a_publisher_is_told() {
    let mut blog = blog();
    blog.0["events"][0]["content_type"] = json!("application/cbor");
    let mut mailer = mailer();
    let fleet = |blog: &Service, mailer: &Service| {
        Fleet::of([Service(blog.0.clone()), Service(mailer.0.clone())])
    };
    let error = fleet(&blog, &mailer).disagree("blog.json mailer.json");
    let words = "`send` of `mailer` is built without the codec of `application/cbor`";
    assert!(error.contains(words), "{error}");
    mailer.0["reads"] = json!(["application/json", "application/cbor"]);
    fleet(&blog, &mailer).agree("blog.json mailer.json");
}

#[test]
fn a_subscriber_that_reads_more_than_is_written_agrees() {
    let reader = Service::named("mailer").event("Posted", 1, "main/posts", "number");
    let reader = reader.handler("send", Some(("Posted", 1)), "main/posts");
    Fleet::of([blog(), reader]).agree("blog.json mailer.json");
}

#[test]
fn a_publisher_of_a_newer_version_is_told() {
    let blog = blog().event("Posted", 2, "main/posts", "integer");
    let error = Fleet::of([blog, mailer()]).disagree("blog.json mailer.json");
    let words =
        "`blog` publishes `Posted v2`, and `send` of `mailer` knows no newer version than v1";
    assert!(error.contains(words), "{error}");
}

#[test]
fn an_older_version_is_read_as_the_subscriber_knows_it() {
    let reader = |id| {
        let mailer = Service::named("mailer").event("Posted", 1, "main/posts", id);
        let mailer = mailer.event("Posted", 2, "main/posts", "boolean");
        mailer.handler("send", Some(("Posted", 2)), "main/posts")
    };
    Fleet::of([blog(), reader("integer")]).agree("blog.json mailer.json");
    let error = Fleet::of([blog(), reader("string")]).disagree("blog.json mailer.json");
    assert!(
        error.contains("`id` is written as integer, and read as string"),
        "{error}"
    );
}

#[test]
fn a_topic_that_nobody_publishes_to_is_told() {
    let audit = Service::named("audit").handler("log", None, "main/audit");
    let fleet = Fleet::of([blog(), mailer(), audit]);
    let error = fleet.disagree("blog.json mailer.json audit.json");
    let words = "main/audit: `log` of `audit` hears `every message`, and nobody publishes it";
    assert!(error.contains(words), "{error}");
    fleet.agree("blog.json mailer.json audit.json --outside main/audit");
}

#[test]
fn an_event_that_is_heard_where_nobody_publishes_it_is_told() {
    let mut mailer = mailer().0;
    mailer["events"][0]["targets"] = json!([place("main/drafts")]);
    let blog = Service::named("blog").event("Deleted", 1, "main/posts", "integer");
    let error = Fleet::of([blog, Service(mailer)]).disagree("blog.json mailer.json");
    let words = "main/posts: `send` of `mailer` hears `Posted v1`, and nobody publishes it";
    assert!(error.contains(words), "{error}");
}

#[test]
fn that_only_hearers_declare_an_event_is_told_and_with_strict_a_disagreement() {
    let fleet = Fleet::of([mailer()]);
    let (_, error, is_well) = fleet.merge("mailer.json");
    let words = "main/posts: nobody declares `Posted` but who hears it: `mailer`";
    assert!(is_well && error.contains(words), "{error}");
    let error = fleet.disagree("mailer.json --strict");
    assert!(error.contains(words), "{error}");
    fleet.agree("mailer.json --strict --outside main/posts");
}

#[test]
fn hearers_of_which_neither_reads_the_other_disagree() {
    let archive = |id| {
        let archive = Service::named("archive").event("Posted", 1, "main/posts", id);
        archive.handler("keep", Some(("Posted", 1)), "main/posts")
    };
    let fleet = Fleet::of([mailer(), archive("string")]);
    let error = fleet.disagree("mailer.json archive.json");
    assert!(
        error.contains("`id` is written as string, and read as integer"),
        "{error}"
    );
    // Whole numbers are numbers: `mailer` may be the one that publishes.
    let fleet = Fleet::of([mailer(), archive("number")]);
    let (_, error, is_well) = fleet.merge("mailer.json archive.json");
    assert!(is_well, "{error}");
    assert!(
        error.contains("Perhaps: main/posts: `archive` publishes"),
        "{error}"
    );
}

#[test]
fn an_event_that_nobody_hears_is_told() {
    let blog = blog().event("Deleted", 1, "main/posts", "integer");
    let fleet = Fleet::of([blog, mailer()]);
    let error = fleet.disagree("blog.json mailer.json");
    let words = "main/posts: `blog` publishes `Deleted v1`, and nobody hears it";
    assert!(error.contains(words), "{error}");
    fleet.agree("blog.json mailer.json --outside main/posts");
    let error = fleet.disagree("blog.json mailer.json --outside main/post");
    assert!(
        error.contains("no such topic; theirs are main/posts"),
        "{error}"
    );
}

#[test]
fn a_handler_of_every_message_hears_everything_on_its_topic() {
    let audit = Service::named("audit").handler("log", None, "main/posts");
    Fleet::of([blog(), audit]).agree("blog.json audit.json");
}

#[test]
fn an_event_is_heard_under_the_name_that_it_had() {
    let renamed = Service::named("mailer").event("Published", 1, "main/posts", "integer");
    let renamed = renamed
        .formerly("Posted")
        .handler("send", Some(("Published", 1)), "main/posts");
    Fleet::of([blog(), renamed]).agree("blog.json mailer.json");
    let renamed = Service::named("blog").event("Published", 1, "main/posts", "integer");
    let error = Fleet::of([renamed.formerly("Posted"), mailer()]).disagree("blog.json mailer.json");
    let words =
        "nobody hears it: `send` of `mailer` knows only its former name, and hears `Posted v1`";
    assert!(error.contains(words), "{error}");
}
