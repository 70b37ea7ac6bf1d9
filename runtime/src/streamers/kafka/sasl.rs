//! Who one is.

use rdkafka::ClientConfig;
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::access::Secret;
use crate::streamer::StreamError;

/// How one proves to Kafka who one is: SASL with a user and a password.
///
/// From a configuration file it is a table:
///
/// ```
/// use fanfare::streamers::Sasl;
///
/// let sasl: Sasl = serde_json::from_str(
///     r#"{"mechanism": "SCRAM-SHA-512", "user": "blog", "password": {"env": "KAFKA_PASSWORD"}}"#,
/// )?;
/// assert!(format!("{sasl:?}").contains("blog"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    mechanism: Mechanism,
    user: String,
    password: Secret,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Mechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Sasl {
    /// PLAIN: the password travels as it is, so with TLS only.
    pub fn plain(user: impl Into<String>, password: Secret) -> Self {
        Sasl::new(Mechanism::Plain, user.into(), password)
    }

    /// SCRAM-SHA-256: the broker is shown that the password is known, and not told.
    pub fn scram_sha_256(user: impl Into<String>, password: Secret) -> Self {
        Sasl::new(Mechanism::ScramSha256, user.into(), password)
    }

    /// SCRAM-SHA-512, as [`scram_sha_256`](Sasl::scram_sha_256).
    pub fn scram_sha_512(user: impl Into<String>, password: Secret) -> Self {
        Sasl::new(Mechanism::ScramSha512, user.into(), password)
    }

    fn new(mechanism: Mechanism, user: String, password: Secret) -> Self {
        Sasl {
            mechanism,
            user,
            password,
        }
    }

    /// Tells the client library.
    pub(super) fn secure(&self, config: &mut ClientConfig) -> Result<(), StreamError> {
        let mechanism = match self.mechanism {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        config
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", &self.user)
            .set("sasl.password", self.password.read()?.expose_secret());
        Ok(())
    }
}
