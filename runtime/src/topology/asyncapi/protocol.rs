//! How a streamer carries events.

use crate::event::cloudevents::{AMQP, Binding, KAFKA, NATS};

/// What is known of a streamer by its type's name.
#[derive(Clone, Debug)]
pub(super) struct Protocol {
    /// As `AsyncAPI` calls it, or the type's name in small letters.
    pub(super) name: String,
    /// Its version, where that matters.
    pub(super) version: Option<&'static str>,
    /// How it carries events, where it is one of ours that has headers.
    pub(super) binding: Option<&'static Binding>,
}

impl Protocol {
    /// Of a streamer of this type, as it is written; `None` where its declaration is not linked.
    pub(super) fn of(kind: Option<&str>) -> Self {
        let written = kind.unwrap_or("unknown");
        let path = written.split('<').next().unwrap_or(written);
        let last = path.rsplit("::").next().unwrap_or(path).trim();
        let (name, version, binding) = match last {
            "Kafka" => ("kafka", None, Some(&KAFKA)),
            "Nats" => ("nats", None, Some(&NATS)),
            "Amqp" => ("amqp", Some("0.9.1"), Some(&AMQP)),
            "AnyStreamer" => ("any", None, None),
            other => (other, None, None),
        };
        Protocol {
            name: name.to_lowercase(),
            version,
            binding,
        }
    }

    /// What its bindings are called.
    pub(super) fn bindings(&self) -> Option<&str> {
        self.binding.map(|_| self.name.as_str())
    }

    /// The header of an attribute. Who has no headers, or unknown ones, is described by the names
    /// of the specification.
    pub(super) fn header(&self, attribute: &str) -> String {
        match self.binding {
            Some(binding) => binding.header(attribute),
            None => attribute.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn it_is_known_by_the_last_name_of_a_path() {
        let name = |kind| Protocol::of(Some(kind)).name;
        assert_eq!(name("Kafka"), "kafka");
        assert_eq!(name("fanfare :: streamers :: Amqp"), "amqp");
        assert_eq!(name("Recorded<fanfare::streamers::Kafka>"), "recorded");
        assert_eq!(name("AnyStreamer"), "any");
        assert_eq!(Protocol::of(None).name, "unknown");
    }
}
