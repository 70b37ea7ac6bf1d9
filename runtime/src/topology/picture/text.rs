//! A fleet as a text: each topic, with who publishes and who hears there.

use std::fmt;

use super::group;
use crate::event::printable;
use crate::topology::columns;
use crate::topology::fleet::{Fleet, Hearing, Traffic};
use crate::topology::json::TopicForm;

/// `Display` writes it.
pub(crate) struct Listing<'f>(pub(crate) &'f Fleet);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = self.0.services.iter();
        let names: Vec<_> = services
            .map(|service| printable(&service.service))
            .collect();
        writeln!(f, "services {}\n\ntopics", names.join(", "))?;
        let topics = self.0.traffic();
        if topics.is_empty() {
            return writeln!(f, "  none");
        }
        let rows = topics
            .iter()
            .flat_map(|(topic, traffic)| rows(topic, traffic));
        columns(f, &rows.collect::<Vec<_>>())
    }
}

/// One for each that has to do with the topic; its name stands in the first one.
fn rows(topic: &TopicForm, traffic: &Traffic<'_>) -> Vec<Vec<String>> {
    let published = traffic.published.iter().map(|publication| {
        let title = publication.event.title();
        let service = &publication.service.service;
        [
            format!("<- {title}"),
            format!("of {service}"),
            String::new(),
        ]
    });
    let buried = traffic.buried.iter().map(|hearing| {
        let (what, who) = ("<- dead letters".to_owned(), name(hearing));
        [what, format!("of {who}"), String::new()]
    });
    let heard = traffic.heard.iter().map(|hearing| {
        let (what, who) = (hearing.title(), name(hearing));
        let group = group(hearing).unwrap_or_default();
        [format!("-> {what}"), format!("to {who}"), group]
    });
    let rows = published.chain(buried).chain(heard).enumerate();
    let named = rows.map(|(nth, row)| {
        let first = if nth == 0 {
            topic.to_string()
        } else {
            String::new()
        };
        let cells = std::iter::once(first).chain(row);
        cells.map(printable).collect()
    });
    named.collect()
}

fn name(hearing: &Hearing<'_>) -> String {
    format!(
        "{}.{}",
        hearing.service.service, hearing.subscription.handler
    )
}
