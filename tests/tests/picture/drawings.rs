//! Mermaid, DOT and SVG.

use std::collections::BTreeSet;

use roxmltree::Document;
use serde_json::json;

use crate::services::{Fleet, Service, blog, mailer, shop};

#[test]
fn a_service_is_drawn_in_mermaid() {
    let drawn = shop("topology --format mermaid");
    let expected = r#"flowchart LR
  subgraph service_shop["shop"]
    event_shop_Charged_v1(["Charged v1"])
    event_shop_Ordered_v1(["Ordered v1"])
    event_shop_Returned_v1(["Returned v1"])
    handler_shop_charge["charge<br>Ordered v1"]
    handler_shop_note["note<br>Charged v1"]
    handler_shop_refund["refund<br>Returned v1"]
  end
  subgraph streamer_main["main (Main)"]
    topic_main_returns[/"returns"/]
  end
  subgraph streamer_out["out (Out)"]
    topic_out_orders[/"orders"/]
  end
  event_shop_Charged_v1 --> handler_shop_note
  event_shop_Ordered_v1 --> topic_out_orders
  event_shop_Ordered_v1 --> handler_shop_charge
  event_shop_Returned_v1 --> topic_main_returns
  topic_main_returns --> handler_shop_refund
  classDef deadLetters stroke-dasharray: 5 5
"#;
    assert_eq!(drawn, expected, "\n{drawn}");
}

#[test]
fn a_service_is_drawn_in_dot() {
    let drawn = shop("topology --format dot");
    let expected = r#"digraph fleet {
  rankdir=LR;
  graph [fontname="sans-serif"];
  node [fontname="sans-serif", shape=box];
  edge [fontname="sans-serif"];
  subgraph cluster_service_shop {
    label="shop";
    event_shop_Charged_v1 [label="Charged v1", style=rounded];
    event_shop_Ordered_v1 [label="Ordered v1", style=rounded];
    event_shop_Returned_v1 [label="Returned v1", style=rounded];
    handler_shop_charge [label="charge\nOrdered v1"];
    handler_shop_note [label="note\nCharged v1"];
    handler_shop_refund [label="refund\nReturned v1"];
  }
  subgraph cluster_streamer_main {
    label="main (Main)";
    topic_main_returns [label="returns", shape=cds];
  }
  subgraph cluster_streamer_out {
    label="out (Out)";
    topic_out_orders [label="orders", shape=cds];
  }
  event_shop_Charged_v1 -> handler_shop_note;
  event_shop_Ordered_v1 -> topic_out_orders;
  event_shop_Ordered_v1 -> handler_shop_charge;
  event_shop_Returned_v1 -> topic_main_returns;
  topic_main_returns -> handler_shop_refund;
}
"#;
    assert_eq!(drawn, expected, "\n{drawn}");
}

/// The texts of a drawing, and its arrows by class.
fn seen(svg: &str) -> (Vec<String>, Vec<String>) {
    let drawing = Document::parse(svg).expect("XML");
    let named = |name: &'static str| {
        let nodes = drawing.descendants();
        nodes.filter(move |node| node.has_tag_name(("http://www.w3.org/2000/svg", name)))
    };
    let texts = named("text").filter_map(|node| node.text());
    let arrows = named("path").filter_map(|node| node.attribute("class"));
    (
        texts.map(str::to_owned).collect(),
        arrows.map(str::to_owned).collect(),
    )
}

#[test]
fn a_service_is_drawn_in_svg() {
    let (texts, arrows) = seen(&shop("topology --format svg"));
    let expected = [
        "shop",
        "main (Main)",
        "out (Out)",
        "shop", // published, carried, heard
        "Returned v1",
        "Ordered v1",
        "returns",
        "orders", // in the order of the topics
        "refund",
        "Returned v1", // from a topic
        "Charged v1",
        "note",
        "Charged v1",
        "Ordered v1",
        "charge",
        "Ordered v1", // its own
    ];
    assert_eq!(sorted(&texts), sorted(&expected.map(str::to_owned)));
    assert_eq!(arrows, ["edge"; 5]);
}

fn sorted(texts: &[String]) -> Vec<&str> {
    let mut texts: Vec<_> = texts.iter().map(String::as_str).collect();
    texts.sort_unstable();
    texts
}

#[test]
fn nothing_in_a_drawing_covers_another_or_stands_outside() {
    let fleet = Fleet::of([
        blog().event("Deleted", 1, "main/posts", "integer"),
        mailer()
            .handler("log", None, "main/posts")
            .with("group", json!("all-the-logs")),
        Service::named("empty"),
    ]);
    let shop = shop("topology --json");
    fleet.write("shop.json", &shop);
    let (svg, ..) = fleet.merge("blog.json mailer.json empty.json shop.json --format svg");
    let drawing = Document::parse(&svg).expect("XML");
    let number = |node: roxmltree::Node<'_, '_>, name: &str| -> u32 {
        let number = node.attribute(name).and_then(|it| it.parse().ok());
        number.unwrap_or_else(|| panic!("no {name} in {svg}"))
    };
    let root = drawing.root_element();
    let (width, height) = (number(root, "width"), number(root, "height"));
    let mut frames = Vec::new();
    let mut nodes = Vec::new();
    for node in drawing.descendants().filter(|it| it.has_tag_name("rect")) {
        let class = node.attribute("class").expect("a class");
        if class == "paper" {
            continue;
        }
        let (x, y) = (number(node, "x"), number(node, "y"));
        let area = [x, y, x + number(node, "width"), y + number(node, "height")];
        assert!(area[2] <= width && area[3] <= height, "{area:?} in {svg}");
        if class == "service" || class == "streamer" {
            frames.push(area);
        } else {
            nodes.push(area);
        }
    }
    let apart = |one: &[u32; 4], other: &[u32; 4]| {
        one[2] <= other[0] || other[2] <= one[0] || one[3] <= other[1] || other[3] <= one[1]
    };
    for areas in [&frames, &nodes] {
        for (nth, one) in areas.iter().enumerate() {
            let mut others = areas[..nth].iter();
            assert!(others.all(|other| apart(one, other)), "{one:?} in {svg}");
        }
    }
    let within = |node: &[u32; 4], frame: &[u32; 4]| {
        frame[0] < node[0] && frame[1] < node[1] && node[2] < frame[2] && node[3] < frame[3]
    };
    for node in &nodes {
        let mut frames = frames.iter();
        assert!(frames.any(|frame| within(node, frame)), "{node:?} in {svg}");
    }
}

#[test]
fn the_other_forms_stay_what_they_were() {
    assert_eq!(shop("topology"), shop("topology --format text"));
    assert!(shop("topology").starts_with("service shop\n"));
    assert_eq!(shop("topology --json"), shop("topology --format json"));
}

#[test]
fn a_name_is_nothing_but_a_name_in_each_form() {
    let name = r#"a"b\c<i>&amp;#d]|`e`;%%f"#;
    let fleet = Fleet::of([Service::named("odd")
        .event(name, 1, &format!("{name}/{name}"), "integer")
        .handler(name, Some((name, 1)), &format!("{name}/{name}"))
        .with("group", json!(name))]);
    let (svg, ..) = fleet.merge("odd.json --format svg");
    let (texts, _) = seen(&svg);
    for text in [name, &format!("{name} v1"), &format!("group {name}")] {
        assert!(texts.iter().any(|it| it == text), "{text}: {texts:?}");
    }

    let (mermaid, ..) = fleet.merge("odd.json --format mermaid");
    let escaped = "a#34;b#92;c#60;i#62;#38;amp#59;#35;d]|#96;e#96;#59;#37;#37;f";
    assert!(
        mermaid.contains(&format!("([\"{escaped} v1\"])")),
        "{mermaid}"
    );
    assert!(
        mermaid.contains(&format!("|\"group {escaped}\"|")),
        "{mermaid}"
    );

    let (dot, ..) = fleet.merge("odd.json --format dot");
    let escaped = r#"a\"b\\c<i>&amp;amp;#d]|`e`;%%f"#;
    assert!(dot.contains(&format!("[label=\"{escaped} v1\", ")), "{dot}");
}

#[test]
fn nodes_differ_where_their_names_do() {
    let fleet = Fleet::of([
        Service::named("a-b").event("E", 1, "main/x.y", "integer"),
        Service::named("a_b").event("E", 1, "main/x_y", "integer"),
    ]);
    let (dot, ..) = fleet.merge("a-b.json a_b.json --format dot");
    let nodes: Vec<_> = dot
        .lines()
        .filter_map(|line| line.split_once(" [label"))
        .collect();
    let ids: BTreeSet<_> = nodes.iter().map(|(id, _)| id).collect();
    assert_eq!((ids.len(), nodes.len()), (4, 4), "{dot}");
}

#[test]
fn control_characters_of_others_reach_neither_a_terminal_nor_xml() {
    let fleet = Fleet::of([Service::named("odd").event("\u{1b}[31m\u{9b}", 1, "a/b", "integer")]);
    for format in ["text", "mermaid", "dot", "svg"] {
        let (said, error, _) = fleet.merge(&format!("odd.json --format {format}"));
        let is_plain = |c: char| c == '\n' || !c.is_control();
        assert!(said.chars().all(is_plain), "{said:?}");
        assert!(error.chars().all(is_plain), "{error:?}");
    }
}

#[test]
fn dead_letters_are_dashed() {
    let dead = json!({"streamer": "main", "topic": "dead"});
    let fleet = Fleet::of([
        blog(),
        mailer()
            .with("dead_letters", dead)
            .handler("look", None, "main/dead"),
    ]);
    let files = "blog.json mailer.json";
    let mermaid = fleet.agree(&format!("{files} --format mermaid"));
    for line in [
        r#"topic_main_dead[/"dead"/]:::deadLetters"#,
        r#"handler_mailer_send -.->|"dead letters"| topic_main_dead"#,
        "topic_main_dead --> handler_mailer_look",
    ] {
        assert!(mermaid.contains(line), "{mermaid}");
    }
    let dot = fleet.agree(&format!("{files} --format dot"));
    let line = r#"topic_main_dead [label="dead", shape=cds, style=dashed];"#;
    assert!(dot.contains(line), "{dot}");
    let (_, arrows) = seen(&fleet.agree(&format!("{files} --format svg")));
    assert_eq!(arrows.iter().filter(|it| *it == "dead edge").count(), 1);
}
