//! NATS with `JetStream`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::free_port;
use super::process::installed;
use super::{Broker, Certificates, Folder, Login, Options, PASSWORD, Server, TOKEN, USER};

/// A NATS server with `JetStream`, which keeps what it was given through `kill -9`.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    port: u16,
    certificates: Option<Certificates>,
    folder: Folder,
}

impl Nats {
    /// The server that the tests of a program share.
    pub fn shared() -> &'static Nats {
        static SHARED: OnceLock<Nats> = OnceLock::new();
        SHARED.get_or_init(Nats::start)
    }

    /// A server for one test, which lets everybody in.
    ///
    /// # Panics
    /// When there is no NATS on this machine, or it does not start.
    pub fn start() -> Nats {
        Nats::start_with(&Options::default())
    }

    /// A server for one test.
    ///
    /// # Panics
    /// As [`start`](Nats::start).
    pub fn start_with(options: &Options) -> Nats {
        let program = installed("target/venv/bin/nats-server", "The NATS server");
        let folder = Folder::new("nats");
        let port = free_port();
        let certificates = options.tls.then(|| Certificates::new(&folder));
        let configuration = configuration(port, &folder, certificates.as_ref(), options);
        let mut command = Command::new(program);
        command.arg("--config");
        command.arg(folder.write("nats.conf", &configuration));
        command.current_dir(folder.path());
        Nats {
            server: Server::start(command, "Server is ready"),
            port,
            certificates,
            folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where it listens, as clients want it.
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() {
            "tls"
        } else {
            "nats"
        };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }
}

impl Broker for Nats {
    fn servers(&self) -> &[Server] {
        std::slice::from_ref(&self.server)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }
}

fn configuration(
    port: u16,
    folder: &Folder,
    certificates: Option<&Certificates>,
    options: &Options,
) -> String {
    let data = folder.path().join("data");
    let data = data.display();
    let login = match &options.login {
        Login::Everybody => String::new(),
        Login::Password => format!("authorization {{ user: {USER:?}, password: {PASSWORD:?} }}"),
        Login::Token => format!("authorization {{ token: {TOKEN:?} }}"),
        Login::Nkey(public) => format!("authorization {{ users: [ {{ nkey: {public} }} ] }}"),
    };
    let tls = certificates.map_or_else(String::new, |certificates| {
        let (server, key) = (
            certificates.server().display(),
            certificates.key().display(),
        );
        format!("tls {{ cert_file: \"{server}\", key_file: \"{key}\" }}")
    });
    let limit = options
        .storage
        .map_or_else(String::new, |bytes| format!(", max_file_store: {bytes}"));
    format!(
        "listen: 127.0.0.1:{port}\n\
         jetstream {{ store_dir: \"{data}\"{limit} }}\n\
         {login}\n\
         {tls}\n"
    )
}
