//! Events as others read and write them: `CloudEvents` 1.0.2.
//!
//! An event travels in one of two modes. In *binary mode* its attributes are headers and its
//! payload is the message; in *structured mode* all of it is one JSON text. How attributes become
//! headers differs between protocols, and a [`Binding`] describes that: [`HTTP`], [`KAFKA`],
//! [`NATS`], [`AMQP`].
//! Writing is [`Binding::write`] or [`Binding::write_structured`]; [`Binding::read`] understands
//! both modes, and gives back what is no event [as it came](super::Foreign). [`structured`] is the
//! JSON event format alone, for what has no headers.
//!
//! ```
//! use bytes::Bytes;
//! use fanfare::event::cloudevents::KAFKA;
//! use fanfare::event::{Envelope, EventId, Message};
//!
//! let sent = Envelope::new(EventId::new(), "/blog", "blog.post-created")?
//!     .with_payload("application/json", Bytes::from_static(b"{}"))?
//!     .with_key("post-17")?;
//!
//! let record = KAFKA.write(&sent);
//! assert_eq!(record.key.as_deref(), Some(&b"post-17"[..]));
//!
//! let read = KAFKA.read(record.headers, record.key, record.payload);
//! assert_eq!(read, Message::Event(sent));
//! # Ok::<(), fanfare::event::EnvelopeError>(())
//! ```
//!
//! The specifications: [`CloudEvents`](https://github.com/cloudevents/spec/blob/ce@v1.0.2/cloudevents/spec.md),
//! [JSON](https://github.com/cloudevents/spec/blob/ce@v1.0.2/cloudevents/formats/json-format.md),
//! [HTTP](https://github.com/cloudevents/spec/blob/ce@v1.0.2/cloudevents/bindings/http-protocol-binding.md),
//! [Kafka](https://github.com/cloudevents/spec/blob/ce@v1.0.2/cloudevents/bindings/kafka-protocol-binding.md),
//! [NATS](https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md),
//! [AMQP](https://github.com/cloudevents/spec/blob/ce@v1.0.2/cloudevents/bindings/amqp-protocol-binding.md).

mod binary;
mod binding;
mod draft;
pub mod structured;

pub use binding::{AMQP, Binding, HTTP, KAFKA, NATS, Wire};

/// The names of extension attributes that fanfare writes and reads itself.
///
/// The key, `partitionkey`, is not among them: it is [`Envelope::key`](super::Envelope::key).
pub mod extension {
    /// The trace that the event belongs to (Distributed Tracing extension; W3C Trace Context).
    pub const TRACEPARENT: &str = "traceparent";
    /// What belongs together across services (Correlation extension).
    pub const CORRELATION_ID: &str = "correlationid";
    /// The id of the event that led to this one (Correlation extension).
    pub const CAUSATION_ID: &str = "causationid";
    /// When the event loses its worth (Expiry Time extension).
    pub const EXPIRY_TIME: &str = "expirytime";
}
