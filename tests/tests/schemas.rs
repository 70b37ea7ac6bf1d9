//! The file of schemas: what was promised of the shapes of events, and edits that break it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The folder of a package, in which its service is asked.
struct Package(TempDir);

impl Package {
    fn new() -> Package {
        Package(tempfile::tempdir().expect("a folder"))
    }

    /// One whose file says what its events are.
    fn updated() -> Package {
        let package = Package::new();
        package.says("schemas update");
        package
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("fanfare.schemas.json")
    }

    fn schemas(&self) -> Value {
        serde_json::from_slice(&fs::read(self.file()).expect("a file")).expect("JSON")
    }

    /// As if the file had been written when the code was another one.
    fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let mut schemas = self.schemas();
        edit(&mut schemas["events"]);
        fs::write(self.file(), schemas.to_string()).expect("written");
    }

    fn run(&self, arguments: &str) -> Output {
        let mut shop = Command::new(env!("CARGO_BIN_EXE_operated"));
        shop.args(arguments.split_whitespace())
            .current_dir(self.0.path());
        shop.output().expect("run")
    }

    fn says(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {error}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn fails(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        String::from_utf8(output.stderr).expect("text")
    }
}

/// The `number` of an order was a text.
fn number_was_text(events: &mut Value) {
    events["Ordered"]["1"]["properties"]["number"] = json!({"type": "string"});
}

#[test]
fn what_is_written_is_the_schema_of_each_event_by_its_version() {
    let package = Package::new();
    let said = package.says("schemas update");
    assert!(
        said.contains("Charged v1, Ordered v1, Returned v1"),
        "{said}"
    );
    let schemas = package.schemas();
    let number = &schemas["events"]["Ordered"]["1"]["properties"]["number"];
    assert_eq!(number["format"], "uint64");
    package.says("schemas check");
    let said = package.says("schemas update");
    assert!(said.contains("says what the events are already"), "{said}");
    assert_eq!(package.schemas(), schemas);
}

#[test]
fn an_edit_that_breaks_the_promise_is_told_with_its_field_and_the_ways_out() {
    let package = Package::updated();
    package.edit(number_was_text);
    for command in ["schemas check", "schemas update", "check"] {
        let error = package.fails(command);
        for words in [
            "the event `Ordered` has changed without a new version",
            "compatibility is `backward`",
            "`number` was string, and is integer (uint64, minimum 0) now",
            "operated.rs:",
            "make it `version = 2` with `previous = ...` and a `From`, or undo the change",
        ] {
            assert!(error.contains(words), "{command}: {error}");
        }
        // Nobody who is in production is kept from starting by that.
        assert!(!error.contains("cannot start"), "{command}: {error}");
    }
    let kept = &package.schemas()["events"]["Ordered"]["1"]["properties"]["number"]["type"];
    assert_eq!(kept, "string");
    package.says("schemas update --force");
    package.says("schemas check");
}

#[test]
fn an_edit_that_keeps_the_promise_is_to_be_written_down() {
    let package = Package::updated();
    // It had a field that is gone.
    package.edit(|events| {
        let ordered = &mut events["Ordered"]["1"];
        ordered["properties"]["note"] = json!({"type": "string"});
        ordered["required"] = json!(["note", "number"]);
    });
    let error = package.fails("schemas check");
    assert!(error.contains("has changed, as it may"), "{error}");
    assert!(error.contains("run `schemas update`"), "{error}");
    let said = package.says("schemas update");
    assert!(said.contains("these are: Ordered v1"), "{said}");
    package.says("schemas check");
}

#[test]
fn what_is_said_of_an_event_may_change_as_it_likes() {
    let package = Package::updated();
    package.edit(|events| events["Ordered"]["1"]["description"] = json!("An order."));
    package.says("schemas check");
}

#[test]
fn an_event_that_is_not_in_the_file_is_told() {
    let package = Package::updated();
    package.edit(|events| {
        events.as_object_mut().expect("an object").remove("Charged");
    });
    let error = package.fails("schemas check");
    let words = "the event `Charged` in version 1 is not in `fanfare.schemas.json` yet";
    assert!(error.contains(words), "{error}");
}

#[test]
fn an_event_that_may_have_been_renamed_is_asked_for() {
    let package = Package::updated();
    package.edit(|events| {
        let events = events.as_object_mut().expect("an object");
        let charged = events.remove("Charged").expect("an event");
        events.insert("Billed".to_owned(), charged);
    });
    let error = package.fails("schemas check");
    assert!(error.contains("`renamed_from = \"Billed\"`"), "{error}");
}

#[test]
fn a_version_that_the_code_has_no_more_is_told_and_forgotten_only_by_force() {
    let package = Package::updated();
    package.edit(|events| events["Ordered"]["7"] = json!({"type": "object"}));
    for command in ["schemas check", "schemas update"] {
        let error = package.fails(command);
        let words = "the code has no version 7 of the event `Ordered` any more";
        assert!(error.contains(words), "{error}");
    }
    package.says("schemas update --force");
    assert_eq!(package.schemas()["events"]["Ordered"]["7"], Value::Null);
}

#[test]
fn the_events_of_other_programs_stay_in_the_file() {
    let package = Package::updated();
    let other = json!({"1": {"type": "object"}});
    package.edit(|events| events["Elsewhere"] = other.clone());
    package.says("schemas check");
    package.says("schemas update");
    assert_eq!(package.schemas()["events"]["Elsewhere"], other);
}

#[test]
fn a_file_that_is_missing_or_broken_is_named_with_the_remedy() {
    let package = Package::new();
    let error = package.fails("schemas check");
    assert!(error.contains("write it with `schemas update`"), "{error}");
    package.says("check");
    fs::write(package.file(), "<<<<<<< ours").expect("written");
    for command in ["schemas check", "schemas update", "check"] {
        let error = package.fails(command);
        assert!(
            error.contains("`fanfare.schemas.json` cannot be read"),
            "{error}"
        );
    }
}

#[test]
fn the_faults_are_there_as_json_too() {
    let package = Package::updated();
    package.edit(number_was_text);
    let output = package.run("schemas check --json");
    assert_eq!(output.status.code(), Some(1));
    let faults: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mistake = faults["faults"][0]["mistake"].as_str().expect("a text");
    assert!(mistake.contains("`Ordered`"), "{mistake}");
}

#[test]
fn the_schema_that_an_event_has_in_avro_is_printed() {
    let package = Package::new();
    let schema = json!({"type": "record", "name": "Ordered", "fields": [
        {"name": "number", "type": "long"},
    ]});
    for arguments in [
        "schemas avro Ordered",
        "schemas avro Ordered --version 1 --json",
    ] {
        let said: Value = serde_json::from_str(&package.says(arguments)).expect("JSON");
        assert_eq!(said, schema);
    }
    let error = package.fails("schemas avro Orderd");
    assert!(
        error.contains("there is no event `Orderd`; there are `Charged` v1, `Ordered` v1"),
        "{error}"
    );
    let error = package.fails("schemas avro Ordered --version 2");
    assert!(error.contains("in version 2"), "{error}");
}
