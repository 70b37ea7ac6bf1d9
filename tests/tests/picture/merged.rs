//! Several services as one, and files that are none.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::services::{Fleet, Service, blog, mailer, program, shop, text};

#[test]
fn services_that_agree_are_one_picture() {
    let fleet = Fleet::of([blog(), mailer().with("group", json!("mails"))]);
    assert_eq!(
        fleet.agree("blog.json mailer.json"),
        "\
services blog, mailer

topics
  main/posts  <- Posted v1  of blog
              -> Posted v1  to mailer.send  group mails
"
    );
    let drawn = fleet.agree("mailer.json blog.json --format mermaid");
    assert_eq!(
        drawn,
        r#"flowchart LR
  subgraph service_blog["blog"]
    event_blog_Posted_v1(["Posted v1"])
  end
  subgraph service_mailer["mailer"]
    handler_mailer_send["send<br>Posted v1"]
  end
  subgraph streamer_main["main"]
    topic_main_posts[/"posts"/]
  end
  event_blog_Posted_v1 --> topic_main_posts
  topic_main_posts -->|"group mails"| handler_mailer_send
  classDef deadLetters stroke-dasharray: 5 5
"#,
        "\n{drawn}"
    );
}

#[test]
fn what_is_merged_as_json_is_all_that_the_services_say() {
    let fleet = Fleet::of([blog(), mailer()]);
    let shop = shop("topology --json");
    fleet.write("shop.json", &shop);
    let (said, ..) = fleet.merge("shop.json blog.json mailer.json --json");
    let merged: Value = serde_json::from_str(&said).expect("JSON");
    let names = merged["services"].as_array().expect("a list").iter();
    let names: Vec<_> = names.map(|service| service["service"].clone()).collect();
    assert_eq!(names, ["blog", "mailer", "shop"]);
    let shop: Value = serde_json::from_str(&shop).expect("JSON");
    assert_eq!(merged["services"][2], shop);
}

#[test]
fn a_file_may_be_standard_input() {
    let fleet = Fleet::of([blog()]);
    let mut merge = program("topology merge blog.json -");
    let mut merge = merge
        .current_dir(fleet.0.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run");
    let mut input = merge.stdin.take().expect("an input");
    let mailer = mailer().0.to_string();
    input.write_all(mailer.as_bytes()).expect("written");
    drop(input);
    let output = merge.wait_with_output().expect("run");
    assert!(output.status.success());
    assert!(text(output.stdout).contains("mailer.send"));
}

#[test]
fn the_services_of_two_crates_are_merged() {
    let fleet = Fleet::of([Service(fleet_service::app().topology().to_json())]);
    // It calls itself `shop` too.
    let error = fleet.disagree("shop.json shop.json");
    assert!(
        error.contains("`shop.json` is of the service `shop`"),
        "{error}"
    );
    let (said, error, is_well) = fleet.merge("shop.json --format mermaid");
    assert!(said.contains(r#"["front-office (Memory)"]"#), "{said}");
    assert!(
        said.contains(r#"-->|"each instance"| handler_shop_audit"#),
        "{said}"
    );
    assert!(is_well, "{error}");
    // It alone declares what it hears.
    let words =
        "Perhaps: front-office/orders: nobody declares `OrderPlaced` but who hears it: `shop`";
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_is_no_topology_is_told_with_its_file_and_place() {
    let fleet = Fleet::of([blog()]);
    let mut unknown = mailer().0;
    unknown["events"] = json!([]);
    let mut future = mailer().0;
    future["form"] = json!(2);
    let mut schemaless = mailer().0;
    schemaless["schemas"] = json!({});
    for (text, words) in [
        (
            "<<<<<<< ours".to_owned(),
            "this is not what `topology --json` writes: expected value at line 1 column 1",
        ),
        (
            "{\n\"service\": 7}".to_owned(),
            "invalid type: integer `7`, expected a string at line 2 column 12",
        ),
        ("{}".to_owned(), "missing field `service`"),
        (
            future.to_string(),
            "it is written in form 2, and this program reads form 1",
        ),
        (
            unknown.to_string(),
            "the handler `send` hears the event `Posted v1`, which is not among the `events`",
        ),
        (
            schemaless.to_string(),
            "`schemas` has none of the event `Posted v1`",
        ),
    ] {
        fleet.write("bad.json", &text);
        let error = fleet.disagree("blog.json bad.json");
        assert!(error.starts_with("Error: `bad.json`: "), "{error}");
        assert!(error.contains(words), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let error = fleet.disagree("blog.json none.json");
    assert!(
        error.contains("`none.json` cannot be read: No such file"),
        "{error}"
    );
}

#[test]
fn fields_that_are_not_known_are_passed_over() {
    let mut mailer = mailer().0;
    mailer["weather"] = json!("fine");
    mailer["handlers"][0]["mood"] = json!("good");
    Fleet::of([blog(), Service(mailer)]).agree("blog.json mailer.json");
}
