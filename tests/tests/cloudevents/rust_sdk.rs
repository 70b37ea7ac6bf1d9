//! The official Rust SDK, `cloudevents-sdk`, in both directions.

use cloudevents::binding::http::to_event;
use cloudevents::event::{Data, ExtensionValue};
use cloudevents::{AttributesReader, Event, EventBuilder, EventBuilderV10};
use fanfare::event::cloudevents::{HTTP, Wire, structured};
use fanfare::event::{Envelope, EventId, Message};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use crate::cases;

/// What the SDK understands of an event, in the form of [`cases::meaning`].
fn meaning(event: &Event) -> Value {
    let optional = [
        ("subject", event.subject().map(str::to_owned)),
        ("time", event.time().map(chrono::DateTime::to_rfc3339)),
        (
            "datacontenttype",
            event.datacontenttype().map(str::to_owned),
        ),
        ("dataschema", event.dataschema().map(ToString::to_string)),
    ];
    let mut attributes: Map<String, Value> = Map::new();
    attributes.insert("specversion".into(), event.specversion().as_str().into());
    attributes.insert("id".into(), event.id().into());
    attributes.insert("source".into(), event.source().as_str().into());
    attributes.insert("type".into(), event.ty().into());
    attributes.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into()))),
    );
    attributes.extend(
        event
            .iter_extensions()
            .map(|(name, value)| (name.to_owned(), value.to_string().into())),
    );
    let is_json = event
        .datacontenttype()
        .is_some_and(|kind| kind.contains("json"));
    let data = match event.data() {
        Some(Data::Json(value)) => value.clone(),
        Some(Data::Binary(bytes)) if is_json => serde_json::from_slice(bytes).expect("JSON"),
        Some(Data::Binary(bytes)) => bytes.clone().into(),
        Some(Data::String(text)) => text.as_bytes().into(),
        None => json!([]),
    };
    json!({ "attributes": attributes, "data": data })
}

fn from_http(wire: &Wire) -> Event {
    let mut headers = HeaderMap::new();
    for (name, value) in &wire.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        headers.append(
            name,
            HeaderValue::from_bytes(value).expect("a header value"),
        );
    }
    to_event(&headers, wire.payload.to_vec()).expect("an event")
}

fn to_http(event: Event) -> Message {
    let request: http::Request<Option<Vec<u8>>> = event.try_into().expect("a request");
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    HTTP.read(
        headers,
        None,
        request.body().clone().unwrap_or_default().into(),
    )
}

/// The SDK neither writes nor reads the percent-encoding of HTTP, section 3.1.3.2, so that only
/// events that need none of it pass both ways.
fn passes_unencoded(event: &Envelope) -> bool {
    let encoded =
        |(name, value): &(_, bytes::Bytes)| *name != "content-type" && value.contains(&b'%');
    !HTTP.write(event).headers.iter().any(encoded)
}

#[test]
fn the_sdk_reads_our_json() {
    for (about, event) in cases::all() {
        let read: Event = serde_json::from_slice(&structured::to_json(&event)).expect(about);
        assert_eq!(meaning(&read), cases::meaning(&event), "{about}");
    }
}

#[test]
fn we_read_the_json_of_the_sdk() {
    for (about, event) in cases::all() {
        let theirs: Event = serde_json::from_slice(&structured::to_json(&event)).expect(about);
        let json = serde_json::to_vec(&theirs).expect(about).into();
        let read = structured::from_json(&json).expect(about);
        assert_eq!(cases::meaning(&read), meaning(&theirs), "{about}");
    }
}

#[test]
fn the_sdk_reads_our_http_requests_in_binary_mode() {
    let mut seen = 0;
    for (about, event) in cases::all()
        .into_iter()
        .filter(|(_, event)| passes_unencoded(event))
    {
        assert_eq!(
            meaning(&from_http(&HTTP.write(&event))),
            cases::meaning(&event),
            "{about}"
        );
        seen += 1;
    }
    assert!(seen >= 12, "{seen} events need no percent-encoding");
}

#[test]
fn the_sdk_reads_our_http_requests_in_structured_mode() {
    for (about, event) in cases::all() {
        assert_eq!(
            meaning(&from_http(&HTTP.write_structured(&event))),
            cases::meaning(&event),
            "{about}"
        );
    }
}

#[test]
fn we_read_the_http_requests_of_the_sdk_in_binary_mode() {
    for (about, event) in cases::all()
        .into_iter()
        .filter(|(_, event)| passes_unencoded(event))
    {
        let theirs = from_http(&HTTP.write(&event));
        let read = to_http(theirs.clone());
        let read = read.event().unwrap_or_else(|| panic!("{about}: {read:?}"));
        assert_eq!(cases::meaning(read), meaning(&theirs), "{about}");
    }
}

/// As producers older than the percent-encoding of HTTP do.
#[test]
fn spaces_and_quotes_that_the_sdk_leaves_as_they_are_in_a_header_are_read() {
    let event = EventBuilderV10::new()
        .id("1")
        .source("/s")
        .ty("t")
        .subject("say \"hi\" 100%")
        .build()
        .expect("an event");
    let message = to_http(event);
    assert_eq!(
        message.event().and_then(Envelope::subject),
        Some("say \"hi\" 100%")
    );
}

#[test]
fn extensions_of_each_type_keep_it_in_json() {
    let event = Envelope::new(EventId::new(), "/s", "t")
        .and_then(|event| event.with_extension("text", "7"))
        .and_then(|event| event.with_extension("number", -7))
        .and_then(|event| event.with_extension("truth", true))
        .expect("valid");
    let read: Event = serde_json::from_slice(&structured::to_json(&event)).expect("an event");
    assert_eq!(
        read.extension("text"),
        Some(&ExtensionValue::from_string("7"))
    );
    assert_eq!(
        read.extension("number"),
        Some(&ExtensionValue::from_i64(-7))
    );
    assert_eq!(
        read.extension("truth"),
        Some(&ExtensionValue::from_bool(true))
    );
}
