//! Questions to `JetStream`, and its answers.

use std::fmt;

use async_nats::jetstream::context::RequestErrorKind;
use async_nats::jetstream::response::Response;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::streamer::StreamError;

/// A question of which the subject says all.
#[derive(Serialize)]
pub(super) struct Bare {}

/// An answer that is not looked at.
pub(super) type Anything = IgnoredAny;

// What JetStream calls its errors.
pub(super) const NO_CONSUMER: u64 = 10014;
pub(super) const NO_STREAM: u64 = 10059;
pub(super) const CONSUMER_EXISTS: u64 = 10148;
pub(super) const MESSAGE_TOO_LARGE: u64 = 10054;
pub(super) const HEADERS_TOO_LARGE: u64 = 10097;

/// Why a question was not answered as hoped.
#[derive(Debug)]
pub(super) struct ApiError {
    /// Its number, if `JetStream` said no.
    pub(super) code: Option<u64>,
    /// Whether nothing was said in time.
    pub(super) is_late: bool,
    words: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for ApiError {}

impl From<ApiError> for StreamError {
    fn from(error: ApiError) -> Self {
        StreamError::new(error)
    }
}

impl ApiError {
    pub(super) fn is(&self, code: u64) -> bool {
        self.code == Some(code)
    }
}

pub(super) async fn ask<T: DeserializeOwned>(
    session: &Session,
    subject: &str,
    question: &(impl Serialize + Sync + ?Sized),
) -> Result<T, ApiError> {
    let unanswered = |words: String| ApiError {
        code: None,
        is_late: false,
        words,
    };
    let asking = session
        .jetstream
        .request::<_, _, Response<T>>(subject.to_owned(), question);
    let answered = tokio::select! {
        answered = asking => answered,
        () = session.over.cancelled() => {
            return Err(unanswered(format!("the connection to {} is lost", session.server)));
        }
    };
    match answered {
        Ok(Response::Ok(answer)) => Ok(answer),
        Ok(Response::Err { error }) => Err(ApiError {
            code: Some(error.error_code().0),
            is_late: false,
            words: error.to_string(),
        }),
        Err(error) => match error.kind() {
            RequestErrorKind::NoResponders => {
                Err(unanswered("nobody answers for JetStream".to_owned()))
            }
            RequestErrorKind::TimedOut => Err(ApiError {
                is_late: true,
                ..unanswered("JetStream does not answer in time".to_owned())
            }),
            _ => Err(unanswered(error.to_string())),
        },
    }
}

/// A page of names.
#[derive(Deserialize)]
struct Page {
    total: usize,
    streams: Option<Vec<String>>,
}

/// The names of all streams, or of those that capture a subject.
pub(super) async fn stream_names(
    session: &Session,
    subject: Option<&str>,
) -> Result<Vec<String>, ApiError> {
    #[derive(Serialize)]
    struct Question<'a> {
        offset: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<&'a str>,
    }
    let mut names = Vec::new();
    loop {
        let offset = names.len();
        let question = Question { offset, subject };
        let page: Page = ask(session, "STREAM.NAMES", &question).await?;
        let more = page.streams.unwrap_or_default();
        let is_last = more.is_empty() || names.len() + more.len() >= page.total;
        names.extend(more);
        if is_last {
            return Ok(names);
        }
    }
}
