//! Events in the codec of the streamer that they go to.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::desk::content_type;
use crate::codec::{Codec, CodecError};
use crate::event::{Envelope, Message, Written, codec_of};
use crate::streamer::{BoxFuture, Outgoing, PublishAny, StreamError};

/// What one event is written in on its way to a topic.
pub(crate) struct Form {
    pub(crate) event: &'static str,
    /// Each has a form of its own.
    pub(crate) version: u32,
    pub(crate) into: Into,
}

/// What an event is written in.
pub(crate) enum Into {
    Codec(Codec),
    #[cfg(feature = "avro")]
    Avro(Arc<super::avro::AvroForm>),
}

/// A streamer whose topic takes events in other codecs than they have in the service.
pub(crate) struct Recoding {
    pub(crate) streamer: Arc<dyn PublishAny>,
    pub(crate) forms: Arc<[Form]>,
}

impl PublishAny for Recoding {
    fn publish<'a>(&'a self, topic: &'a str, batch: &'a mut [Outgoing]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut ready: Vec<Outgoing> = Vec::with_capacity(batch.len());
            let mut places = Vec::with_capacity(batch.len());
            let mut waiting = HashSet::new();
            for (at, outgoing) in batch.iter_mut().enumerate() {
                let key = outgoing.message().key().map(<[u8]>::to_vec);
                if key.as_ref().is_some_and(|key| waiting.contains(key)) {
                    outgoing.report(Err(StreamError::new("an earlier event of its key waits")));
                    continue;
                }
                match self.recoded(outgoing.message()).await {
                    Ok(message) => {
                        ready.push(Outgoing::new(message));
                        places.push(at);
                    }
                    Err(error) => {
                        // One that is refused for good keeps nobody waiting.
                        waiting.extend(key.filter(|_| !error.is_refusal()));
                        outgoing.report(Err(error));
                    }
                }
            }
            if ready.is_empty() {
                return;
            }
            self.streamer.publish(topic, &mut ready).await;
            for (at, outgoing) in places.into_iter().zip(ready) {
                if outgoing.is_unheard() {
                    batch[at].report_unheard();
                } else {
                    batch[at].report(outgoing.into_result());
                }
            }
        })
    }
}

impl Recoding {
    /// The message as it goes to the topic.
    async fn recoded(&self, message: &Message) -> Result<Message, StreamError> {
        let Message::Event(event) = message else {
            return Ok(message.clone());
        };
        let version = Written::in_envelope(event).version;
        let is_of = |form: &&Form| form.event == event.kind() && Some(form.version) == version;
        let Some(form) = self.forms.iter().find(is_of) else {
            return Ok(message.clone());
        };
        let (codec, payload) = form.of(event).await?;
        Ok(event.recoded(content_type(codec), payload).into())
    }
}

impl Form {
    #[cfg_attr(
        not(feature = "avro"),
        allow(clippy::unused_async, reason = "Avro alone waits for somebody")
    )]
    async fn of(&self, event: &Envelope) -> Result<(Codec, Bytes), StreamError> {
        let written = event.content_type().map_or(Some(Codec::Json), codec_of);
        match &self.into {
            Into::Codec(codec) if written == Some(*codec) => Ok((*codec, event.payload().clone())),
            Into::Codec(codec) => {
                let payload = recode(written, event.payload(), *codec);
                let payload = payload.map_err(|error| self.misfit(*codec, &error))?;
                Ok((*codec, payload.into()))
            }
            #[cfg(feature = "avro")]
            Into::Avro(_) if written == Some(Codec::Avro) => {
                Ok((Codec::Avro, event.payload().clone()))
            }
            #[cfg(feature = "avro")]
            Into::Avro(form) => {
                let id = form.id().await;
                let id = id.map_err(|error| StreamError::new(error.to_string()))?;
                let payload = match written {
                    Some(Codec::Json) => form.write(id, event.payload()),
                    other => recode(other, event.payload(), Codec::Json)
                        .and_then(|json| form.write(id, &json)),
                };
                let payload = payload.map_err(|error| self.misfit(Codec::Avro, &error))?;
                Ok((Codec::Avro, payload.into()))
            }
        }
    }

    /// However often it is sent, it is the same.
    fn misfit(&self, codec: Codec, error: &CodecError) -> StreamError {
        let event = self.event;
        StreamError::refused(format!("`{event}` cannot be written as {codec}: {error}"))
    }
}

/// Every codec but Avro has the data model of JSON.
fn recode(from: Option<Codec>, payload: &[u8], to: Codec) -> Result<Vec<u8>, CodecError> {
    let value: Value = from.unwrap_or(Codec::Json).read(payload)?;
    to.write(&value)
}
