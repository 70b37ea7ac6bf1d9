//! A payload in Avro, before its event is read: its schema is looked up, and it becomes JSON.

use std::collections::HashSet;

use arcstr::literal;
use bytes::Bytes;
use futures_util::future::join_all;

use super::call::Failed;
use super::lanes::lane;
use super::{Context, Hears, RetryOrder, Worker};
use crate::codec::{Codec, avro};
use crate::error::{Error, Verdict};
use crate::event::{Message, ReadError, codec_of};
use crate::registry::{Kind, Registry};

/// What a client says that knows no media type.
const ANYTHING: &str = "application/octet-stream";

impl Worker {
    /// Whether its message can be read at once. Whoever takes any message takes it as it came.
    pub(super) fn is_readable(&self, context: &Context) -> bool {
        self.registry.is_none()
            || self.subscription.hears == Hears::Everything
            || !is_avro(context.message())
    }

    /// The context with a message that can be read at once.
    pub(super) async fn readable(&self, context: Context) -> Result<Context, Failed> {
        let Some(registry) = self
            .registry
            .as_ref()
            .filter(|_| !self.is_readable(&context))
        else {
            return Ok(context);
        };
        let json = Box::pin(json(registry, context.message().payload())).await?;
        let message = context
            .message()
            .recoded(literal!("application/json"), json);
        Ok(context.readable_as(message))
    }

    /// Those that can be read, and for each of all, why it cannot; while in order, those behind one that
    /// cannot be read yet wait with it.
    pub(super) async fn all_readable(
        &self,
        contexts: Vec<Context>,
    ) -> (Vec<Context>, Vec<Option<Failed>>) {
        if self.registry.is_none() {
            let none = contexts.iter().map(|_| None).collect();
            return (contexts, none);
        }
        let lane = |context: &Context| lane(context.message(), context.origin().stream());
        let lanes: Vec<_> = contexts.iter().map(lane).collect();
        let all = contexts.into_iter().map(|context| self.readable(context));
        let (mut readable, mut failed) = (Vec::new(), Vec::new());
        let mut waiting = HashSet::new();
        for (lane, result) in lanes.into_iter().zip(join_all(all).await) {
            match result {
                Ok(_) if waiting.contains(&lane) => failed.push(Some(waits())),
                Ok(context) => {
                    readable.push(context);
                    failed.push(None);
                }
                Err(error) => {
                    if !error.unreadable && self.policy().order == RetryOrder::InOrder {
                        waiting.insert(lane);
                    }
                    failed.push(Some(error));
                }
            }
        }
        (readable, failed)
    }
}

fn waits() -> Failed {
    Failed::from(Error::msg("an earlier event of its key cannot be read yet"))
}

/// Whether it says that it is Avro; or says nothing, and looks so.
fn is_avro(message: &Message) -> bool {
    if let Message::Foreign(foreign) = message
        && foreign.fault().is_some()
    {
        return false;
    }
    match message.content_type() {
        None | Some(ANYTHING) => avro::framed(message.payload()).is_some(),
        Some(content_type) => codec_of(content_type) == Some(Codec::Avro),
    }
}

async fn json(registry: &Registry, payload: &Bytes) -> Result<Bytes, Failed> {
    let Some((id, datum)) = avro::framed(payload) else {
        return Err(ReadError::Avro(avro::NOT_FRAMED.to_owned()).into());
    };
    let shape = registry.shape(id).await.map_err(|error| match error.kind {
        Kind::Unfit => Failed::from(ReadError::Avro(error.to_string())),
        Kind::Passing | Kind::Missing | Kind::Refused => Failed {
            verdict: Verdict::ByPolicy,
            ..Failed::from(Error::msg(format!(
                "the payload cannot be read as Avro yet: {error}"
            )))
        },
    })?;
    let json = avro::to_json(&shape, datum);
    let json = json.map_err(|error| ReadError::Avro(format!("by the schema {id}: {error}")))?;
    Ok(Bytes::from(json))
}
