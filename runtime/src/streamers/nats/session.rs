//! One connection, from its beginning to its end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};
use async_nats::{ReconnectToServer, Subject, Subscriber};
use futures_util::StreamExt;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::api;
use super::flight::Flights;
use super::options::{Settings, place};
use crate::access::Secret;
use crate::streamer::StreamError;
use crate::streamer::queue::locked;

/// How long the client library may try to connect to one server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a silent server is asked whether it is there. The third unanswered time is the last.
const PING: Duration = Duration::from_secs(10);
/// How long a question to `JetStream` may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection.
///
/// The client library is kept from connecting again by itself. What it had queued when the
/// connection was lost would be sent over the next one, where what it had already written is lost:
/// so later events would overtake earlier ones. A session that is over sends nothing any more, and
/// the next one is another session.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) jetstream: Context,
    pub(super) flights: Flights,
    /// Where it leads to.
    pub(super) server: String,
    /// Cancelled when the connection is lost.
    pub(super) over: CancellationToken,
    /// The topics that have taken something over it: whose streams are there.
    stored: Mutex<HashSet<String>>,
}

impl Session {
    /// Connects to the first server that lets us in.
    pub(super) async fn open(
        options: &Settings,
        more: &[ServerAddr],
    ) -> Result<Arc<Session>, StreamError> {
        let mut addresses = options.servers.addresses()?;
        let first = addresses.first().cloned();
        addresses.extend_from_slice(more);
        let mut errors: Vec<String> = Vec::new();
        for address in addresses {
            let address = match &first {
                Some(first) => like(first, address)?,
                None => address,
            };
            let connecting = connect(options, &address);
            match connecting.await {
                Ok(client) => return Session::begin(options, client, place(&address)).await,
                Err(error) => errors.push(error.to_string()),
            }
        }
        Err(StreamError::new(errors.join("; ")))
    }

    async fn begin(
        options: &Settings,
        client: Client,
        server: String,
    ) -> Result<Arc<Session>, StreamError> {
        let context = ContextBuilder::new().timeout(REQUEST_TIMEOUT);
        let jetstream = match &options.domain {
            Some(domain) => context.domain(domain).build(client.clone()),
            None => context.build(client.clone()),
        };
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await;
        let answers = answers.map_err(|_| lost(&server))?;
        let session = Arc::new(Session {
            client,
            jetstream,
            flights: Flights::new(inbox),
            server,
            over: CancellationToken::new(),
            stored: Mutex::default(),
        });
        let (weak, over) = (Arc::downgrade(&session), session.over.clone());
        tokio::spawn(listen(weak, over, answers));
        Ok(session)
    }

    /// Whether `JetStream` is there, for this account.
    pub(super) async fn check_jetstream(&self) -> Result<(), StreamError> {
        const TRIES: usize = 3;
        let ask = || api::ask::<api::Anything>(self, "INFO", &api::Bare {});
        let mut asked = ask().await;
        for _ in 1..TRIES {
            // A cluster whose leader has just gone, or is not there yet, says nothing.
            if asked.as_ref().is_err_and(|error| error.is_late) {
                asked = ask().await;
            }
        }
        asked.map(drop).map_err(|error| {
            StreamError::new(format!(
                "JetStream does not answer at {}: {error}; start the server with `jetstream {{}}` \
                 in its configuration, and give the account access to it",
                self.server
            ))
        })
    }

    /// Asks the server something. When it has answered it has taken everything that was sent before,
    /// and what it had sent has come.
    pub(super) async fn answers(&self) -> bool {
        let asked = api::ask::<api::Anything>(self, "INFO", &api::Bare {});
        asked.await.is_ok()
    }

    /// Whether the stream of a topic has been seen to be there.
    pub(super) fn has_stored(&self, topic: &str) -> bool {
        locked(&self.stored).contains(topic)
    }

    pub(super) fn note_stored(&self, topic: &str, has: bool) {
        let mut stored = locked(&self.stored);
        if !has {
            stored.remove(topic);
        } else if !stored.contains(topic) {
            stored.insert(topic.to_owned());
        }
    }

    /// The servers that this one knows of.
    pub(super) fn others(&self) -> Vec<ServerAddr> {
        let info = self.client.server_info();
        let urls = info.connect_urls.iter();
        urls.filter_map(|url| url.parse().ok()).collect()
    }
}

pub(super) fn lost(server: &str) -> StreamError {
    StreamError::new(format!("the connection to {server} is lost"))
}

impl Drop for Session {
    /// Ends the task that listens, or the library would keep the connection for its sake.
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// Takes the answers to what was published, until the connection ends: then the library's own task
/// has ended, and everything that it had queued is gone.
async fn listen(session: Weak<Session>, over: CancellationToken, answers: Subscriber) {
    let _is_over = over.clone().drop_guard();
    let mut answers = answers.ready_chunks(256);
    while let Some(Some(answers)) = over.run_until_cancelled(answers.next()).await
        && let Some(session) = session.upgrade()
    {
        session.flights.land(answers);
    }
}

async fn connect(options: &Settings, address: &ServerAddr) -> Result<Client, StreamError> {
    let secure = options.tls.is_some() || address.tls_required();
    let mut connecting = log_in(options, address)
        .await?
        .name("fanfare")
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .ping_interval(PING)
        .require_tls(secure)
        .ignore_discovered_servers();
    if let Some(tls) = &options.tls {
        if let Some(authority) = &tls.authority {
            connecting = connecting.add_root_certificates(authority.clone());
        }
        if let Some(identity) = &tls.identity {
            let (certificate, key) = (identity.certificate.clone(), identity.key.clone());
            connecting = connecting.add_client_certificate(certificate, key);
        }
    }
    let connecting = once(connecting, address)?;
    let nowhere = nowhere()?;
    let connected = connecting.connect(vec![address.clone(), nowhere]).await;
    connected.map_err(|error| words(address, &error))
}

/// An address as it is meant beside the first one of its cluster: with its login where it has none of
/// its own, and encrypted where the first one is. The servers that a cluster tells of are a host and
/// a port, no more.
fn like(first: &ServerAddr, address: ServerAddr) -> Result<ServerAddr, StreamError> {
    let place = place(&address);
    let wrong = || StreamError::new(format!("the address {place} takes no login"));
    let mut url = address.into_inner();
    if first.tls_required() && url.scheme() == "nats" {
        url.set_scheme("tls").map_err(|()| wrong())?;
    }
    if url.username().is_empty()
        && let Some(user) = first.username()
    {
        url.set_username(user).map_err(|()| wrong())?;
        url.set_password(first.password()).map_err(|()| wrong())?;
    }
    ServerAddr::from_url(url).map_err(StreamError::new)
}

/// Who we are: what the options say, or else what stands in the URL.
async fn log_in(options: &Settings, address: &ServerAddr) -> Result<ConnectOptions, StreamError> {
    let new = ConnectOptions::new();
    let read = |secret: &Secret| secret.read().map(|text| text.expose_secret().to_owned());
    if let (Some(user), Some(password)) = (&options.user, &options.password) {
        return Ok(new.user_and_password(user.clone(), read(password)?));
    }
    if let Some(token) = &options.token {
        return Ok(new.token(read(token)?));
    }
    if let Some(seed) = &options.nkey {
        return Ok(new.nkey(read(seed)?));
    }
    if let Some(file) = &options.credentials_file {
        return new.credentials_file(file).await.map_err(|error| {
            StreamError::new(format!(
                "the credentials file `{}` cannot be used: {error}",
                file.display()
            ))
        });
    }
    Ok(match (address.username(), address.password()) {
        (Some(user), Some(password)) => new.user_and_password(plain(user), plain(password)),
        (Some(token), None) => new.token(plain(token)),
        (None, _) => new,
    })
}

fn plain(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// An address at which nobody listens: it is no port.
fn nowhere() -> Result<ServerAddr, StreamError> {
    "nats://127.0.0.1:0".parse().map_err(StreamError::new)
}

/// Keeps the library from connecting a second time: it is sent to where nobody is, one time, and
/// gives up then.
fn once(options: ConnectOptions, address: &ServerAddr) -> Result<ConnectOptions, StreamError> {
    let (address, nowhere) = (address.clone(), nowhere()?);
    let connected = Arc::new(AtomicBool::new(false));
    let options = options.reconnect_to_server_callback(move |_, _| {
        let again = connected.swap(true, Ordering::Relaxed);
        let addr = if again { &nowhere } else { &address }.clone();
        std::future::ready(Some(ReconnectToServer {
            addr,
            delay: Some(Duration::ZERO),
        }))
    });
    Ok(options.max_reconnects(1))
}

/// What to do about it, for the operator.
fn words(address: &ServerAddr, error: &ConnectError) -> StreamError {
    let place = place(address);
    StreamError::new(match error.kind() {
        ConnectErrorKind::AuthorizationViolation => format!(
            "the NATS server at {place} does not let us in: check the user and password, the \
             token, the nkey or the credentials file"
        ),
        ConnectErrorKind::Authentication => format!(
            "the nkey or credentials for the NATS server at {place} cannot be used: a seed begins \
             with `SU`"
        ),
        ConnectErrorKind::TimedOut => {
            format!("the NATS server at {place} does not answer within {CONNECT_TIMEOUT:?}")
        }
        ConnectErrorKind::Tls => format!(
            "no TLS with the NATS server at {place} ({error}): check the files of `Nats::with_tls`"
        ),
        _ if is_tls(error) => format!(
            "no TLS with the NATS server at {place} ({error}): check whether it speaks TLS, and \
             name the authority of its certificate, and where it asks for one of ours, that, with \
             `Nats::with_tls`"
        ),
        _ => format!(
            "no NATS server can be reached at {place} ({error}): check the address, and whether \
             it runs"
        ),
    })
}

fn is_tls(error: &ConnectError) -> bool {
    let text = error.to_string();
    ["certificate", "alert", "TLS", "tls", "corrupt message"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// A subject from text that was checked before.
pub(super) fn subject(text: &str) -> Subject {
    Subject::from(text)
}
