//! Events in the codec of the streamer that they go to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use super::desk::content_type;
use crate::codec::{Codec, CodecError, Plain};
use crate::event::{Envelope, Message, Written, codec_of};
#[cfg(feature = "avro")]
use crate::registry::Kind;
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
            let forms: Vec<_> = batch
                .iter()
                .map(|outgoing| self.form(outgoing.message()))
                .collect();
            let mut waiting = self.ask(&forms).await;
            for (at, (outgoing, form)) in batch.iter_mut().zip(forms).enumerate() {
                match self.recoded(outgoing.message(), form, &mut waiting) {
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

/// What of a batch cannot go on.
#[derive(Default)]
struct Waiting {
    /// No later event of these may overtake the one that waits.
    keys: HashSet<Vec<u8>>,
    /// By their place: why, and whether for good.
    forms: HashMap<usize, (String, bool)>,
}

impl Waiting {
    /// Why a message does not go with the others, if it does not.
    fn holds(&mut self, form: Option<usize>, key: Option<&[u8]>) -> Option<StreamError> {
        match form.and_then(|form| self.forms.get(&form)) {
            // One that is refused for good keeps nobody waiting.
            Some((why, true)) => Some(StreamError::refused(why.clone())),
            Some((why, false)) => {
                self.keys.extend(key.map(<[u8]>::to_vec));
                Some(StreamError::new(why.clone()))
            }
            None => {
                let is_held = key.is_some_and(|key| self.keys.contains(key));
                is_held.then(|| StreamError::new("an earlier event of its key waits"))
            }
        }
    }
}

impl Recoding {
    /// Asks for all that the events of a batch are written by, at once: a registry that is away takes its
    /// time for each.
    async fn ask(&self, forms: &[Option<usize>]) -> Waiting {
        let mut asked: Vec<usize> = Vec::new();
        for form in forms.iter().flatten() {
            if !self.forms[*form].is_ready() && !asked.contains(form) {
                asked.push(*form);
            }
        }
        let ask = asked.iter().map(|form| self.forms[*form].ask());
        let answers = join_all(ask).await;
        let mut waiting = Waiting::default();
        for (form, answer) in asked.into_iter().zip(answers) {
            if let Err(error) = answer {
                let why = (error.to_string(), error.is_refusal());
                waiting.forms.insert(form, why);
            }
        }
        waiting
    }

    /// The message as it goes to the topic.
    fn recoded(
        &self,
        message: &Message,
        form: Option<usize>,
        waiting: &mut Waiting,
    ) -> Result<Message, StreamError> {
        if let Some(error) = waiting.holds(form, message.key()) {
            return Err(error);
        }
        let (Some(form), Some(event)) = (form, message.event()) else {
            return Ok(message.clone());
        };
        let (codec, payload) = self.forms[form].of(event)?;
        Ok(event.recoded(content_type(codec), payload).into())
    }

    fn form(&self, message: &Message) -> Option<usize> {
        let event = message.event()?;
        let version = Written::in_envelope(event).version;
        let is_of = |form: &Form| form.event == event.kind() && Some(form.version) == version;
        self.forms.iter().position(is_of)
    }
}

impl Form {
    fn is_ready(&self) -> bool {
        match &self.into {
            WrittenIn::Codec(_) => true,
            #[cfg(feature = "avro")]
            WrittenIn::Avro(form) => form.known().is_some(),
        }
    }

    /// What is refused is so until somebody changes the registry, or the event.
    #[cfg_attr(
        not(feature = "avro"),
        allow(clippy::unused_async, reason = "Avro alone waits for somebody")
    )]
    async fn ask(&self) -> Result<(), StreamError> {
        match &self.into {
            WrittenIn::Codec(_) => Ok(()),
            #[cfg(feature = "avro")]
            WrittenIn::Avro(form) => match form.id().await {
                Ok(_) => Ok(()),
                Err(error) if error.kind == Kind::Refused => {
                    Err(StreamError::refused(error.to_string()))
                }
                Err(error) => Err(StreamError::new(error.to_string())),
            },
        }
    }

    /// What it is written by has been asked for.
    fn of(&self, event: &Envelope) -> Result<(Codec, Bytes), StreamError> {
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
                let Some(id) = form.known() else {
                    return Err(StreamError::new("the id of its schema is not known"));
                };
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

/// By way of what JSON can say.
fn recode(from: Option<Codec>, payload: &[u8], to: Codec) -> Result<Bytes, CodecError> {
    let Plain(value) = from.unwrap_or(Codec::Json).read(payload)?;
    to.write(&value)
}
