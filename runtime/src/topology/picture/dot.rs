//! DOT, the language of Graphviz.

use std::fmt::{self, Display, Write};

use super::ids::Ids;
use super::{EdgeKind, End, Picture};

impl Picture {
    /// A directed graph, a cluster for each service and streamer.
    pub(crate) fn dot(&self) -> impl Display {
        let ids = Ids::of(self);
        fmt::from_fn(move |f| {
            f.write_str("digraph fleet {\n")?;
            f.write_str("  rankdir=LR;\n")?;
            f.write_str("  graph [fontname=\"sans-serif\"];\n")?;
            f.write_str("  node [fontname=\"sans-serif\", shape=box];\n")?;
            f.write_str("  edge [fontname=\"sans-serif\"];\n")?;
            self.dot_services(f, &ids)?;
            self.dot_streamers(f, &ids)?;
            self.dot_edges(f, &ids)?;
            f.write_str("}\n")
        })
    }

    fn dot_services(&self, f: &mut fmt::Formatter<'_>, ids: &Ids) -> fmt::Result {
        for (nth, service) in self.services.iter().enumerate() {
            writeln!(f, "  subgraph cluster_{} {{", ids.services[nth])?;
            writeln!(f, "    label=\"{}\";", Escaped(&service.name))?;
            for (at, event) in service.events.iter().enumerate() {
                let id = ids.end(End::Event(nth, at));
                writeln!(f, "    {id} [label=\"{}\", style=rounded];", Escaped(event))?;
            }
            for (at, handler) in service.handlers.iter().enumerate() {
                let id = ids.end(End::Handler(nth, at));
                let (name, hears) = (Escaped(&handler.name), Escaped(&handler.hears));
                writeln!(f, "    {id} [label=\"{name}\\n{hears}\"];")?;
            }
            f.write_str("  }\n")?;
        }
        Ok(())
    }

    fn dot_streamers(&self, f: &mut fmt::Formatter<'_>, ids: &Ids) -> fmt::Result {
        for (nth, streamer) in self.streamers.iter().enumerate() {
            writeln!(f, "  subgraph cluster_{} {{", ids.streamers[nth])?;
            writeln!(f, "    label=\"{}\";", Escaped(&streamer.title()))?;
            for (at, topic) in streamer.topics.iter().enumerate() {
                let id = ids.end(End::Topic(nth, at));
                let style = if topic.is_for_dead_letters {
                    ", style=dashed"
                } else {
                    ""
                };
                let name = Escaped(&topic.name);
                writeln!(f, "    {id} [label=\"{name}\", shape=cds{style}];")?;
            }
            f.write_str("  }\n")?;
        }
        Ok(())
    }

    fn dot_edges(&self, f: &mut fmt::Formatter<'_>, ids: &Ids) -> fmt::Result {
        for edge in &self.edges {
            let (from, to) = (ids.end(edge.from), ids.end(edge.to));
            write!(f, "  {from} -> {to}")?;
            let label = edge.label().map(Escaped);
            match (label, edge.kind == EdgeKind::Buried) {
                (Some(label), true) => write!(f, " [label=\"{label}\", style=dashed]")?,
                (Some(label), false) => write!(f, " [label=\"{label}\"]")?,
                (None, true) => f.write_str(" [style=dashed]")?,
                (None, false) => {}
            }
            f.write_str(";\n")?;
        }
        Ok(())
    }
}

/// Within quotes: Graphviz reads HTML's entities in a label, and escapes of its own.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '&' => f.write_str("&amp;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
