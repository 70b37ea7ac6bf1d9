//! What keeps an app from starting: found before anything is connected, and listed together.

#[cfg(feature = "avro")]
mod avro;
pub(crate) mod schemas;
mod shape;
mod streamers;

use std::any::TypeId;
use std::error::Error as StdError;
use std::fmt;

use self::shape::same_shape;
use self::streamers::{broken_promises, missing_streamers, repeated_streamers, wrong_options};
use super::App;
use crate::event::printable;
use crate::handler::Needs;
use crate::store::Start;
use crate::topology::{HandlerDeclaration, Location, Topology};

/// Everything that keeps an app from starting.
#[derive(Clone, PartialEq, Eq)]
pub struct Faults {
    service: String,
    all: Vec<Fault>,
    /// Whether it would start all the same.
    can_start: bool,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub mistake: String,
    /// Where it is written.
    pub places: Vec<Location>,
    /// What to do.
    pub remedy: String,
}

impl Faults {
    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.all.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = match self.all.len() {
            1 => "1 fault".to_owned(),
            count => format!("{count} faults"),
        };
        let service = &self.service;
        if self.can_start {
            write!(
                f,
                "the app `{service}` is not what it promised to be: {count}"
            )?;
        } else {
            write!(f, "the app `{service}` cannot start: {count}")?;
        }
        for (nth, fault) in self.all.iter().enumerate() {
            write!(f, "\n\n{}. {fault}", nth + 1)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Faults {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mistake)?;
        for place in &self.places {
            write!(f, "\n   at {place}")?;
        }
        write!(f, "\n   {}", self.remedy)
    }
}

impl Faults {
    /// `None` where there are none.
    pub(crate) fn of(app: &App, faults: Vec<Fault>) -> Option<Faults> {
        (!faults.is_empty()).then(|| Faults {
            service: app.service.clone(),
            all: faults,
            can_start: false,
        })
    }
}

/// Looks for all of them, and at the file of schemas.
pub(super) fn check_all(app: &App, topology: &Topology) -> Result<(), Faults> {
    let mut faults = match check(app, topology) {
        Ok(()) => Vec::new(),
        Err(faults) => faults.all,
    };
    let can_start = faults.is_empty();
    faults.extend(schemas::broken_schemas(app, topology));
    match Faults::of(app, faults) {
        None => Ok(()),
        Some(faults) => Err(Faults {
            can_start,
            ..faults
        }),
    }
}

/// Looks for all of them.
pub(super) fn check(app: &App, topology: &Topology) -> Result<(), Faults> {
    let mut faults = Vec::new();
    faults.extend(no_name(app));
    faults.extend(nothing_registered(app, topology));
    faults.extend(missing_streamers(app, topology));
    faults.extend(repeated_streamers(app));
    faults.extend(wrong_options(app, topology));
    faults.extend(broken_promises(app, topology));
    faults.extend(missing_states(app, topology));
    faults.extend(repeated_states(app));
    faults.extend(events_at_odds(topology));
    faults.extend(names_of_two_events(topology));
    faults.extend(handlers_of_one_name(topology));
    faults.extend(repeated_stores(app));
    faults.extend(missing_stores(app, topology));
    faults.extend(beginnings_without_a_store(app, topology));
    faults.extend(handlers_of_one_group(topology));
    faults.extend(schemas_that_are_none(topology));
    #[cfg(feature = "avro")]
    faults.extend(avro::avro(app, topology));
    Faults::of(app, faults).map_or(Ok(()), Err)
}

fn no_name(app: &App) -> Option<Fault> {
    let mistake = if app.service.is_empty() {
        "the app has no name".to_owned()
    } else if app
        .service
        .contains(|c: char| c.is_whitespace() || c.is_control())
    {
        let name = &app.service;
        format!("the app's name, {name:?}, has white space or a control character in it")
    } else {
        return None;
    };
    Some(Fault {
        mistake,
        places: vec![app.location],
        remedy: "name it in `App::new(\"...\")`: its events and its groups carry the name"
            .to_owned(),
    })
}

fn nothing_registered(app: &App, topology: &Topology) -> Option<Fault> {
    let nothing = topology.events.is_empty() && topology.handlers.is_empty();
    nothing.then(|| Fault {
        mistake: "no event and no handler is linked into this program".to_owned(),
        places: vec![app.location],
        remedy: "write an `#[event]` or an `#[event_handler]`; and if they are in another crate, name that crate, or it is not linked although Cargo.toml has it: `use that_crate as _;`".to_owned(),
    })
}

fn repeated_stores(app: &App) -> impl Iterator<Item = Fault> {
    app.repeated_stores.iter().map(|location| Fault {
        mistake: "the app was given a store, and another one before".to_owned(),
        places: vec![*location],
        remedy: "leave one of the two `.store(...)` out: a service has one log".to_owned(),
    })
}

/// Handlers that publish within transactions, on a store that the app has not: one fault for each
/// type of store.
fn missing_stores(app: &App, topology: &Topology) -> Vec<Fault> {
    let mut missing: Vec<(TypeId, &str, Vec<&HandlerDeclaration>)> = Vec::new();
    for handler in &topology.handlers {
        let mut needs = Needs::default();
        (handler.needs)(&mut needs);
        let Some((type_id, name)) = needs.store.filter(|(type_id, _)| !app.has_store(*type_id))
        else {
            continue;
        };
        match missing.iter_mut().find(|(known, ..)| *known == type_id) {
            Some((.., handlers)) => handlers.push(handler),
            None => missing.push((type_id, name, vec![handler])),
        }
    }
    let has = match app.store_type {
        Some((_, has)) => format!("is `{has}`"),
        None => "was not given".to_owned(),
    };
    let fault = |(_, name, handlers): (TypeId, &str, Vec<&HandlerDeclaration>)| Fault {
        mistake: format!(
            "the app's store {has}, and within transactions of `{name}` publishes {}",
            listed(
                handlers
                    .iter()
                    .map(|handler| format!("handler `{}`", handler.name))
            )
        ),
        places: handlers.iter().map(|handler| handler.location).collect(),
        remedy: "give the app that store with `.store(...)`, or take a `Publisher` without a store"
            .to_owned(),
    };
    missing.into_iter().map(fault).collect()
}

/// Without a store, there is nothing from before.
fn beginnings_without_a_store(app: &App, topology: &Topology) -> Vec<Fault> {
    let handlers = topology.handlers.iter();
    let from_beginning = handlers.filter(|handler| handler.start == Start::Beginning);
    let fault = |handler: &HandlerDeclaration| Fault {
        mistake: format!(
            "the handler `{}` starts from the beginning, and the app has no store that holds it",
            handler.name
        ),
        places: vec![handler.location],
        remedy: "add `.store(...)`, or leave `from = beginning` out".to_owned(),
    };
    match app.store {
        Some(_) => Vec::new(),
        None if app.has_stand_ins => Vec::new(),
        None => from_beginning.map(|handler| fault(handler)).collect(),
    }
}

/// One fault for each type, however many handlers ask for it.
fn missing_states(app: &App, topology: &Topology) -> Vec<Fault> {
    let mut missing: Vec<(TypeId, &str, Vec<&HandlerDeclaration>)> = Vec::new();
    for handler in &topology.handlers {
        let mut needs = Needs::default();
        (handler.needs)(&mut needs);
        for (type_id, name) in needs.states {
            if app.has_state(type_id) {
                continue;
            }
            match missing.iter_mut().find(|(known, ..)| *known == type_id) {
                Some((.., handlers))
                    if handlers.iter().any(|known| std::ptr::eq(*known, *handler)) => {}
                Some((.., handlers)) => handlers.push(handler),
                None => missing.push((type_id, name, vec![handler])),
            }
        }
    }
    let fault = |(_, name, handlers): (TypeId, &str, Vec<&HandlerDeclaration>)| Fault {
        mistake: format!(
            "the app was given no state of type `{name}`, which is asked for by {}",
            listed(
                handlers
                    .iter()
                    .map(|handler| format!("handler `{}`", handler.name))
            )
        ),
        places: handlers.iter().map(|handler| handler.location).collect(),
        remedy: "add `.state(...)` with a value of this type to the app".to_owned(),
    };
    missing.into_iter().map(fault).collect()
}

fn repeated_states(app: &App) -> impl Iterator<Item = Fault> {
    app.repeated_states.iter().map(|(name, location)| Fault {
        mistake: format!("the app was given two states of type `{name}`"),
        places: vec![*location],
        remedy: "leave one `.state(...)` out, or wrap it in a type of its own".to_owned(),
    })
}

/// Events of one name and version are one event, so their payloads must be of one shape.
fn events_at_odds(topology: &Topology) -> impl Iterator<Item = Fault> {
    let pairs = topology.events.windows(2).map(|pair| (pair[0], pair[1]));
    let at_odds = pairs.filter(|(one, other)| {
        (one.name, one.version) == (other.name, other.version) && !same_shape(one, other)
    });
    at_odds.map(|(one, other)| Fault {
        mistake: format!(
            "two events are called `{}` in version {}, and their schemas differ: `{}` and `{}`",
            one.name, one.version, one.type_name, other.type_name
        ),
        places: vec![one.location, other.location],
        remedy: "give one of them a `name` of its own, or the next `version` and `previous`"
            .to_owned(),
    })
}

/// What an event was called before is no other event's name, but for a version of it.
fn names_of_two_events(topology: &Topology) -> impl Iterator<Item = Fault> {
    let events = topology.events.iter().copied();
    events.flat_map(|event| {
        let others = topology.events.iter().copied();
        let twins = others.filter(|other| {
            event.former_names.contains(&other.name) && other.version >= event.version
        });
        twins.map(|other| Fault {
            mistake: format!(
                "`{}` in version {} was renamed from `{}`, and that is an event of its own, in version {}",
                event.name, event.version, other.name, other.version
            ),
            places: vec![event.location, other.location],
            remedy: format!(
                "take `renamed_from` out; or make `{}` the version before, with `previous = ...`",
                other.name
            ),
        })
    })
}

/// And compiles those that are some.
fn schemas_that_are_none(topology: &Topology) -> impl Iterator<Item = Fault> {
    topology.handlers.iter().filter_map(|handler| {
        let schema = handler.json_schema?;
        let events = topology.events.iter();
        let declared = events.map(|event| (event.name, event.version, event.schema));
        let why = schema.compile(handler.hears, declared).err()?;
        Some(Fault {
            mistake: format!(
                "the `json_schema` of the handler `{}` is none that can be checked by: {}",
                handler.name,
                printable(why)
            ),
            places: vec![handler.location],
            remedy: "mend the schema: it stands by itself, since nothing is fetched, and its patterns do not look around"
                .to_owned(),
        })
    })
}

/// A handler's name is its group's: two of one name would share the events.
fn handlers_of_one_name(topology: &Topology) -> impl Iterator<Item = Fault> {
    let of_one_name = topology
        .handlers
        .chunk_by(|one, other| one.name == other.name);
    let of_one_name = of_one_name.filter(|handlers| handlers.len() > 1);
    of_one_name.map(|handlers| Fault {
        mistake: format!(
            "{} handlers are called `{}`: {}",
            handlers.len(),
            handlers[0].name,
            listed(
                handlers
                    .iter()
                    .map(|handler| format!("`{}`", handler.function))
            )
        ),
        places: handlers.iter().map(|handler| handler.location).collect(),
        remedy: "give each a `name = \"...\"` of its own: it is the name of its group".to_owned(),
    })
}

/// Handlers of one group share the events of a topic: each would hear some, and lose the others.
fn handlers_of_one_group(topology: &Topology) -> impl Iterator<Item = Fault> {
    let of_one_group = topology.shared().into_iter();
    of_one_group.map(|(topic, group, handlers)| Fault {
        mistake: format!(
            "{} handlers share the group `{group}` on `{topic}`, so that each event reaches one of them only: {}",
            handlers.len(),
            quoted(handlers.iter().map(|handler| handler.name).collect())
        ),
        places: handlers.iter().map(|handler| handler.location).collect(),
        remedy: format!(
            "give each a `group` of its own, or leave it out: then it is `{}.<handler>`",
            topology.service
        ),
    })
}

fn quoted(names: Vec<&str>) -> String {
    listed(names.into_iter().map(|name| format!("`{name}`")))
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    match items.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
