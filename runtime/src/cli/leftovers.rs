//! What handlers that are gone have left behind at the brokers.

use clap::Subcommand;
use serde_json::{Value, json};

use super::log::ended;
use super::print::{Print, table};
use crate::app::{App, Found, LeftAt, Running};
use crate::error::{Error, Result};

/// What can be done with what was left behind.
#[derive(Clone, Debug, Subcommand)]
pub enum LeftoversCommand {
    /// Remove what `leftovers` lists, with the events that wait there
    Remove {
        /// Only of this group
        #[arg(long)]
        group: Option<String>,
    },
}

pub(super) async fn run(app: App, command: Option<LeftoversCommand>, print: Print) -> Result<()> {
    let running = app.idle()?;
    let result = list_or_remove(&running, command, print).await;
    ended(running, result).await
}

/// One streamer that is in trouble hides nothing of the others.
async fn list_or_remove(
    running: &Running,
    command: Option<LeftoversCommand>,
    print: Print,
) -> Result<()> {
    let unreached = running.connect().await.err();
    let Found { left, problems } = running.leftovers().await;
    let mut troubles: Vec<_> = unreached.iter().map(ToString::to_string).collect();
    troubles.extend(problems);
    match command {
        None => list(&left, print)?,
        Some(LeftoversCommand::Remove { group }) => {
            remove(running, left, group, print, &mut troubles).await?;
        }
    }
    if troubles.is_empty() {
        return Ok(());
    }
    Err(Error::msg(troubles.join("; ")))
}

fn list(left: &[LeftAt], print: Print) -> Result<()> {
    let rows = left.iter().map(
        |LeftAt {
             streamer,
             leftover: left,
             ..
         }| {
            vec![
                (*streamer).to_owned(),
                left.group.clone(),
                left.topic.clone().unwrap_or_default(),
                left.waiting
                    .map(|many| many.to_string())
                    .unwrap_or_default(),
            ]
        },
    );
    let text = table(&["streamer", "group", "topic", "waiting"], rows.collect());
    print.out(&json!({"leftovers": values(left)}), &text)
}

async fn remove(
    running: &Running,
    mut left: Vec<LeftAt>,
    group: Option<String>,
    print: Print,
    troubles: &mut Vec<String>,
) -> Result<()> {
    if let Some(group) = group {
        left.retain(|left| left.leftover.group == group);
        if left.is_empty() {
            troubles.push(format!(
                "no handler that is gone has left a group `{group}`: `leftovers` lists those there are"
            ));
            return Ok(());
        }
    }
    let mut removed = Vec::with_capacity(left.len());
    for left in left {
        match running.remove(&left).await {
            Ok(()) => removed.push(left),
            Err(error) => troubles.push(error.to_string()),
        }
    }
    let text = match removed.as_slice() {
        [] if troubles.is_empty() => "there was nothing to remove".to_owned(),
        [] => "nothing was removed".to_owned(),
        removed => {
            let names = removed
                .iter()
                .map(|left| format!("{}: {}", left.streamer, left.leftover));
            format!("removed:\n{}", names.collect::<Vec<_>>().join("\n"))
        }
    };
    print.out(&json!({"removed": values(&removed)}), &text)
}

fn values(left: &[LeftAt]) -> Vec<Value> {
    let value = |LeftAt {
                     streamer,
                     set,
                     leftover: left,
                 }: &LeftAt| {
        json!({
            "streamer": streamer,
            "set": set,
            "group": left.group,
            "topic": left.topic,
            "waiting": left.waiting,
        })
    };
    left.iter().map(value).collect()
}
