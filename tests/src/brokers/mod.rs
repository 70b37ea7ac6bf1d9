//! Brokers for tests: private, on this machine, and gone with the test.
//!
//! Each has `start()` for a test of its own, and `shared()` for the tests of a program; `tests/setup`
//! installs what they need. Their methods block, as the ones of [`Postgres`](crate::Postgres).

mod apicurio;
mod certificates;
mod kafka;
mod nats;
mod process;
mod proxy;
mod rabbitmq;

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

pub use apicurio::Apicurio;
pub use certificates::Certificates;
pub use kafka::Kafka;
pub use nats::Nats;
pub use process::Server;
pub(crate) use process::{Folder, free_port};
pub use proxy::Proxy;
pub use rabbitmq::{CERTIFICATE_LOGIN, HASHING, MANAGEMENT, RabbitMq};

/// The user of a broker that asks for a password.
pub const USER: &str = "fanfare";
/// That user's password.
pub const PASSWORD: &str = "a-password-for-tests";
/// What a broker lets in that asks for a token.
pub const TOKEN: &str = "a-token-for-tests";

/// How a broker is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// It speaks TLS and nothing else, with a certificate of a private authority.
    pub tls: bool,
    /// With TLS, it lets in nobody who does not show a certificate of that authority.
    pub client_certificates: bool,
    /// Whom it lets in.
    pub login: Login,
    /// Clients reach it through a [`Proxy`] of its own: for Kafka, which tells its clients where to
    /// connect. For the others, [`Proxy::to`] their address does.
    pub proxied: bool,
    /// What `RabbitMQ` is to be able to do beside the protocol.
    pub plugins: &'static [&'static str],
    /// Lines for `RabbitMQ`'s configuration.
    pub configuration: &'static str,
    /// Lines for the configuration of NATS's `JetStream`.
    pub jetstream: &'static str,
}

/// Whom a broker lets in.
#[derive(Clone, Debug, Default)]
pub enum Login {
    /// Everybody; at `RabbitMQ`, `guest`.
    #[default]
    Everybody,
    /// [`USER`] with [`PASSWORD`]. At Kafka by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
    Password,
    /// Who knows [`TOKEN`]: NATS alone.
    Token,
    /// Who has the secret of this public key, as NATS writes it: NATS alone.
    Nkey(String),
    /// Whom an operator lets in, in the words of NATS's configuration: NATS alone.
    Operator(String),
}

/// What every broker can be put through, all of its nodes at once. One node alone is put through
/// it by [`servers`](Broker::servers).
pub trait Broker {
    /// Its nodes.
    fn servers(&self) -> &[Server];

    /// Where its files are.
    fn folder(&self) -> &Path;

    /// The certificates that it was given, where it speaks TLS.
    fn certificates(&self) -> Option<&Certificates>;

    /// Kills it, as `kill -9` does.
    fn kill(&self) {
        self.servers().iter().for_each(Server::kill);
    }

    /// Asks it to end, and waits until it has.
    fn stop(&self) {
        at_once(self.servers(), Server::stop);
    }

    /// Stops it where it stands: it keeps its connections, and does nothing.
    fn pause(&self) {
        self.servers().iter().for_each(Server::pause);
    }

    /// Goes on after [`pause`](Broker::pause).
    fn resume(&self) {
        self.servers().iter().for_each(Server::resume);
    }

    /// Starts it again with the data that it kept, where it was; kills it first if it runs. Comes
    /// back when it is ready.
    fn restart(&self) {
        at_once(self.servers(), Server::restart);
    }
}

/// So many, each on a thread of its own: none of a cluster is ready before most are.
fn together<T: Send>(many: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let make = &make;
    thread::scope(|scope| {
        let making: Vec<_> = (0..many)
            .map(|nth| scope.spawn(move || make(nth)))
            .collect();
        let made = making.into_iter().map(thread::ScopedJoinHandle::join);
        made.map(|made| made.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// The nodes of a cluster need each other to begin and to end.
fn at_once(servers: &[Server], what: fn(&Server)) {
    thread::scope(|scope| {
        for server in servers {
            scope.spawn(move || what(server));
        }
    });
}
