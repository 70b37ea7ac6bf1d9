//! Events in the codec of the streamer that they go to.

use std::collections::{HashMap, HashSet};
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
    pub(crate) into: WrittenIn,
}

/// What an event is written in.
#[derive(Clone)]
pub(crate) enum WrittenIn {
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
            let mut waiting = Waiting::default();
            for (at, outgoing) in batch.iter_mut().enumerate() {
                match self.recoded(outgoing.message(), &mut waiting).await {
                    Ok(message) => {
                        ready.push(Outgoing::new(message));
                        places.push(at);
                    }
                    Err(error) => outgoing.report(Err(error)),
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

/// What of a batch cannot go on yet.
#[derive(Default)]
struct Waiting {
    /// No later event of these may overtake the one that waits.
    keys: HashSet<Vec<u8>>,
    /// By their place: asked once for a batch, and why in vain.
    forms: HashMap<usize, String>,
}

impl Waiting {
    /// Why a message waits with those before it, if it does.
    fn holds(&mut self, form: Option<usize>, key: Option<&[u8]>) -> Option<StreamError> {
        if let Some(why) = form.and_then(|form| self.forms.get(&form)) {
            self.keys.extend(key.map(<[u8]>::to_vec));
            return Some(StreamError::new(why.clone()));
        }
        let is_held = key.is_some_and(|key| self.keys.contains(key));
        is_held.then(|| StreamError::new("an earlier event of its key waits"))
    }

    fn begin(&mut self, form: usize, key: Option<&[u8]>, error: &StreamError) {
        self.keys.extend(key.map(<[u8]>::to_vec));
        self.forms.insert(form, error.to_string());
    }
}

impl Recoding {
    /// The message as it goes to the topic.
    async fn recoded(
        &self,
        message: &Message,
        waiting: &mut Waiting,
    ) -> Result<Message, StreamError> {
        let key = message.key();
        let Some((nth, form, event)) = self.form(message) else {
            return waiting.holds(None, key).map_or(Ok(message.clone()), Err);
        };
        if let Some(error) = waiting.holds(Some(nth), key) {
            return Err(error);
        }
        match form.of(event).await {
            Ok((codec, payload)) => Ok(event.recoded(content_type(codec), payload).into()),
            // One that is refused for good keeps nobody waiting.
            Err(error) if error.is_refusal() => Err(error),
            Err(error) => {
                waiting.begin(nth, key, &error);
                Err(error)
            }
        }
    }

    fn form<'a>(&'a self, message: &'a Message) -> Option<(usize, &'a Form, &'a Envelope)> {
        let event = message.event()?;
        let version = Written::in_envelope(event).version;
        let mut forms = self.forms.iter().enumerate();
        let is_of = |form: &Form| form.event == event.kind() && Some(form.version) == version;
        let (nth, form) = forms.find(|(_, form)| is_of(form))?;
        Some((nth, form, event))
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
            WrittenIn::Codec(codec) if written == Some(*codec) => {
                Ok((*codec, event.payload().clone()))
            }
            WrittenIn::Codec(codec) => {
                let payload = recode(written, event.payload(), *codec);
                let payload = payload.map_err(|error| self.misfit(*codec, &error))?;
                Ok((*codec, payload))
            }
            #[cfg(feature = "avro")]
            WrittenIn::Avro(_) if written == Some(Codec::Avro) => {
                Ok((Codec::Avro, event.payload().clone()))
            }
            #[cfg(feature = "avro")]
            WrittenIn::Avro(form) => {
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
fn recode(from: Option<Codec>, payload: &[u8], to: Codec) -> Result<Bytes, CodecError> {
    let value: Value = from.unwrap_or(Codec::Json).read(payload)?;
    to.write(&value)
}
