//! The log: positions, cursors, and what is not needed any more.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Subcommand;
use serde_json::json;

use super::print::{Print, table};
use crate::app::{App, Running, cursors_of};
use crate::error::{Error, Result};
use crate::store::{Query, Start, Store, Which};
use crate::topology::{Subscription, Topology};

/// What can be done with a cursor.
#[derive(Clone, Debug, Subcommand)]
pub enum CursorsCommand {
    /// Forget the cursor of a handler or topic that the code has no more: it keeps events from
    /// being pruned
    Forget {
        /// Its name, as `cursors` shows it
        name: String,
    },
}

/// The first event that a handler gets again.
#[derive(Clone, Copy, Debug)]
pub struct FirstPosition(u64);

impl FromStr for FirstPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let position = match text {
            "beginning" => Some(1),
            text => text.parse().ok().filter(|position| *position > 0),
        };
        let position = position.ok_or("write a position, which is 1 or more, or `beginning`");
        Ok(FirstPosition(position?))
    }
}

pub(super) async fn replay(
    app: App,
    handler: &str,
    from: FirstPosition,
    print: Print,
) -> Result<()> {
    let running = app.idle()?;
    let result = rewind(&running, handler, from, print).await;
    ended(running, result).await
}

async fn rewind(running: &Running, handler: &str, from: FirstPosition, print: Print) -> Result<()> {
    let (store, cursor) = (running.store()?, own_cursor(running.topology(), handler)?);
    let (FirstPosition(from), end) = (from, store.end().await?);
    let first = Query {
        after: from - 1,
        of: Which::All,
        max: 1,
    };
    let first = store.read(&first).await?;
    let Some((first, _)) = first.events.first() else {
        return Err(Error::msg(format!(
            "the log ends at position {end}: there is no event at {from} or behind it"
        )));
    };
    let at = store.cursor(&cursor, Start::Beginning).await?;
    store.rewind(&cursor, from - 1).await?;
    let value = json!({"cursor": cursor, "from": from, "first": first, "end": end, "was_at": at});
    let text = format!(
        "`{handler}` gets the events again that are stored from position {first} to {end} (it had \
         come to {at}); if it deduplicates, those that it has handled are left out"
    );
    print.out(&value, &text)
}

/// The cursor of a handler of the service's own events.
fn own_cursor(topology: &Topology, handler: &str) -> Result<String> {
    let mut subscriptions = topology.subscriptions.iter();
    let own = subscriptions.clone().filter(|known| known.topic.is_none());
    let own: Vec<_> = own.map(|known| format!("`{}`", known.handler)).collect();
    let is_it = |known: &&Subscription| {
        known.handler == handler || topology.full_name(known.handler) == handler
    };
    let names = match own.as_slice() {
        [] => "this program has none".to_owned(),
        own => format!("those are {}", own.join(", ")),
    };
    match subscriptions.find(is_it) {
        None => Err(Error::msg(format!(
            "no handler is called `{handler}`; a handler of the service's own events is asked for, and {names}"
        ))),
        Some(known) if known.topic.is_some() => Err(Error::msg(format!(
            "`{handler}` hears `{}`, not the service's own events: where its group stands there is known to the broker and set by the broker's tools",
            known.from()
        ))),
        Some(known) => Ok(topology.full_name(known.handler)),
    }
}

pub(super) async fn cursors(app: App, print: Print) -> Result<()> {
    let running = app.idle()?;
    let result = list(running.topology(), &running, print).await;
    ended(running, result).await
}

async fn list(topology: &Topology, running: &Running, print: Print) -> Result<()> {
    let store = running.store()?;
    let (cursors, end) = (store.cursors().await?, store.end().await?);
    let used = cursors_of(topology);
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for (name, position) in cursors {
        let is_used = used.contains(&name);
        let behind = end.saturating_sub(position);
        let whose = if is_used { "" } else { "not of this program" };
        values.push(
            json!({"name": name, "position": position, "behind": behind, "is_used": is_used}),
        );
        rows.push(vec![
            name,
            position.to_string(),
            behind.to_string(),
            whose.to_owned(),
        ]);
    }
    let text = table(&["cursor", "position", "behind", ""], rows);
    print.out(&json!({"end": end, "cursors": values}), &text)
}

pub(super) async fn forget(app: App, name: &str, print: Print) -> Result<()> {
    let running = app.idle()?;
    let result = async {
        let store = running.store()?;
        if cursors_of(running.topology()).contains(name) {
            return Err(Error::msg(format!(
                "`{name}` is the cursor of a handler or topic of this program: it would miss events"
            )));
        }
        if !store.forget_cursor(name).await? {
            return Err(Error::msg(format!(
                "there is no cursor `{name}`: `cursors` lists them"
            )));
        }
        print.out(
            &json!({"forgotten": name}),
            &format!("`{name}` is forgotten"),
        )
    };
    let result = result.await;
    ended(running, result).await
}

pub(super) async fn prune(app: App, older_than: Duration, print: Print) -> Result<()> {
    let running = app.idle()?;
    let result = async {
        let store: &Arc<dyn Store> = running.store()?;
        let before = SystemTime::now().checked_sub(older_than);
        let before = before.unwrap_or(SystemTime::UNIX_EPOCH);
        let pruned = store.prune_events(before).await?;
        let text = format!("removed, of those that every cursor had passed: {pruned}");
        print.out(&json!({"pruned": pruned}), &text)
    };
    let result = result.await;
    ended(running, result).await
}

/// Closes what the command has opened. Its own error comes first.
pub(super) async fn ended(running: Running, result: Result<()>) -> Result<()> {
    let closed = running.shutdown().await;
    result.and(closed)
}
