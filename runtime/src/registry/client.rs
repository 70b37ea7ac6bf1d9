//! Confluent's interface of a schema registry, over HTTP.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::SchemaRegistry;
use super::error::{Kind, RegistryError};
use crate::event::printable;

/// What is asked and told in.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// The longest answer: a schema is a text that people have written.
const LONGEST: u64 = 4 * 1024 * 1024;

/// What Confluent's says with 422 where a subject, or all of them, may only be read for now.
const READ_ONLY: u32 = 42_205;

/// The most of what it says that is passed on.
const SAID: usize = 1_000;

/// A schema, as the registry has it.
#[derive(Deserialize)]
pub(super) struct Registered {
    pub(super) schema: String,
    #[serde(default, rename = "schemaType")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) references: Option<Vec<Reference>>,
}

/// Another schema that it refers to.
#[derive(Clone, Deserialize, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) subject: String,
    pub(super) version: i64,
}

#[derive(Deserialize)]
struct Id {
    id: u32,
}

/// What it says where it does not do what it is asked.
#[derive(Deserialize)]
struct Said {
    error_code: u32,
    #[serde(default)]
    message: String,
}

pub(super) struct Client {
    urls: Vec<String>,
    options: SchemaRegistry,
}

impl Client {
    /// `options` are checked.
    pub(super) fn new(options: SchemaRegistry) -> Result<Self, String> {
        Ok(Client {
            urls: urls(&options)?,
            options,
        })
    }

    /// Its addresses, for people.
    pub(super) fn place(&self) -> String {
        self.urls.join(", ")
    }

    /// The id of a schema under a name: it is registered if it is not yet.
    pub(super) async fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let path = format!("subjects/{}/versions", encoded(subject));
        let answer: Id = self.ask(path, Some(json!({"schema": schema}))).await?;
        Ok(answer.id)
    }

    /// The id of a schema that is registered under a name.
    pub(super) async fn look_up(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let path = format!("subjects/{}", encoded(subject));
        let answer: Id = self.ask(path, Some(json!({"schema": schema}))).await?;
        Ok(answer.id)
    }

    pub(super) async fn schema(&self, id: u32) -> Result<Registered, RegistryError> {
        self.ask(format!("schemas/ids/{id}"), None).await
    }

    pub(super) async fn referred(&self, to: &Reference) -> Result<Registered, RegistryError> {
        let (subject, version) = (encoded(&to.subject), to.version);
        self.ask(format!("subjects/{subject}/versions/{version}"), None)
            .await
    }

    /// Asks one after the other while they are away, or know of nothing: one may be behind another.
    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        path: String,
        body: Option<Value>,
    ) -> Result<T, RegistryError> {
        let options = self.options.clone();
        let urls: Vec<_> = self
            .urls
            .iter()
            .map(|url| format!("{url}/{path}"))
            .collect();
        let asking = spawn_blocking(move || {
            let mut error = away("there is no address");
            for url in urls {
                match ask(&options, &url, body.as_ref()) {
                    Err(next) if next.kind == Kind::Missing => error = next,
                    // That another knows of nothing says more than that this one is away.
                    Err(_) if error.kind == Kind::Missing => {}
                    Err(next) if next.kind == Kind::Passing => error = next,
                    answer => return answer,
                }
            }
            Err(error)
        });
        let answer = asking.await.map_err(|error| away(error.to_string()))??;
        serde_json::from_slice(&answer).map_err(|error| {
            away(format!(
                "what the schema registry answers is not what it should be: {error}"
            ))
        })
    }
}

fn away(words: impl Into<String>) -> RegistryError {
    RegistryError::new(Kind::Passing, words)
}

/// Asks one: what it answers where all is well.
fn ask(
    options: &SchemaRegistry,
    url: &str,
    body: Option<&Value>,
) -> Result<Vec<u8>, RegistryError> {
    let failed = |error: ureq::Error| {
        away(format!(
            "the schema registry cannot be asked at {url}: {error}"
        ))
    };
    let agent = agent(options, url).map_err(away)?;
    let login = login(options).map_err(away)?;
    let login = login.as_ref().map_or("", |login| login.expose_secret());
    let answer = match body {
        None => {
            let mut request = agent.get(url).header("accept", MEDIA_TYPE);
            if !login.is_empty() {
                request = request.header("authorization", login);
            }
            request.call()
        }
        Some(body) => {
            let mut request = agent.post(url).header("accept", MEDIA_TYPE);
            if !login.is_empty() {
                request = request.header("authorization", login);
            }
            request.content_type(MEDIA_TYPE).send(body.to_string())
        }
    };
    let answer = answer.map_err(failed)?;
    let (head, mut body) = answer.into_parts();
    let text = body.with_config().limit(LONGEST).read_to_vec();
    let text = text.map_err(failed)?;
    if head.status.is_success() {
        return Ok(text);
    }
    Err(refusal(url, &Response::from_parts(head, text)))
}

/// What an answer means that is none.
fn refusal(url: &str, answer: &Response<Vec<u8>>) -> RegistryError {
    let status = answer.status().as_u16();
    let said: Option<Said> = serde_json::from_slice(answer.body()).ok();
    let kind = match (status, &said) {
        (404, Some(said)) if said.error_code / 100 == 404 => Kind::Missing,
        (422, Some(said)) if said.error_code == READ_ONLY => Kind::Passing,
        (409 | 422, _) => Kind::Refused,
        _ => Kind::Passing,
    };
    let mut words = format!("the schema registry answers {status} at {url}");
    let text = match &said {
        Some(said) => said.message.clone(),
        None => String::from_utf8_lossy(answer.body()).into_owned(),
    };
    let text: String = printable(text.trim()).chars().take(SAID).collect();
    if !text.is_empty() {
        let _ = write!(words, ": {text}");
    }
    if status == 404 && kind == Kind::Passing {
        words.push_str(" (is this all of its address?)");
    }
    RegistryError::new(kind, words)
}

fn encoded(subject: &str) -> String {
    utf8_percent_encode(subject, NON_ALPHANUMERIC).to_string()
}

/// Its addresses, without a slash at their end.
pub(super) fn urls(options: &SchemaRegistry) -> Result<Vec<String>, String> {
    let given = options.url.read().map_err(|error| error.to_string())?;
    let given = given.expose_secret().split(',').map(str::trim);
    let urls: Vec<_> = given
        .filter(|url| !url.is_empty())
        .map(|url| url.trim_end_matches('/').to_owned())
        .collect();
    if urls.is_empty() {
        return Err("it has no address".to_owned());
    }
    for url in &urls {
        let host = url.strip_prefix("http://").or(url.strip_prefix("https://"));
        if host.is_some_and(|rest| rest.contains('@')) {
            return Err(
                "its address has a login in it: give that by `with_login`, so that it shows nowhere"
                    .to_owned(),
            );
        }
        if host.is_none_or(str::is_empty) || url.parse::<ureq::http::Uri>().is_err() {
            return Err("its address is none like `http://localhost:8081`".to_owned());
        }
    }
    Ok(urls)
}

/// The header that lets one in.
fn login(options: &SchemaRegistry) -> Result<Option<SecretString>, String> {
    let read = |secret: &crate::access::Secret| secret.read().map_err(|error| error.to_string());
    if let Some(token) = &options.token {
        let token = read(token)?;
        return Ok(Some(format!("Bearer {}", token.expose_secret()).into()));
    }
    let (Some(user), Some(password)) = (&options.user, &options.password) else {
        return Ok(None);
    };
    let password = read(password)?;
    let both = SecretString::from(format!("{user}:{}", password.expose_secret()));
    let both = STANDARD.encode(both.expose_secret());
    Ok(Some(format!("Basic {both}").into()))
}

fn agent(options: &SchemaRegistry, url: &str) -> Result<Agent, String> {
    let patience = Duration::from_secs(options.timeout_seconds.max(1));
    let config = Agent::config_builder()
        .timeout_global(Some(patience))
        .http_status_as_error(false);
    if !url.starts_with("https://") {
        return Ok(config.build().into());
    }
    Ok(config.tls_config(tls(options)?).build().into())
}

fn tls(options: &SchemaRegistry) -> Result<TlsConfig, String> {
    let tls = &options.tls;
    tls.check().map_err(|error| error.to_string())?;
    let roots = match &tls.authority {
        Some(authority) => certificates(&authority.display().to_string())?,
        None => {
            let found = rustls_native_certs::load_native_certs();
            let found = found.certs.iter();
            found
                .map(|one| Certificate::from_der(one).to_owned())
                .collect()
        }
    };
    let identity = tls.identity.as_ref().map(|identity| {
        let chain = certificates(&identity.certificate.display().to_string())?;
        let file = identity.key.display().to_string();
        let key = SecretString::from(read(&file)?);
        let key = PrivateKey::from_pem(key.expose_secret().as_bytes());
        let key = key.map_err(|error| format!("the file `{file}` has no key in PEM: {error}"))?;
        Ok::<_, String>(ClientCert::new_with_certs(&chain, key))
    });
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .client_cert(identity.transpose()?)
        .unversioned_rustls_crypto_provider(provider);
    Ok(config.build())
}

fn certificates(file: &str) -> Result<Vec<Certificate<'static>>, String> {
    let text = read(file)?;
    let mut found = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => {
                return Err(format!(
                    "the file `{file}` has no certificates in PEM: {error}"
                ));
            }
        }
    }
    if found.is_empty() {
        return Err(format!(
            "the file `{file}` has no certificates in PEM: there is none in it"
        ));
    }
    Ok(found)
}

fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("the file `{file}` cannot be read: {error}"))
}
