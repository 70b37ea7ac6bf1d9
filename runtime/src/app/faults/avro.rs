//! Events in Avro that cannot be written, or by nobody's schema.

use super::{Fault, listed};
use crate::app::App;
use crate::app::forms::avro_schema;
use crate::codec::Codec;
use crate::topology::{EventDeclaration, Topology};

pub(super) fn avro(app: &App, topology: &Topology) -> Vec<Fault> {
    let events: Vec<_> = topology
        .events
        .iter()
        .copied()
        .filter(|event| is_streamed(topology, event))
        .collect();
    let mut faults: Vec<_> = events.iter().filter_map(|event| no_form(event)).collect();
    faults.extend(missing_registry(app, topology, &events));
    faults.extend(wrong_registry(app));
    faults.extend(repeated_registries(app));
    faults
}

/// Whether it goes somewhere in Avro.
fn is_streamed(topology: &Topology, event: &EventDeclaration) -> bool {
    let mut targets = event.targets.iter();
    targets.any(|target| topology.codec_on(event, &target.topic) == Codec::Avro)
}

fn no_form(event: &EventDeclaration) -> Option<Fault> {
    let (mistake, remedy) = avro_schema(event).err()?;
    Some(Fault {
        mistake,
        places: vec![event.location],
        remedy,
    })
}

fn missing_registry(app: &App, topology: &Topology, events: &[&EventDeclaration]) -> Option<Fault> {
    // A test asks none.
    if events.is_empty() || app.schema_registry.is_some() || app.has_stand_ins {
        return None;
    }
    let named = |event: &&EventDeclaration| match event.codec {
        Some(_) => format!("the event `{}`", event.name),
        None => {
            let mut targets = event.targets.iter();
            let target = targets.find(|it| topology.codec_on(event, &it.topic) == Codec::Avro);
            let streamer = target.map_or("", |target| target.topic.streamer);
            format!("the event `{}` on the streamer `{streamer}`", event.name)
        }
    };
    Some(Fault {
        mistake: format!(
            "the app has no schema registry, and in Avro {} written",
            match events {
                [_] => format!("{} is", listed(events.iter().map(named))),
                _ => format!("{} are", listed(events.iter().map(named))),
            }
        ),
        places: events.iter().map(|event| event.location).collect(),
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
