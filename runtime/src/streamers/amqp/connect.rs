//! One connection: how it is opened, and why it could not be.

use std::net::{Ipv6Addr, Shutdown};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::{AsyncTcpStream, RustlsConnector, RustlsConnectorConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties, Error, ErrorKind};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;
use socket2::{SockRef, Socket};
use tokio::time::timeout;

use super::names::short;
use super::options::{Options, without_login};
use crate::access::{Secret, Tls};
use crate::streamer::StreamError;

/// How long it may take until the broker has let us in, if the address says nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Seconds between signs of life, if the address says nothing. After twice that without one, the
/// connection is deemed lost.
const HEARTBEAT: u16 = 10;

/// Everything that opening a connection takes.
pub(super) struct Dial {
    uri: AMQPUri,
    /// Instead of the address's; read anew each time.
    password: Option<Secret>,
    tls: Option<RustlsConnector>,
    properties: ConnectionProperties,
    /// Where it goes, without secrets.
    label: String,
}

/// A connection, and the socket under it.
pub(super) struct Dialed {
    pub(super) connection: Connection,
    socket: Plug,
}

/// The socket that a connection uses: pulled out, the connection ends whatever its library waits for.
#[derive(Clone, Default)]
struct Plug(Arc<Mutex<Option<Socket>>>);

impl Plug {
    fn keep(&self, socket: Socket) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    }
}

/// Pulls the plug, unless it was taken off.
struct Fuse(Option<Plug>);

impl Drop for Fuse {
    fn drop(&mut self) {
        if let Some(plug) = self.0.take()
            && let Some(socket) = plug.0.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // One that is gone needs no end.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Dialed {
    /// Ends it, also where its library still waits for something.
    pub(super) fn cut(&self) {
        drop(Fuse(Some(self.socket.clone())));
    }
}

impl Drop for Dialed {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Dial {
    /// Where it goes, as far as the options can be right.
    pub(super) fn address(options: &Options) -> Result<AMQPUri, StreamError> {
        let uri = parse(&options.url)?;
        if uri.scheme == AMQPScheme::AMQP && options.tls.is_some() {
            return Err(StreamError::new(format!(
                "the address `{}` is not encrypted, and there is a `Tls` for it: begin it with \
                 `amqps://`, or leave `with_tls` (in a URL or file `tls`) out",
                without_login(&options.url)
            )));
        }
        Ok(uri)
    }

    pub(super) fn new(options: &Options) -> Result<Self, StreamError> {
        let mut uri = Dial::address(options)?;
        if let Some(user) = &options.user {
            uri.authority.userinfo.username.clone_from(user);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let mut properties = ConnectionProperties::default();
        for (name, value) in &options.client_properties {
            properties = properties.with_client_property(short(name)?, value.as_str().into());
        }
        let label = format!("{}:{}", uri.authority.host, uri.authority.port);
        let tls = match uri.scheme {
            AMQPScheme::AMQPS => Some(connector(options.tls.as_ref())?),
            AMQPScheme::AMQP => None,
        };
        Ok(Dial {
            uri,
            password: options.password.clone(),
            tls,
            properties,
            label,
        })
    }

    /// Where it goes, without secrets.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// The address, with the login as it is now.
    pub(super) fn uri(&self) -> Result<AMQPUri, StreamError> {
        let mut uri = self.uri.clone();
        if let Some(password) = &self.password {
            let secret = password.read()?;
            let place = &mut uri.authority.userinfo.password;
            secret.expose_secret().clone_into(place);
        }
        Ok(uri)
    }

    /// Connects, or says why not, within a limited time. `name` is shown at the broker.
    pub(super) async fn dial(&self, name: &str) -> Result<Dialed, StreamError> {
        let plug = Plug::default();
        let mut fuse = Fuse(Some(plug.clone()));
        let (tls, kept) = (self.tls.clone(), plug.clone());
        let properties = self.properties.clone().with_connection_name(name.into());
        let runtime = lapin::runtime::default_runtime().map_err(StreamError::new)?;
        let opening = Connection::connector(
            self.uri()?,
            runtime,
            async move |uri: AMQPUri, runtime| {
                let authority = uri.authority;
                let host = (authority.host.clone(), authority.port);
                let host = runtime.to_socket_addrs(host);
                let mut stream = AsyncTcpStream::connect(&runtime, host).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    kept.keep(SockRef::from(plain.get_ref()).try_clone()?);
                }
                if let Some(tls) = &tls {
                    stream = stream.into_rustls(tls, &authority.host).await?;
                }
                Ok(stream)
            },
            properties,
        );
        let limit = self.uri.query.connection_timeout;
        let limit = limit.map_or(PATIENCE, Duration::from_millis);
        match timeout(limit, opening).await {
            Ok(Ok(connection)) => {
                fuse.0 = None;
                Ok(Dialed {
                    connection,
                    socket: plug,
                })
            }
            Ok(Err(error)) => Err(self.error(&error)),
            Err(_) => Err(StreamError::new(format!(
                "RabbitMQ at {} has not answered for {limit:?}: is it RabbitMQ, and does it run?",
                self.label
            ))),
        }
    }

    /// Why it is not connected, and what might help.
    fn error(&self, error: &Error) -> StreamError {
        let label = &self.label;
        let user = &self.uri.authority.userinfo.username;
        let help = match hard(error) {
            Some(AMQPHardError::NOTALLOWED) => {
                format!(
                    "is there a virtual host `{}` that the user may use?",
                    self.vhost()
                )
            }
            _ if is_refused(error) => format!("are the user `{user}` and the password right?"),
            _ if self.tls.is_some() => {
                "is it the port for TLS, does its certificate come from the authority that is trusted, \
                 and does it ask for one of ours (`Tls::with_identity`)?"
                    .to_owned()
            }
            _ => "does RabbitMQ listen there, without TLS? (with TLS, the address begins with \
                  `amqps://`)"
                .to_owned(),
        };
        StreamError::new(format!(
            "RabbitMQ at {label} is not reached: {error}: {help}"
        ))
    }
}

fn hard(error: &Error) -> Option<AMQPHardError> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Hard(hard) => Some(hard.clone()),
            AMQPErrorKind::Soft(_) => None,
        },
        _ => None,
    }
}

fn is_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error)
        if matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)))
}

/// An error shows nothing of the address: where it is odd, a password may be anywhere in it.
fn parse(url: &str) -> Result<AMQPUri, StreamError> {
    const LIKE: &str = "the address is none like `amqp://user:password@host:5672/%2f`";
    let (_, rest) = url
        .split_once("://")
        .ok_or_else(|| StreamError::new(LIKE))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    // The parser would take a part of the password for a port, and the rest for something else.
    if after.contains('@') {
        return Err(StreamError::new(format!(
            "{LIKE}: it has an `@` behind a `/`, `?` or `#`; these are percent-encoded in a user, a \
             password and a virtual host"
        )));
    }
    let mut uri: AMQPUri = url.parse().map_err(|why: String| {
        // The parser may show all of it.
        let why = why.replace(url, "...");
        StreamError::new(format!("{LIKE}: {why}"))
    })?;
    // The parser takes no addresses of IPv6, and would go to `localhost` instead.
    let place = authority
        .rsplit_once('@')
        .map_or(authority, |(_, place)| place);
    if let Some((_, rest)) = place.split_once('[')
        && let Some((host, _)) = rest.split_once(']')
        && host.parse::<Ipv6Addr>().is_ok()
    {
        host.clone_into(&mut uri.authority.host);
    }
    Ok(uri)
}

fn connector(tls: Option<&Tls>) -> Result<RustlsConnector, StreamError> {
    let unfit = |error: &dyn std::fmt::Display| {
        StreamError::new(format!("no encrypted connection can be made: {error}"))
    };
    let (authority, identity) = tls.map_or((None, None), |tls| {
        (tls.authority.as_ref(), tls.identity.as_ref())
    });
    if let Some(tls) = tls {
        tls.check()?;
    }
    let config = match authority {
        None => RustlsConnectorConfig::new_with_native_certs().map_err(|error| unfit(&error))?,
        Some(authority) => {
            let certificates = certificates(authority)?;
            RustlsConnectorConfig::default().with_parsable_certificates(certificates)
        }
    };
    let Some(identity) = identity else {
        return config
            .connector_with_no_client_auth()
            .map_err(|error| unfit(&error));
    };
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|error| {
        StreamError::new(format!(
            "the file `{}` has no key of a client in PEM: {error}",
            identity.key.display()
        ))
    })?;
    let chain = certificates(&identity.certificate)?;
    config
        .connector_with_single_cert(chain, key)
        .map_err(|error| unfit(&error))
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StreamError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let error = match read {
        Ok(certificates) if !certificates.is_empty() => return Ok(certificates),
        Ok(_) => "there is none in it".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(StreamError::new(format!(
        "the file `{}` has no certificates in PEM: {error}",
        path.display()
    )))
}

/// An error of the library as one of ours.
pub(super) fn failed(what: &str, error: &Error) -> StreamError {
    StreamError::new(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_address_shows_no_password() {
        for url in [
            "amqp://u:pa?hunter2@h",
            "amqp://u:12?hunter2@h",
            "amqp://u:12/hunter2@h",
            "amqp://u:12#hunter2@h",
            "amqp://u:hunter2",
            "amqp://u:hunter2@",
            "amqp://u:hunter2@h:x",
            "amqp://u:hunter2@h o",
            "amqp:u:hunter2@h",
            "u:hunter2@h",
            "u:hunter2://x@h",
            "hunter2",
            "http://u:hunter2@h",
            "amqp://u:hunter2@h?heartbeat=often",
        ] {
            let error = Dial::new(&Options::new(url.to_owned())).map(drop);
            let error = error.expect_err(url).to_string();
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
        let dial = Dial::new(&Options::new("amqp://u:a[::1]b@h".to_owned())).expect("an address");
        assert_eq!(dial.label(), "h:5672");
        let dial = Dial::new(&Options::new("amqp://u:p@[::1]:7".to_owned())).expect("an address");
        assert_eq!(dial.label(), "::1:7");
    }
}
