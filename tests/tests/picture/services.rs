//! Services, as programs write them, and what is said of them.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with what services have written.
pub(crate) struct Fleet(pub(crate) TempDir);

impl Fleet {
    pub(crate) fn of<const N: usize>(services: [Service; N]) -> Fleet {
        let fleet = Fleet(tempfile::tempdir().expect("a folder"));
        for Service(service) in services {
            let name = service["service"].as_str().expect("a name");
            fleet.write(&format!("{name}.json"), &service.to_string());
        }
        fleet
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path().join(file), text).expect("written");
    }

    pub(crate) fn run(&self, arguments: &str) -> Output {
        let mut merge = program(arguments);
        merge.current_dir(self.0.path()).output().expect("run")
    }

    /// What is said on standard output and on standard error, and whether all is well.
    pub(crate) fn merge(&self, arguments: &str) -> (String, String, bool) {
        let output = self.run(&format!("topology merge {arguments}"));
        let is_well = output.status.success();
        if !is_well {
            assert_eq!(output.status.code(), Some(1), "{arguments}");
        }
        (text(output.stdout), text(output.stderr), is_well)
    }

    /// What they disagree on.
    pub(crate) fn disagree(&self, files: &str) -> String {
        let (_, error, is_well) = self.merge(files);
        assert!(!is_well, "{files} agree: {error}");
        error
    }

    pub(crate) fn agree(&self, files: &str) -> String {
        let (said, error, is_well) = self.merge(files);
        assert!(is_well && error.is_empty(), "{error}");
        said
    }
}

pub(crate) fn program(arguments: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_operated"));
    program.args(arguments.split_whitespace());
    program
}

pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

/// What the shop of `src/bin/operated.rs` says.
pub(crate) fn shop(arguments: &str) -> String {
    let output = program(arguments).output().expect("run");
    assert!(output.status.success(), "{}", text(output.stderr));
    text(output.stdout)
}

/// A service, as another program would write it.
pub(crate) struct Service(pub(crate) Value);

impl Service {
    pub(crate) fn named(name: &str) -> Service {
        Service(json!({
            "service": name,
            "events": [],
            "handlers": [],
            "streamers": [],
            "subscriptions": [],
            "schemas": {},
        }))
    }

    /// An event that goes to a topic, with a field `id` of this type.
    pub(crate) fn event(mut self, name: &str, version: u32, topic: &str, id: &str) -> Service {
        push(
            &mut self.0["events"],
            json!({
                "name": name,
                "former_names": [],
                "version": version,
                "compatibility": "backward",
                "type": name,
                "documentation": "",
                "key": null,
                "targets": [place(topic)],
            }),
        );
        self.0["schemas"][name][version.to_string()] = json!({
            "type": "object",
            "properties": {"id": {"type": id}},
            "required": ["id"],
        });
        self
    }

    /// The last event was called so.
    pub(crate) fn formerly(mut self, name: &str) -> Service {
        let events = self.0["events"].as_array_mut().expect("a list");
        events.last_mut().expect("an event")["former_names"] = json!([name]);
        self
    }

    /// A handler of an event in a version, or of every message.
    pub(crate) fn handler(
        mut self,
        name: &str,
        event: Option<(&str, u32)>,
        topic: &str,
    ) -> Service {
        let event = event.map(|(name, version)| json!({"name": name, "version": version}));
        push(
            &mut self.0["handlers"],
            json!({
                "name": name,
                "function": name,
                "documentation": "",
                "event": event,
                "sources": [place(topic)],
            }),
        );
        let group = format!("{}.{name}", self.0["service"].as_str().expect("a name"));
        push(
            &mut self.0["subscriptions"],
            json!({
                "handler": name,
                "topic": place(topic),
                "group": group,
                "event": event,
                "dead_letters": null,
                "start": null,
                "policy": {
                    "attempts": 5,
                    "shortest_pause": "100ms",
                    "longest_pause": "30s",
                    "order": "in_order",
                    "timeout": null,
                    "concurrency": 1,
                    "in_flight": 256,
                    "batch": null,
                    "deduplicate": false,
                },
            }),
        );
        self
    }

    /// Sets something of the last handler's subscription.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Service {
        let subscriptions = self.0["subscriptions"].as_array_mut().expect("a list");
        subscriptions.last_mut().expect("a handler")[name] = value;
        self
    }
}

pub(crate) fn push(list: &mut Value, value: Value) {
    list.as_array_mut().expect("a list").push(value);
}

pub(crate) fn place(topic: &str) -> Value {
    let (streamer, topic) = topic.split_once('/').expect("streamer/topic");
    json!({"streamer": streamer, "topic": topic})
}

/// Publishes posts.
pub(crate) fn blog() -> Service {
    Service::named("blog").event("Posted", 1, "main/posts", "integer")
}

/// Hears them, and so declares them too.
pub(crate) fn mailer() -> Service {
    let mailer = Service::named("mailer").event("Posted", 1, "main/posts", "integer");
    mailer.handler("send", Some(("Posted", 1)), "main/posts")
}
