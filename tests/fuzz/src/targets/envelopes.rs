//! Events on their way, in both modes of `CloudEvents`.

use bytes::Bytes;
use fanfare::event::cloudevents::{AMQP, Binding, HTTP, KAFKA, NATS, structured as json};
use fanfare::event::{Envelope, EnvelopeError, EventId, Message};

const BINDINGS: [Binding; 4] = [HTTP, KAFKA, NATS, AMQP];
/// Whether a message has a key there.
const IS_KEYED: [bool; 4] = [false, true, false, true];

/// An event as one JSON text.
pub fn structured(input: &[u8]) {
    if let Ok(event) = json::from_json(&Bytes::copy_from_slice(input)) {
        travels(&event);
    }
}

/// Headers, each a line of a name, `:` and a value; then a line with nothing in it, and the payload. The
/// header `key` stands for the key of a message.
pub fn binary(input: &[u8]) {
    let (head, payload) = match input.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &[][..]),
    };
    let headers: Vec<_> = head
        .split(|byte| *byte == b'\n')
        .filter_map(header)
        .collect();
    let key = headers.iter().find(|(name, _)| *name == "key");
    let key = key.map(|(_, value)| Bytes::copy_from_slice(value));
    for (nth, binding) in BINDINGS.into_iter().enumerate() {
        let key = key.clone().filter(|_| IS_KEYED[nth]);
        let payload = Bytes::copy_from_slice(payload);
        match binding.read(headers.clone(), key, payload) {
            Message::Event(event) => travels(&event),
            foreign @ Message::Foreign(_) => {
                let wire = binding.write_message(&foreign);
                let same = binding.read(wire.headers, wire.key, wire.payload);
                assert_eq!(same, foreign);
            }
        }
    }
}

fn header(line: &[u8]) -> Option<(&str, &[u8])> {
    let at = line.iter().position(|byte| *byte == b':')?;
    // `cloudEvents:id` has one in its name.
    let prefix = b"cloudEvents:";
    let at = match line.strip_prefix(prefix) {
        Some(rest) => prefix.len() + rest.iter().position(|byte| *byte == b':')?,
        None => at,
    };
    Some((str::from_utf8(&line[..at]).ok()?, &line[at + 1..]))
}

/// The attributes line by line, and then the payload.
pub fn envelope(input: &[u8]) {
    let mut lines = input.splitn(9, |byte| *byte == b'\n');
    let mut text = || str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let texts: [&str; 8] = std::array::from_fn(|_| text());
    let payload = Bytes::copy_from_slice(lines.next().unwrap_or_default());
    if let Ok(event) = made(texts, payload) {
        travels(&event);
    }
}

fn made(texts: [&str; 8], payload: Bytes) -> Result<Envelope, EnvelopeError> {
    let [
        id,
        source,
        kind,
        subject,
        key,
        schema,
        content_type,
        extension,
    ] = texts;
    let mut event = Envelope::new(EventId::parse(id)?, source, kind)?;
    if !subject.is_empty() {
        event = event.with_subject(subject)?;
    }
    if !key.is_empty() {
        event = event.with_key(key)?;
    }
    if !schema.is_empty() {
        event = event.with_schema(schema)?;
    }
    if !content_type.is_empty() {
        event = event.with_payload(content_type, payload)?;
    }
    match extension.split_once('=') {
        Some((name, value)) => event.with_extension(name, value),
        None => Ok(event),
    }
}

/// Written in whatever form, it is the same event.
fn travels(event: &Envelope) {
    for binding in BINDINGS {
        let wire = binding.write(event);
        let read = binding.read(wire.headers, wire.key, wire.payload);
        assert_eq!(read, Message::Event(event.clone()));
        let wire = binding.write_structured(event);
        let read = binding.read(wire.headers, wire.key, wire.payload);
        let read = read.event().expect("what was written is an event");
        assert_eq!(without_space(read), without_space(event));
    }
}

/// Space around JSON does not travel in structured mode.
fn without_space(event: &Envelope) -> Envelope {
    let Some(content_type) = event.content_type() else {
        return event.clone();
    };
    let payload = event.payload().slice_ref(event.payload().trim_ascii());
    let trimmed = event.clone().with_payload(content_type, payload);
    trimmed.expect("as valid as before")
}
