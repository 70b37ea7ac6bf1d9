//! Apache Kafka.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::process::{installed, needs};
use super::{
    Broker, Certificates, Folder, Login, Options, PASSWORD, Proxy, Server, USER, free_port,
    together,
};

/// Brokers that are their own controllers (`KRaft`), and make no topic that nobody created.
#[derive(Debug)]
pub struct Kafka {
    nodes: Vec<Server>,
    addresses: Vec<SocketAddr>,
    proxies: Vec<Proxy>,
    certificates: Option<Certificates>,
    folder: Folder,
}

/// The ports of one node.
#[derive(Clone, Copy, Debug)]
struct Ports {
    /// For clients.
    clients: u16,
    /// Where clients are sent: the same, or the proxy's.
    advertised: u16,
    brokers: u16,
    controllers: u16,
}

impl Kafka {
    /// The node that the tests of a program share.
    pub fn shared() -> &'static Kafka {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(Kafka::start)
    }

    /// A node for one test, which lets everybody in.
    ///
    /// # Panics
    /// When there is no Kafka or no Java on this machine, or it does not start.
    pub fn start() -> Kafka {
        Kafka::start_with(&Options::default())
    }

    /// A node for one test.
    ///
    /// # Panics
    /// As [`start`](Kafka::start), and when it cannot be as it is to be.
    pub fn start_with(options: &Options) -> Kafka {
        Kafka::cluster_with(1, options)
    }

    /// Nodes for one test, where one must be able to die: topics are replicated to three of them,
    /// and a write needs two.
    ///
    /// # Panics
    /// As [`start`](Kafka::start).
    pub fn cluster(nodes: usize) -> Kafka {
        Kafka::cluster_with(nodes, &Options::default())
    }

    /// Nodes for one test, as [`cluster`](Kafka::cluster).
    ///
    /// # Panics
    /// As [`start_with`](Kafka::start_with).
    pub fn cluster_with(nodes: usize, options: &Options) -> Kafka {
        let folder = Folder::new("kafka");
        let certificates = options.tls.then(|| Certificates::new(&folder));
        let ports: Vec<Ports> = (0..nodes).map(|_| Ports::free(options.proxied)).collect();
        let proxied = ports
            .iter()
            .filter(|ports| ports.advertised != ports.clients);
        let proxies = proxied.map(|ports| Proxy::at(ports.advertised, local(ports.clients)));
        let proxies = proxies.collect();
        let properties = |node| properties(node, &ports, &folder, certificates.as_ref(), options);
        let files =
            (0..nodes).map(|node| folder.write(&format!("{node}.properties"), &properties(node)));
        Kafka {
            nodes: start_all(&folder, &files.collect::<Vec<_>>(), &options.login),
            addresses: ports.iter().map(|ports| local(ports.advertised)).collect(),
            proxies,
            certificates,
            folder,
        }
    }

    /// Where clients are to begin: every node, as clients want it.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        addresses.join(",")
    }

    /// Where the first node listens, or its proxy.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where a node listens, or its proxy: in the order of [`servers`](Broker::servers). Kafka's
    /// own name of a node is one more than its place in this order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What stands in front of the nodes, where they are [`proxied`](Options::proxied).
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }
}

impl Broker for Kafka {
    fn servers(&self) -> &[Server] {
        &self.nodes
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }
}

impl Ports {
    fn free(proxied: bool) -> Ports {
        let clients = free_port();
        Ports {
            clients,
            advertised: if proxied { free_port() } else { clients },
            brokers: free_port(),
            controllers: free_port(),
        }
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// None is ready before most are.
fn start_all(folder: &Folder, properties: &[PathBuf], login: &Login) -> Vec<Server> {
    let start =
        |properties: &Path| Server::start(serve(folder, properties, login), "Kafka Server started");
    together(properties.len(), |node| start(&properties[node]))
}

/// Formats the data of a node: how it is served.
fn serve(folder: &Folder, properties: &Path, login: &Login) -> Command {
    let mut format = java(folder, "kafka.tools.StorageTool");
    format.args(["format", "--cluster-id", "fanfare-for-tests-0123"]);
    format.arg("--config").arg(properties);
    if let Login::Password = login {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let user = format!("{mechanism}=[name={USER},password={PASSWORD}]");
            format.args(["--add-scram", &user]);
        }
    }
    crate::run(&mut format);
    let mut command = java(folder, "kafka.Kafka");
    command.arg(properties);
    command
}

/// A program of Kafka's.
fn java(folder: &Folder, class: &str) -> Command {
    needs("java", "default-jre-headless");
    let jars = installed("target/kafka", "Apache Kafka");
    let mut command = Command::new("java");
    command.arg(concat!(
        "@",
        env!("CARGO_MANIFEST_DIR"),
        "/brokers/java.options"
    ));
    // What `tests/setup` has loaded once needs half of the time.
    let classes = jars.join("classes.jsa");
    if classes.exists() {
        command.arg(format!("-XX:SharedArchiveFile={}", classes.display()));
    }
    command.arg("-cp").arg(jars.join("*")).arg(class);
    command.current_dir(folder.path());
    command
}

fn properties(
    node: usize,
    ports: &[Ports],
    folder: &Folder,
    certificates: Option<&Certificates>,
    options: &Options,
) -> String {
    let own = ports[node];
    let voters = ports.iter().enumerate();
    let voters =
        voters.map(|(node, ports)| format!("{}@127.0.0.1:{}", node + 1, ports.controllers));
    let voters = voters.collect::<Vec<_>>().join(",");
    let data = folder.path().join(format!("data-{node}"));
    let replicas = ports.len().min(3);
    let needed = replicas.min(2);
    // A node that was killed is taken back when it has been missed. Alone, nobody else needs it to
    // be there in time.
    let session = if ports.len() == 1 { 1_000 } else { 3_000 };
    let protocol = protocol(options);
    let common = include_str!("../../brokers/server.properties");
    let tls = certificates.map_or_else(String::new, |certificates| tls(certificates, options));
    let login = match options.login {
        Login::Password => login(),
        _ => String::new(),
    };
    format!(
        "{common}\n\
         node.id={id}\n\
         log.dirs={data}\n\
         controller.quorum.voters={voters}\n\
         listeners=CLIENTS://127.0.0.1:{clients},BROKERS://127.0.0.1:{brokers},\
         CONTROLLERS://127.0.0.1:{controllers}\n\
         advertised.listeners=CLIENTS://127.0.0.1:{advertised},BROKERS://127.0.0.1:{brokers}\n\
         listener.security.protocol.map=CLIENTS:{protocol},BROKERS:PLAINTEXT,CONTROLLERS:PLAINTEXT\n\
         broker.session.timeout.ms={session}\n\
         default.replication.factor={replicas}\n\
         min.insync.replicas={needed}\n\
         offsets.topic.replication.factor={replicas}\n\
         transaction.state.log.replication.factor={replicas}\n\
         transaction.state.log.min.isr={needed}\n\
         share.coordinator.state.topic.replication.factor={replicas}\n\
         share.coordinator.state.topic.min.isr={needed}\n\
         {tls}{login}",
        id = node + 1,
        data = data.display(),
        clients = own.clients,
        advertised = own.advertised,
        brokers = own.brokers,
        controllers = own.controllers,
    )
}

fn tls(certificates: &Certificates, options: &Options) -> String {
    let both = certificates.both().display();
    let authority = certificates.authority().display();
    let clients = if options.client_certificates {
        "required"
    } else {
        "none"
    };
    format!(
        "listener.name.clients.ssl.keystore.type=PEM\n\
         listener.name.clients.ssl.keystore.location={both}\n\
         listener.name.clients.ssl.truststore.type=PEM\n\
         listener.name.clients.ssl.truststore.location={authority}\n\
         listener.name.clients.ssl.client.auth={clients}\n"
    )
}

fn protocol(options: &Options) -> &'static str {
    match (&options.login, options.tls) {
        (Login::Everybody, false) => "PLAINTEXT",
        (Login::Everybody, true) => "SSL",
        (Login::Password, false) => "SASL_PLAINTEXT",
        (Login::Password, true) => "SASL_SSL",
        (Login::Token | Login::Nkey(_) | Login::Operator(_), _) => {
            panic!("Kafka asks for a user and a password")
        }
    }
}

/// Those for SCRAM are in the data; those for PLAIN are here.
fn login() -> String {
    let module = "org.apache.kafka.common.security";
    format!(
        "listener.name.clients.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         listener.name.clients.plain.sasl.jaas.config={module}.plain.PlainLoginModule required \
         user_{USER}=\"{PASSWORD}\";\n\
         listener.name.clients.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         listener.name.clients.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;\n"
    )
}
