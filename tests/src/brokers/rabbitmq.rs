//! `RabbitMQ`.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::{Broker, Certificates, Folder, Login, Options, PASSWORD, Server, USER, free_port};

/// Where Debian has it. The one in the PATH insists on being root, or `rabbitmq`.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// The plugin that spreads events over queues by their key.
pub const HASHING: &str = "rabbitmq_consistent_hash_exchange";

/// The plugin that tells of queues.
pub const MANAGEMENT: &str = "rabbitmq_management";

/// The plugin that takes a client's certificate for its login.
pub const CERTIFICATE_LOGIN: &str = "rabbitmq_auth_mechanism_ssl";

/// A node of its own, with an Erlang port mapper of its own. It keeps durable classic queues
/// through `kill -9`, once they are [settled](RabbitMq::settle).
#[derive(Debug)]
pub struct RabbitMq {
    node: Server,
    port: u16,
    /// Where it speaks Erlang.
    own: u16,
    /// Where its management listens.
    management: u16,
    user: (&'static str, &'static str),
    certificates: Option<Certificates>,
    // What the node asks for, until the node is gone.
    _epmd: Server,
    folder: Folder,
}

impl RabbitMq {
    /// The node that the tests of a program share.
    pub fn shared() -> &'static RabbitMq {
        static SHARED: OnceLock<RabbitMq> = OnceLock::new();
        SHARED.get_or_init(|| {
            RabbitMq::start_with(&Options {
                plugins: &[HASHING],
                ..Options::default()
            })
        })
    }

    /// A node for one test, which lets `guest` in.
    ///
    /// # Panics
    /// When there is no `RabbitMQ` on this machine, or it does not start.
    pub fn start() -> RabbitMq {
        RabbitMq::start_with(&Options::default())
    }

    /// A node for one test.
    ///
    /// # Panics
    /// As [`start`](RabbitMq::start), and when it cannot be as it is to be.
    pub fn start_with(options: &Options) -> RabbitMq {
        assert!(
            Path::new(PROGRAM).exists(),
            "RabbitMQ is not installed on this machine: run tests/setup, or install Debian's \
             package rabbitmq-server"
        );
        let user = match options.login {
            Login::Everybody => ("guest", "guest"),
            Login::Password => (USER, PASSWORD),
            Login::Token | Login::Nkey(_) | Login::Operator(_) => {
                panic!("RabbitMQ asks for a user and a password")
            }
        };
        let folder = Folder::new("rabbitmq");
        let [port, own, names, management] = [(); 4].map(|()| free_port());
        let certificates = options.tls.then(|| Certificates::new(&folder));
        let mut more = vec![options.configuration.to_owned()];
        if options.client_certificates {
            more.push("ssl_options.verify = verify_peer".to_owned());
            more.push("ssl_options.fail_if_no_peer_cert = true".to_owned());
        }
        if options.plugins.contains(&MANAGEMENT) {
            more.push("management.tcp.ip = 127.0.0.1".to_owned());
            more.push(format!("management.tcp.port = {management}"));
        }
        let more = more.join("\n");
        let configuration = configuration(port, user, certificates.as_ref(), &more);
        folder.write("rabbitmq.conf", &configuration);
        folder.write(
            "enabled_plugins",
            &format!("[{}].", options.plugins.join(",")),
        );
        // Empty, so that the machine's own is not read.
        folder.write("environment", "");
        let epmd = Server::start(epmd(&folder, names), "epmd running");
        RabbitMq {
            node: Server::start(node(&folder, own, names), "Server startup complete"),
            port,
            own,
            management,
            user,
            certificates,
            _epmd: epmd,
            folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Waits until what was declared is on the disk, so that it is kept through a kill. The broker
    /// confirms a declaration a moment before that, and messages too: a durable queue that was
    /// declared just before a kill may be gone, with everything that was confirmed in it.
    ///
    /// # Panics
    /// When the node does not answer.
    pub fn settle(&self) {
        self.call("mnesia sync_log []");
    }

    /// Says that the node has no memory left, or has it again: it takes nothing meanwhile.
    ///
    /// # Panics
    /// When the node does not answer.
    pub fn alarm(&self, is_on: bool) {
        let alarm = "{resource_limit,memory,rabbit@localhost}";
        if is_on {
            self.call(&format!("rabbit_alarm set_alarm [{{{alarm},[]}}]"));
        } else {
            self.call(&format!("rabbit_alarm clear_alarm [{alarm}]"));
        }
    }

    /// Says that the node's disk is as good as full, or is not any more: it takes nothing meanwhile.
    ///
    /// # Panics
    /// When the node does not answer.
    pub fn fill_disk(&self, is_full: bool) {
        // In bytes, of which more are to be free than there are, or hardly any.
        let free: u64 = if is_full { 1 << 60 } else { 1 << 20 };
        self.call(&format!("rabbit_disk_monitor set_disk_free_limit [{free}]"));
    }

    /// Lets who is let in publish to this topic with such routing keys alone: a regular expression.
    ///
    /// # Panics
    /// When the node does not answer.
    pub fn permit_keys(&self, topic: &str, keys: &str) {
        let user = self.user.0;
        // The call knows no binaries.
        let [user, host, topic, keys, all] =
            [user, "/", topic, keys, ".*"].map(|text| format!("list_to_binary(\"{text}\")"));
        let asked = format!(
            "rabbit_auth_backend_internal:set_topic_permissions({user}, {host}, {topic}, {keys}, {all}, {user}).\n"
        );
        self.folder.write("asked", &asked);
        let asked = File::open(self.folder.path().join("asked")).expect("written");
        let answered = self.erl_call().arg("-e").stdin(asked).output();
        let said = answered.expect("started").stdout;
        // It is no failure of the program when it fails.
        assert!(
            said.starts_with(b"{ok, ok}"),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }

    fn call(&self, what: &str) {
        crate::run(self.erl_call().args(["-a", what]));
    }

    fn erl_call(&self) -> Command {
        let cookie = std::fs::read_to_string(self.folder.path().join(".erlang.cookie"));
        let mut call = Command::new("erl_call");
        call.args(["-address", &format!("127.0.0.1:{}", self.own)]);
        call.args(["-c", &cookie.expect("a cookie")]);
        call
    }

    /// Where its management listens, if it has the plugin.
    pub fn management(&self) -> String {
        format!("http://127.0.0.1:{}", self.management)
    }

    /// Where it listens and who is let in, as clients want it.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The same, at the address of a [`Proxy`](super::Proxy).
    pub fn url_at(&self, address: SocketAddr) -> String {
        let scheme = if self.certificates.is_some() {
            "amqps"
        } else {
            "amqp"
        };
        let (user, password) = self.user;
        format!("{scheme}://{user}:{password}@{address}/%2f")
    }
}

impl Broker for RabbitMq {
    fn servers(&self) -> &[Server] {
        std::slice::from_ref(&self.node)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }
}

/// The port mapper, in the foreground: one that a node starts would outlive it.
fn epmd(folder: &Folder, port: u16) -> Command {
    let mut command = Command::new("epmd");
    // With `-d`, it says that it runs.
    command.args(["-d", "-address", "127.0.0.1", "-port", &port.to_string()]);
    command.current_dir(folder.path());
    command
}

fn node(folder: &Folder, own: u16, names: u16) -> Command {
    let path = |name| folder.path().join(name);
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(folder.path())
        // Where the cookie is.
        .env("HOME", folder.path())
        .env("RABBITMQ_NODENAME", "rabbit@localhost")
        .env("RABBITMQ_CONF_ENV_FILE", path("environment"))
        .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
        .env("RABBITMQ_MNESIA_BASE", path("data"))
        .env("RABBITMQ_LOG_BASE", path("log"))
        .env("RABBITMQ_PID_FILE", path("pid"))
        .env("RABBITMQ_DIST_PORT", own.to_string())
        .env("ERL_EPMD_PORT", names.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}",
        )
        // Then the script becomes the node, instead of starting it.
        .env("RUNNING_UNDER_SYSTEMD", "true");
    command
}

fn configuration(
    port: u16,
    (user, password): (&str, &str),
    certificates: Option<&Certificates>,
    more: &str,
) -> String {
    let listener = match certificates {
        None => format!("listeners.tcp.1 = 127.0.0.1:{port}"),
        Some(certificates) => format!(
            "listeners.tcp = none\n\
             listeners.ssl.1 = 127.0.0.1:{port}\n\
             ssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n",
            certificates.authority().display(),
            certificates.server().display(),
            certificates.key().display(),
        ),
    };
    format!(
        "{listener}\n\
         default_user = {user}\n\
         default_pass = {password}\n\
         log.console = true\n\
         log.console.level = info\n\
         log.file = false\n\
         {more}\n"
    )
}
