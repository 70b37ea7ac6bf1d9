//! Events in Avro that cannot be written, or by nobody's schema.

use super::{Fault, listed};
use crate::app::App;
use crate::app::forms::{avro_schema, events, topics};
use crate::codec::Codec;
use crate::event::TopicName;
use crate::topology::{EventDeclaration, Topology};

pub(super) fn avro(app: &App, topology: &Topology) -> Vec<Fault> {
    let events = streamed(topology);
    let mut faults: Vec<_> = events
        .iter()
        .filter_map(|(event, _)| no_form(event))
        .collect();
    faults.extend(missing_registry(app, &events));
    faults.extend(wrong_registry(app));
    faults.extend(repeated_registries(app));
    faults
}

/// What goes somewhere in Avro, older versions too, and one of the topics that it goes to.
fn streamed(topology: &Topology) -> Vec<(&'static EventDeclaration, TopicName)> {
    let mut streamed: Vec<(&'static EventDeclaration, TopicName)> = Vec::new();
    for topic in topics(topology) {
        for event in events(topology, &topic) {
            let is_known = streamed
                .iter()
                .any(|(known, _)| std::ptr::eq(*known, event));
            if !is_known && topology.codec_on(event, &topic) == Codec::Avro {
                streamed.push((event, topic));
            }
        }
    }
    streamed
}

fn no_form(event: &EventDeclaration) -> Option<Fault> {
    let (mistake, remedy) = avro_schema(event).err()?;
    Some(Fault {
        mistake,
        places: vec![event.location],
        remedy,
    })
}

fn missing_registry(app: &App, streamed: &[(&EventDeclaration, TopicName)]) -> Option<Fault> {
    // Older versions go without saying.
    let newest = |(event, _): &&(&EventDeclaration, TopicName)| !event.targets.is_empty();
    let events: Vec<_> = streamed.iter().filter(newest).collect();
    // A test asks none.
    if events.is_empty() || app.schema_registry.is_some() || app.has_stand_ins {
        return None;
    }
    let named = |(event, topic): &&(&EventDeclaration, TopicName)| match event.codec {
        Some(_) => format!("the event `{}`", event.name),
        None => {
            let streamer = topic.streamer;
            format!("the event `{}` on the streamer `{streamer}`", event.name)
        }
    };
    Some(Fault {
        mistake: format!(
            "the app has no schema registry, and in Avro {} written",
            match events.as_slice() {
                [_] => format!("{} is", listed(events.iter().map(named))),
                _ => format!("{} are", listed(events.iter().map(named))),
            }
        ),
        places: events.iter().map(|(event, _)| event.location).collect(),
        remedy: "add `.schema_registry(SchemaRegistry::new(\"http://...\"))` to the app".to_owned(),
    })
}

fn wrong_registry(app: &App) -> Option<Fault> {
    let error = app.schema_registry.as_ref()?.check().err()?;
    Some(Fault {
        mistake: format!("the options of the schema registry: {error}"),
        places: vec![app.location],
        remedy: "see to where the `SchemaRegistry` is made".to_owned(),
    })
}

fn repeated_registries(app: &App) -> impl Iterator<Item = Fault> {
    app.repeated_registries.iter().map(|location| Fault {
        mistake: "the app was given a schema registry, and another one before".to_owned(),
        places: vec![*location],
        remedy: "leave one of the two `.schema_registry(...)` out".to_owned(),
    })
}
