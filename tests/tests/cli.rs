//! The command line of a service, as its operator sees it.

use std::fs;
use std::process::{Command, Output};
use std::time::SystemTime;

use fanfare::store::{DeadLetter, SqliteStore, Store};
use fanfare_tests::event;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A shop that is not running, and its database.
struct Shop(TempDir);

impl Shop {
    /// One whose till and way out were broken while it took orders: each is a dead letter of both.
    fn after_trouble(orders: u64) -> Shop {
        let shop = Shop::new();
        shop.take(orders, |shop| shop.env("SHOP_IS_BROKEN", "yes"));
        shop
    }

    fn new() -> Shop {
        Shop(tempfile::tempdir().expect("a folder"))
    }

    fn take(&self, orders: u64, with: impl FnOnce(&mut Command) -> &mut Command) {
        let mut shop = self.program();
        shop.env("SHOP_ORDERS", orders.to_string());
        let done = with(&mut shop).output().expect("run");
        assert!(done.status.success(), "{}", text(&done.stderr));
    }

    fn program(&self) -> Command {
        let mut shop = program();
        shop.env("SHOP_DB", self.0.path().join("shop.db"));
        shop
    }

    /// What a command says, when all is well.
    fn says(&self, arguments: &str) -> String {
        let (said, error) = run(self.program(), arguments);
        assert_eq!(error, None, "{arguments}");
        said
    }

    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.says(&format!("{arguments} --json"))).expect("JSON")
    }

    /// What a command says, and the error that it ends with.
    fn fails(&self, arguments: &str) -> (String, String) {
        let (said, error) = run(self.program(), arguments);
        (said, error.expect("an error"))
    }

    /// The numbers of the dead letters.
    fn letters(&self) -> Vec<u64> {
        let list = self.json("dead-letters list");
        let letters = list["dead_letters"].as_array().expect("a list");
        let number = |letter: &Value| letter["number"].as_u64().expect("a number");
        letters.iter().map(number).collect()
    }

    /// The number of the first letter of a handler, or topic.
    fn letter_of(&self, handler: &str) -> u64 {
        let list = self.json(&format!("dead-letters list --handler {handler}"));
        list["dead_letters"][0]["number"]
            .as_u64()
            .expect("a letter")
    }

    /// What was charged and noted, after a run of the service that takes one more order.
    fn charged(&self) -> Vec<u64> {
        self.take(1, |shop| shop);
        let lines = fs::read_to_string(self.0.path().join("shop.charged")).expect("written");
        let mut numbers: Vec<u64> = lines
            .lines()
            .map(|line| line.parse().expect("one"))
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

fn program() -> Command {
    let mut shop = Command::new(env!("CARGO_BIN_EXE_operated"));
    for name in [
        "SHOP_DB",
        "SHOP_ORDERS",
        "SHOP_IS_BROKEN",
        "SHOP_IS_CUT_OFF",
        "SHOP_IS_SILENT",
    ] {
        shop.env_remove(name);
    }
    shop
}

fn run(mut shop: Command, arguments: &str) -> (String, Option<String>) {
    let Output {
        status,
        stdout,
        stderr,
    } = shop
        .args(arguments.split_whitespace())
        .output()
        .expect("run");
    let error = (!status.success()).then(|| text(&stderr));
    (text(&stdout), error)
}

fn text(bytes: &[u8]) -> String {
    str::from_utf8(bytes).expect("text").to_owned()
}

#[test]
fn dead_letters_are_listed() {
    let shop = Shop::after_trouble(2);
    let list = shop.says("dead-letters list");
    assert!(
        list.contains("shop.charge") && list.contains("the till is broken"),
        "{list}"
    );
    assert!(
        list.contains("out/orders") && list.contains("the way out is blocked"),
        "{list}"
    );
    assert_eq!(shop.letters().len(), 4);

    let list = shop.json("dead-letters list --handler charge --max 1");
    assert_eq!(list["more"], true);
    let letter = &list["dead_letters"][0];
    assert_eq!(letter["handler"], "shop.charge");
    assert_eq!(letter["event"], "Ordered");
    assert_eq!(letter["attempts"], 1);
    assert_eq!(letter["reason"], "the till is broken");
    let after = letter["number"].as_u64().expect("a number");
    let rest = shop.json(&format!(
        "dead-letters list --handler charge --after {after}"
    ));
    assert_eq!(rest["more"], false);
    assert_eq!(rest["dead_letters"].as_array().map(Vec::len), Some(1));
}

#[test]
fn none_is_said_so() {
    let shop = Shop::new();
    assert_eq!(shop.says("dead-letters list"), "no dead letters\n");
    assert_eq!(
        shop.json("dead-letters list"),
        json!({"dead_letters": [], "more": false})
    );
}

#[test]
fn a_dead_letter_is_shown_whole() {
    let shop = Shop::after_trouble(1);
    let number = shop.letter_of("charge");
    let shown = shop.json(&format!("dead-letters show {number}"));
    assert_eq!(shown["message"]["type"], "Ordered");
    assert_eq!(shown["message"]["data"], json!({"number": 1}));
    assert_eq!(shown["message"]["id"], shown["id"]);
    let text = shop.says(&format!("dead-letters show {number}"));
    assert!(text.contains("because   the till is broken"), "{text}");
    let (_, error) = shop.fails("dead-letters show 77");
    assert_eq!(error, "Error: there is no dead letter 77\n");
}

#[tokio::test]
async fn what_a_dead_letter_holds_does_nothing_to_a_terminal() {
    let shop = Shop::new();
    let store = SqliteStore::open(shop.0.path().join("shop.db")).await;
    let store = store.expect("opened");
    // Both ways to say that the text is red, and a way to ring.
    let payload = r#"{"number": "\u001b[31m \u009b31m \u0007"}"#;
    let payload = payload.replace("\\u009b", "\u{9b}");
    let letter = DeadLetter {
        handler: "shop.charge".to_owned(),
        reason: "\u{1b}[31m \u{9b}31m".to_owned(),
        origin: "main/orders".to_owned(),
        attempts: 1,
        time: SystemTime::now(),
        message: event("Ordered", &payload).into(),
    };
    let number = store.bury(&letter).await.expect("buried");
    for command in ["list".to_owned(), format!("show {number}")] {
        let said = shop.says(&format!("dead-letters {command}"));
        let is_plain = |c: char| c == '\n' || !c.is_control();
        assert!(said.chars().all(is_plain), "{said:?}");
    }
    let shown = shop.says(&format!("dead-letters show {number}"));
    assert!(shown.contains(r"\u001b[31m \u009b31m \u0007"), "{shown:?}");
}

#[test]
fn no_dead_letters_are_not_listed() {
    let (_, error) = Shop::after_trouble(1).fails("dead-letters list --max 0");
    assert!(error.contains("--max"), "{error}");
}

#[test]
fn a_replayed_dead_letter_is_handled_and_gone() {
    let shop = Shop::after_trouble(2);
    let number = shop.letter_of("charge");
    let replayed = shop.json(&format!("dead-letters replay {number}"));
    let outcome = json!({"number": number, "outcome": "handled", "error": null});
    assert_eq!(replayed, json!({"replayed": [outcome]}));
    assert!(!shop.letters().contains(&number));
    // What the handler announced is in the log.
    assert_eq!(shop.charged(), [1, 1]);
}

#[test]
fn a_dead_letter_that_fails_again_stays() {
    let shop = Shop::after_trouble(1);
    let number = shop.letter_of("charge");
    let mut broken = shop.program();
    broken.env("SHOP_IS_BROKEN", "yes");
    let (said, error) = run(broken, &format!("dead-letters replay {number}"));
    assert!(
        said.contains("it failed again: the till is broken"),
        "{said}"
    );
    let error = error.expect("an error");
    assert!(
        error.ends_with("1 of 1 dead letters were not replayed\n"),
        "{error}"
    );
    assert!(shop.letters().contains(&number));
}

#[test]
fn a_dead_letter_of_a_topic_is_streamed() {
    let shop = Shop::after_trouble(1);
    let replayed = shop.json("dead-letters replay --handler out/orders");
    assert_eq!(replayed["replayed"][0]["outcome"], "streamed");
    assert_eq!(shop.letters().len(), 1);
}

#[test]
fn all_dead_letters_are_replayed_at_once() {
    let shop = Shop::after_trouble(3);
    let said = shop.says("dead-letters replay --all");
    assert_eq!(said.matches("handled").count(), 3, "{said}");
    assert_eq!(said.matches("streamed").count(), 3, "{said}");
    assert_eq!(shop.letters(), [] as [u64; 0]);
}

#[test]
fn while_a_streamer_cannot_be_reached_the_handlers_letters_are_replayed_all_the_same() {
    let shop = Shop::after_trouble(1);
    let of_topic = shop.letter_of("out/orders");
    let mut cut_off = shop.program();
    cut_off.env("SHOP_IS_CUT_OFF", "yes");
    let (said, error) = run(cut_off, "dead-letters replay --all");
    assert!(said.contains("handled"), "{said}");
    assert!(said.contains("the way out is cut off"), "{said}");
    let error = error.expect("an error");
    assert!(
        error.contains("1 of 2 dead letters were not replayed"),
        "{error}"
    );
    assert_eq!(shop.letters(), [of_topic]);
}

#[test]
fn dead_letters_are_dropped() {
    let shop = Shop::after_trouble(2);
    let number = shop.letter_of("charge");
    assert_eq!(
        shop.says(&format!("dead-letters drop {number}")),
        "dead letters removed: 1\n"
    );
    assert_eq!(shop.letters().len(), 3);
    let (said, error) = shop.fails(&format!("dead-letters drop {number} --json"));
    assert_eq!(
        serde_json::from_str::<Value>(&said).expect("JSON"),
        json!({"dropped": []})
    );
    assert_eq!(error, format!("Error: there is no dead letter {number}\n"));
    shop.says("dead-letters drop --all");
    assert_eq!(shop.letters(), [] as [u64; 0]);
}

#[test]
fn a_name_of_nobody_is_no_success() {
    let shop = Shop::after_trouble(1);
    for command in ["list", "replay", "drop"] {
        let (_, error) = shop.fails(&format!("dead-letters {command} --handler chrage"));
        let expected = "Error: there are no dead letters of `chrage`, which is no handler and no topic of this program: it has `main/returns`, `out/orders`, `shop.charge`, `shop.note`, `shop.refund`";
        assert!(error.contains(expected), "{error}");
    }
    // Of somebody who has none.
    assert_eq!(
        shop.says("dead-letters list --handler note"),
        "no dead letters\n"
    );
}

#[test]
fn what_is_chosen_must_be_said() {
    for what in ["replay", "drop"] {
        let (_, error) = Shop::new().fails(&format!("dead-letters {what}"));
        assert!(
            error.contains("<NUMBERS|--handler <HANDLER>|--all>"),
            "{error}"
        );
    }
}

#[test]
fn a_handler_begins_again() {
    let shop = Shop::new();
    shop.take(3, |shop| shop);
    // By its name, or by its whole name.
    shop.says("replay --handler shop.note --from beginning");
    let replay = shop.json("replay --handler note --from beginning");
    assert_eq!(replay["cursor"], "shop.note");
    assert_eq!(replay["from"], 1);
    assert_eq!(shop.charged(), [1, 1, 1, 2, 2, 3, 3]);
}

#[test]
fn a_handler_of_a_topic_is_not_set_back_here() {
    let shop = Shop::new();
    let (_, error) = shop.fails("replay --handler refund --from 1");
    assert!(
        error.contains("`refund` hears `main/returns`, not the service's own events"),
        "{error}"
    );
    let (_, error) = shop.fails("replay --handler notes --from 1");
    assert!(error.contains("no handler is called `notes`"), "{error}");
    assert!(error.contains("those are `charge`, `note`"), "{error}");
}

#[test]
fn a_position_that_is_not_there_is_refused() {
    let shop = Shop::new();
    let (_, error) = shop.fails("replay --handler note --from 99");
    assert!(
        error.contains("the log ends at position 0: there is no event at 99 or behind it"),
        "{error}"
    );
    let (_, error) = shop.fails("replay --handler note --from yesterday");
    assert!(
        error.contains("write a position, which is 1 or more, or `beginning`"),
        "{error}"
    );
}

#[test]
fn cursors_are_shown_and_forgotten() {
    let shop = Shop::new();
    shop.take(1, |shop| shop);
    let cursors = shop.json("cursors");
    let names: Vec<_> = cursors["cursors"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    assert_eq!(names.len(), 4, "{cursors}");
    assert!(
        names.iter().all(|cursor| cursor["is_used"] == true),
        "{cursors}"
    );
    let (_, error) = shop.fails("cursors forget shop.note");
    assert!(error.contains("it would miss events"), "{error}");
    let (_, error) = shop.fails("cursors forget shop.other");
    assert!(error.contains("there is no cursor `shop.other`"), "{error}");
}

#[test]
fn what_every_cursor_has_passed_is_pruned() {
    let shop = Shop::new();
    shop.take(2, |shop| shop);
    assert_eq!(shop.json("prune --older-than 1h"), json!({"pruned": 0}));
    // They have all passed the first event at least.
    let pruned = shop.json("prune --older-than 0s")["pruned"].as_u64();
    assert!(pruned > Some(0), "{pruned:?}");
    let (_, error) = shop.fails("prune --older-than long");
    assert!(error.contains("--older-than"), "{error}");
}

/// A shop without a database, whose broker keeps these groups.
fn with_groups(groups: &str) -> (Command, tempfile::NamedTempFile) {
    let kept = tempfile::NamedTempFile::new().expect("a file");
    fs::write(kept.path(), groups).expect("room");
    let mut shop = program();
    shop.env("SHOP_GROUPS", kept.path());
    (shop, kept)
}

#[test]
fn what_removed_handlers_left_at_the_broker_is_listed_and_removed() {
    let (shop, kept) = with_groups("shop.gone\nother.group\nshop.gone_too");
    let (said, error) = run(shop, "leftovers --json");
    assert_eq!(error, None);
    let gone = |group| {
        let set = "operated::Streamers";
        json!({"streamer": "out", "set": set, "group": group, "topic": "orders", "waiting": 3})
    };
    let listed: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        listed,
        json!({"leftovers": [gone("shop.gone"), gone("shop.gone_too")]})
    );

    let again = |arguments| {
        let mut shop = program();
        shop.env("SHOP_GROUPS", kept.path());
        run(shop, arguments)
    };
    let (_, error) = again("leftovers remove --group shop.other");
    assert!(
        error
            .expect("an error")
            .contains("left a group `shop.other`")
    );
    let (said, error) = again("leftovers remove --group shop.gone");
    assert_eq!(error, None);
    assert!(
        said.contains("out: the group `shop.gone` of `orders`"),
        "{said}"
    );
    let left = fs::read_to_string(kept.path()).expect("text");
    assert_eq!(left, "other.group\nshop.gone_too");
}

#[test]
fn what_somebody_subscribes_to_is_not_removed() {
    let (shop, _kept) = with_groups("shop.in_use");
    let (_, error) = run(shop, "leftovers remove");
    let error = error.expect("an error");
    assert!(error.contains("somebody subscribes to it"), "{error}");
}

#[test]
fn what_cannot_be_removed_keeps_nothing_else() {
    let (shop, kept) = with_groups("shop.first\nshop.in_use\nshop.last");
    let (said, error) = run(shop, "leftovers remove");
    for group in ["shop.first", "shop.last"] {
        assert!(said.contains(&format!("`{group}` of `orders`")), "{said}");
    }
    assert!(!said.contains("in_use"), "{said}");
    let error = error.expect("an error");
    assert!(error.contains("`shop.in_use`"), "{error}");
    let left = fs::read_to_string(kept.path()).expect("text");
    assert_eq!(left, "shop.in_use");
}

#[test]
fn a_streamer_that_is_in_trouble_hides_nothing_of_the_others() {
    let (mut shop, _kept) = with_groups("shop.gone");
    shop.env("SHOP_IS_SILENT", "yes");
    let (said, error) = run(shop, "leftovers");
    assert!(said.contains("shop.gone"), "{said}");
    let error = error.expect("an error");
    assert!(
        error.contains("the streamer `main`: it tells of no groups"),
        "{error}"
    );

    let (mut shop, _kept) = with_groups("shop.gone");
    shop.env("SHOP_IS_SILENT", "yes")
        .env("SHOP_IS_CUT_OFF", "yes");
    let (said, error) = run(shop, "leftovers");
    assert!(said.contains("waiting"), "{said}");
    let error = error.expect("an error");
    for part in ["the way out is cut off", "it tells of no groups"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn without_a_store_the_commands_say_so() {
    for command in ["dead-letters list", "cursors", "prune --older-than 1h"] {
        let (_, error) = run(program(), command);
        let error = error.expect("an error");
        assert!(error.contains("the app `shop` has no store"), "{error}");
    }
}

#[test]
fn the_topology_and_the_check_are_printed() {
    let shop = Shop::new();
    assert!(shop.says("topology").starts_with("service shop\n"));
    assert_eq!(shop.json("topology")["service"], "shop");
    assert_eq!(
        shop.says("check"),
        "nothing keeps the app `shop` from starting\n"
    );
    assert_eq!(shop.json("check"), json!({"faults": []}));
}
