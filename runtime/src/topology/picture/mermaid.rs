//! Mermaid, as GitHub and many wikis draw it.

use std::fmt::{self, Display, Write};

use super::ids::Ids;
use super::{EdgeKind, End, Picture};

impl Picture {
    /// A flowchart.
    pub(crate) fn mermaid(&self) -> impl Display {
        let ids = Ids::of(self);
        fmt::from_fn(move |f| {
            f.write_str("flowchart LR\n")?;
            self.mermaid_services(f, &ids)?;
            self.mermaid_streamers(f, &ids)?;
            self.mermaid_edges(f, &ids)?;
            f.write_str("  classDef deadLetters stroke-dasharray: 5 5\n")
        })
    }

    fn mermaid_services(&self, f: &mut fmt::Formatter<'_>, ids: &Ids) -> fmt::Result {
        for (nth, service) in self.services.iter().enumerate() {
            let name = Escaped(&service.name);
            writeln!(f, "  subgraph {}[\"{name}\"]", ids.services[nth])?;
            for (at, event) in service.events.iter().enumerate() {
                let id = ids.end(End::Event(nth, at));
                writeln!(f, "    {id}([\"{}\"])", Escaped(event))?;
            }
            for (at, handler) in service.handlers.iter().enumerate() {
                let id = ids.end(End::Handler(nth, at));
                let (name, hears) = (Escaped(&handler.name), Escaped(&handler.hears));
                writeln!(f, "    {id}[\"{name}<br>{hears}\"]")?;
            }
            f.write_str("  end\n")?;
        }
        Ok(())
    }

    fn mermaid_streamers(&self, f: &mut fmt::Formatter<'_>, ids: &Ids) -> fmt::Result {
        for (nth, streamer) in self.streamers.iter().enumerate() {
            let title = streamer.title();
            writeln!(
                f,
                "  subgraph {}[\"{}\"]",
                ids.streamers[nth],
                Escaped(&title)
            )?;
            for (at, topic) in streamer.topics.iter().enumerate() {
                let id = ids.end(End::Topic(nth, at));
                let class = if topic.is_for_dead_letters {
                    ":::deadLetters"
                } else {
                    ""
                };
                writeln!(f, "    {id}[/\"{}\"/]{class}", Escaped(&topic.name))?;
            }
            f.write_str("  end\n")?;
        }
        Ok(())
    }

    fn mermaid_edges(&self, f: &mut fmt::Formatter<'_>, ids: &Ids) -> fmt::Result {
        for edge in &self.edges {
            let arrow = match edge.kind {
                EdgeKind::Buried => "-.->",
                EdgeKind::Streamed | EdgeKind::Own => "-->",
            };
            write!(f, "  {} {arrow}", ids.end(edge.from))?;
            if let Some(label) = edge.label() {
                write!(f, "|\"{}\"|", Escaped(label))?;
            }
            writeln!(f, " {}", ids.end(edge.to))?;
        }
        Ok(())
    }
}

/// Within quotes, as Mermaid's entity codes. What it would read as Markdown or HTML is none.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' | '#' | '&' | '<' | '>' | '`' | '\\' | '*' | ';' | '%' => {
                    write!(f, "#{};", u32::from(c))?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
