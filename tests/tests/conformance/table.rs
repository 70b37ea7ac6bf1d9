//! The table of capabilities in the documentation: what the factories declare, and so what the
//! suite tests.

use std::fmt::Write;
use std::path::Path;

use fanfare::testing::conformance::{Capability, Factory};

/// What a row is called, and the capability that it is about.
const ROWS: &[(&str, Capability)] = &[
    (
        "durable: what is confirmed survives a crash of the broker",
        Capability::Durable,
    ),
    (
        "groups: instances share the events of a handler",
        Capability::Groups,
    ),
    (
        "ordered by key, also between instances",
        Capability::OrderedByKey,
    ),
    ("`group = each_instance`", Capability::EachInstance),
    (
        "a group keeps its place while nobody is there",
        Capability::Backlog,
    ),
    ("a retry waits for its time", Capability::DelayedRelease),
    (
        "attempts are counted on by another instance",
        Capability::Attempts,
    ),
    ("headers of what is no event", Capability::Headers),
    ("headers of any bytes, and twice", Capability::BinaryHeaders),
    ("keys of what is no event", Capability::Key),
];

fn table() -> String {
    let streamers: [(&str, &[Capability]); 4] = [
        ("`Memory`", super::memory::Memories::CAPABILITIES),
        ("[`Kafka`](kafka.md)", super::kafka::Shared::CAPABILITIES),
        ("[`Nats`](nats.md)", super::nats::Shared::CAPABILITIES),
        ("[`Amqp`](amqp.md)", super::amqp::Shared::CAPABILITIES),
    ];
    let mut table = String::from("| |");
    for (name, _) in streamers {
        write!(table, " {name} |").expect("a text");
    }
    table.push_str("\n|---|---|---|---|---|\n");
    for (row, capability) in ROWS {
        write!(table, "| {row} |").expect("a text");
        for (_, has) in streamers {
            let said = if has.contains(capability) {
                "yes"
            } else {
                "no"
            };
            write!(table, " {said} |").expect("a text");
        }
        table.push('\n');
    }
    table
}

/// With `UPDATE=1` in the environment it is written.
#[test]
fn the_documentation_has_the_table_of_what_is_tested() {
    const BEGIN: &str = "<!-- written by tests/tests/conformance/table.rs -->\n";
    const END: &str = "<!-- end -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/streamers/README.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("where it begins");
    let (written, after) = rest.split_once(END).expect("where it ends");
    if std::env::var_os("UPDATE").is_some() {
        let page = format!("{before}{BEGIN}{}{END}{after}", table());
        std::fs::write(path, page).expect("written");
    } else {
        assert_eq!(written, table(), "run this test with UPDATE=1");
    }
}
