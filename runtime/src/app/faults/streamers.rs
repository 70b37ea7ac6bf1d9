//! Streamers that are missing, given twice, or not able.

use super::{Fault, listed, quoted};
use crate::app::App;
use crate::streamer::Guarantee;
use crate::topology::{GroupDeclaration, HandlerDeclaration, Mention, Topology};

/// One fault for each struct of streamers: it is given as a whole.
pub(super) fn missing_streamers(app: &App, topology: &Topology) -> Vec<Fault> {
    let missing = |set: &str, name: &str| !app.sets.iter().any(|given| given.has(set, name));
    let mut faults: Vec<(&str, Vec<&str>, Vec<Mention>)> = Vec::new();
    for streamer in topology
        .streamers
        .iter()
        .filter(|streamer| streamer.is_mentioned())
    {
        if !missing(streamer.set, streamer.name) {
            continue;
        }
        let known = faults.iter().position(|(set, ..)| *set == streamer.set);
        let at = known.unwrap_or_else(|| {
            faults.push((streamer.set, Vec::new(), Vec::new()));
            faults.len() - 1
        });
        faults[at].1.push(streamer.name);
        faults[at].2.extend(&streamer.mentions);
    }
    let fault = |(set, names, mentions): (&str, Vec<&str>, Vec<Mention>)| Fault {
        mistake: format!(
            "the app was given no connection for {} of `{set}`; mentioned by {}",
            quoted(names),
            listed(
                mentions
                    .iter()
                    .map(|mention| format!("{} `{}`", mention.kind, mention.name))
            )
        ),
        places: mentions.iter().map(|mention| mention.location).collect(),
        remedy: format!("add `.streamers({set} {{ ... }})` to the app"),
    };
    faults.into_iter().map(fault).collect()
}

pub(super) fn repeated_streamers(app: &App) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, given) in app.sets.iter().enumerate() {
        let mut names = Vec::new();
        for (nth, connection) in given.connections.iter().enumerate() {
            let in_this = given.connections[..nth]
                .iter()
                .any(|other| other.name == connection.name);
            let before = app.sets[..at]
                .iter()
                .any(|other| other.has(given.set, connection.name));
            if in_this || before {
                names.push(connection.name);
            }
        }
        if !names.is_empty() {
            faults.push(Fault {
                mistake: format!(
                    "the app was given two connections for {} of `{}`",
                    quoted(names),
                    given.set
                ),
                places: vec![given.location],
                remedy: "leave one of the two `.streamers(...)` out".to_owned(),
            });
        }
    }
    faults
}

/// What a streamer says itself of its options.
pub(super) fn wrong_options(app: &App, topology: &Topology) -> Vec<Fault> {
    let mut faults = Vec::new();
    for streamer in topology.streamers.iter().filter(|it| it.is_mentioned()) {
        for set in app.sets.iter().filter(|set| set.set == streamer.set) {
            let given = set.connections.iter();
            let given = given.filter(|given| given.name == streamer.name);
            let wrong = given.filter_map(|given| given.streamer.check().err());
            faults.extend(wrong.map(|error| Fault {
                mistake: format!("the options of the streamer `{}`: {error}", streamer.name),
                places: vec![set.location],
                remedy: "see to where the streamer is made".to_owned(),
            }));
        }
    }
    faults
}

/// What handlers ask of a streamer that was chosen at run time, and that it cannot give.
pub(super) fn broken_promises(app: &App, topology: &Topology) -> Vec<Fault> {
    let mut faults = Vec::new();
    for handler in &topology.handlers {
        for source in handler.sources {
            let name = source.topic.streamer;
            let sets = app
                .sets
                .iter()
                .filter(|given| given.set == source.topic.set);
            let mut given = sets.flat_map(|given| &given.connections);
            let Some(given) = given.find(|given| given.name == name) else {
                continue;
            };
            let lacking = asked(handler).filter(|asked| given.streamer.lacks(*asked));
            faults.extend(lacking.map(|asked| broken_promise(handler, name, asked)));
        }
    }
    faults
}

fn asked(handler: &HandlerDeclaration) -> impl Iterator<Item = Guarantee> {
    let alone = handler.group == Some(GroupDeclaration::EachInstance);
    let groups = (!alone).then_some(Guarantee::Groups);
    handler.guarantees.iter().copied().chain(groups)
}

fn broken_promise(handler: &HandlerDeclaration, streamer: &str, asked: Guarantee) -> Fault {
    let (asks, remedy) = match asked {
        Guarantee::Groups => (
            "shares its events with its other instances".to_owned(),
            "write `group = each_instance`",
        ),
        asked => (
            format!("asks for `guarantee({asked})`"),
            "leave that out of `guarantee(...)`",
        ),
    };
    Fault {
        mistake: format!(
            "the handler `{}` {asks}, and the streamer `{streamer}`, as it was chosen, cannot give that",
            handler.name
        ),
        places: vec![handler.location],
        remedy: format!("choose another one, or {remedy}"),
    }
}
