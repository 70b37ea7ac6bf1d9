//! NATS with `JetStream`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::process::installed;
use super::{
    Broker, Certificates, Folder, Login, Options, PASSWORD, Server, TOKEN, USER, free_port,
    together,
};

/// NATS servers with `JetStream`, which keep what they were given through `kill -9`: one, or several
/// of a cluster.
#[derive(Debug)]
pub struct Nats {
    servers: Vec<Server>,
    ports: Vec<u16>,
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
        Nats::start_all(1, options)
    }

    /// Servers for one test, where one must be able to die.
    ///
    /// # Panics
    /// As [`start`](Nats::start).
    pub fn cluster(servers: usize) -> Nats {
        Nats::start_all(servers, &Options::default())
    }

    fn start_all(servers: usize, options: &Options) -> Nats {
        let program = installed("target/venv/bin/nats-server", "The NATS server");
        let folder = Folder::new("nats");
        let ports: Vec<_> = (0..servers).map(|_| free_port()).collect();
        let routes: Vec<_> = (0..servers).map(|_| free_port()).collect();
        let certificates = options.tls.then(|| Certificates::new(&folder));
        // One of several is of use as soon as they have found each other.
        let ready = match servers {
            1 => "Server is ready",
            _ => "metadata leader",
        };
        let start = |server: usize| {
            let mut configuration = configuration(
                server,
                ports[server],
                &folder,
                certificates.as_ref(),
                options,
            );
            if servers > 1 {
                configuration += &cluster(server, &routes);
            }
            let mut command = Command::new(&program);
            command.arg("--config");
            command.arg(folder.write(&format!("{server}.conf"), &configuration));
            command.current_dir(folder.path());
            Server::start(command, ready)
        };
        Nats {
            servers: together(servers, start),
            ports,
            certificates,
            folder,
        }
    }

    /// Where it listens, or the first one does.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[0]).into()
    }

    /// Where it listens, as clients want it; where they all do.
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() {
            "tls"
        } else {
            "nats"
        };
        let ports = self.ports.iter();
        let urls: Vec<_> = ports
            .map(|port| format!("{scheme}://127.0.0.1:{port}"))
            .collect();
        urls.join(",")
    }
}

impl Broker for Nats {
    fn servers(&self) -> &[Server] {
        &self.servers
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }
}

/// How one of several finds the others.
fn cluster(server: usize, routes: &[u16]) -> String {
    let others: Vec<_> = routes
        .iter()
        .map(|port| format!("nats://127.0.0.1:{port}"))
        .collect();
    format!(
        "server_name: server-{server}\n\
         cluster {{\n\
         name: fanfare\n\
         listen: 127.0.0.1:{}\n\
         routes: [{}]\n\
         }}\n",
        routes[server],
        others.join(", ")
    )
}

fn configuration(
    server: usize,
    port: u16,
    folder: &Folder,
    certificates: Option<&Certificates>,
    options: &Options,
) -> String {
    let data = folder.path().join(format!("data-{server}"));
    let data = data.display();
    let login = match &options.login {
        Login::Everybody => String::new(),
        Login::Password => format!("authorization {{ user: {USER:?}, password: {PASSWORD:?} }}"),
        Login::Token => format!("authorization {{ token: {TOKEN:?} }}"),
        Login::Operator(lines) => lines.clone(),
        Login::Nkey(public) => format!("authorization {{ users: [ {{ nkey: {public} }} ] }}"),
    };
    let tls = certificates.map_or_else(String::new, |certificates| {
        let (server, key) = (
            certificates.server().display(),
            certificates.key().display(),
        );
        let clients = if options.client_certificates {
            let authority = certificates.authority().display();
            format!(", ca_file: \"{authority}\", verify: true")
        } else {
            String::new()
        };
        format!("tls {{ cert_file: \"{server}\", key_file: \"{key}\"{clients} }}")
    });
    let jetstream = options.jetstream;
    format!(
        "listen: 127.0.0.1:{port}\n\
         jetstream {{\nstore_dir: \"{data}\"\n{jetstream}\n}}\n\
         {login}\n\
         {tls}\n"
    )
}
