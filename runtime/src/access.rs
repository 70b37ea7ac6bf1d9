//! How one is let in by a broker or a schema registry: secrets and certificates.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::streamer::StreamError;

/// A password or token: given as it is, or by the environment variable or file that has it.
///
/// It shows in no log, no error and no `Debug`, and is wiped from memory when it is dropped. The
/// variable or file is read when the streamer connects; what is missing then ends the start of the
/// app with its name. `Nats` and `Amqp` read it anew for each connection, so that it may be changed
/// while the app runs; Kafka's client keeps what was read at the start. White space at the end of a
/// file does not count.
///
/// From a configuration file it is a text, or a table of `env` or `file`:
///
/// ```
/// use fanfare::streamers::Secret;
///
/// let secret: Secret = serde_json::from_str(r#"{"env": "KAFKA_PASSWORD"}"#)?;
/// assert_eq!(format!("{secret:?}"), "Secret(the environment variable `KAFKA_PASSWORD`)");
/// assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(...)");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize)]
#[serde(from = "Given")]
pub struct Secret(Place);

#[derive(Clone)]
enum Place {
    Here(SecretString),
    Variable(String),
    File(PathBuf),
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a text, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`"
)]
enum Given {
    Here(SecretString),
    Elsewhere(Elsewhere),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Elsewhere {
    Env(String),
    File(PathBuf),
}

impl From<Given> for Secret {
    fn from(given: Given) -> Self {
        Secret(match given {
            Given::Here(secret) => Place::Here(secret),
            Given::Elsewhere(Elsewhere::Env(name)) => Place::Variable(name),
            Given::Elsewhere(Elsewhere::File(path)) => Place::File(path),
        })
    }
}

impl Secret {
    /// The secret itself.
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(Place::Here(SecretString::from(secret.into())))
    }

    /// What this environment variable holds.
    pub fn from_env(name: impl Into<String>) -> Self {
        Secret(Place::Variable(name.into()))
    }

    /// What this file holds.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Secret(Place::File(path.into()))
    }

    /// Reads it where it is.
    pub(crate) fn read(&self) -> Result<SecretString, StreamError> {
        let text = match &self.0 {
            Place::Here(secret) => return Ok(secret.clone()),
            Place::Variable(name) => env::var(name).map_err(|_| {
                StreamError::new(format!(
                    "{self} that has a secret is not set, or is no text"
                ))
            })?,
            Place::File(path) => read(path, "a secret")?,
        };
        let secret = SecretString::from(text);
        match secret.expose_secret().trim_ascii_end() {
            "" => Err(StreamError::new(format!("the secret in {self} is empty"))),
            trimmed if trimmed.len() < secret.expose_secret().len() => Ok(trimmed.into()),
            _ => Ok(secret),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Here(_) => f.write_str("..."),
            Place::Variable(name) => write!(f, "the environment variable `{name}`"),
            Place::File(path) => write!(f, "the file `{}`", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// An encrypted connection: whom to trust, and who one is.
///
/// Without an authority of one's own, the machine's certificates are trusted. Files are PEM, and
/// are read when the streamer connects.
///
/// ```
/// use fanfare::streamers::Tls;
///
/// let tls = Tls::new()
///     .with_authority("/etc/blog/broker-ca.pem")
///     .with_identity("/etc/blog/client.pem", "/etc/blog/client.key");
/// # let _ = tls;
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    pub(crate) authority: Option<PathBuf>,
    pub(crate) identity: Option<Identity>,
}

/// A client's certificate, and its key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Tls {
    /// Trusts whom the machine trusts, and says nothing of oneself.
    pub fn new() -> Self {
        Tls::default()
    }

    /// Trusts this authority, and no other.
    #[must_use]
    pub fn with_authority(mut self, certificates: impl Into<PathBuf>) -> Self {
        self.authority = Some(certificates.into());
        self
    }

    /// Shows this certificate to a broker that asks for one.
    #[must_use]
    pub fn with_identity(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.identity = Some(Identity {
            certificate: certificate.into(),
            key: key.into(),
        });
        self
    }

    /// Sees whether the files can be read: client libraries say so late, and not of all.
    pub(crate) fn check(&self) -> Result<(), StreamError> {
        if let Some(authority) = &self.authority {
            read(authority, "certificates of an authority")?;
        }
        if let Some(identity) = &self.identity {
            read(&identity.certificate, "a client's certificate")?;
            read(&identity.key, "a client's key")?;
        }
        Ok(())
    }
}

fn read(path: &Path, what: &str) -> Result<String, StreamError> {
    fs::read_to_string(path).map_err(|error| {
        StreamError::new(format!(
            "the file `{}` that has {what} cannot be read: {error}",
            path.display()
        ))
    })
}
