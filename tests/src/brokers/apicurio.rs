//! Apicurio Registry: a schema registry with Confluent's interface.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use ureq::Agent;

use super::process::{installed, needs};
use super::{Folder, Server, free_port};

/// A registry that keeps what it knows in memory, and so forgets it when it is killed.
#[derive(Debug)]
pub struct Apicurio {
    server: Server,
    address: SocketAddr,
    // What it runs in, until it is gone.
    _folder: Folder,
}

impl Apicurio {
    /// The registry that the tests of a program share.
    pub fn shared() -> &'static Apicurio {
        static SHARED: OnceLock<Apicurio> = OnceLock::new();
        SHARED.get_or_init(Apicurio::start)
    }

    /// A registry for one test.
    ///
    /// # Panics
    /// When there is none, or no Java, on this machine, or it does not start.
    pub fn start() -> Apicurio {
        needs("java", "default-jre-headless");
        let program = installed("target/apicurio", "Apicurio Registry");
        let folder = Folder::new("apicurio");
        let address = (Ipv4Addr::LOCALHOST, free_port()).into();
        let mut command = Command::new("java");
        command
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Djava.io.tmpdir={}", folder.path().display()))
            .arg(format!("-Dquarkus.http.host={}", Ipv4Addr::LOCALHOST))
            .arg(format!(
                "-Dquarkus.http.port={}",
                SocketAddr::port(&address)
            ))
            .arg("-Dquarkus.http.access-log.enabled=false")
            .arg("-Dquarkus.log.category.\"io.quarkus\".level=INFO")
            .arg("-jar")
            .arg(program.join("apicurio-registry-app-3.0.9-runner.jar"))
            .current_dir(folder.path());
        Apicurio {
            server: Server::start(command, "Listening on: http://"),
            address,
            _folder: folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its interface, by way of this one.
    pub fn url_at(address: SocketAddr) -> String {
        format!("http://{address}/apis/ccompat/v7")
    }

    /// The address of its interface.
    pub fn url(&self) -> String {
        Apicurio::url_at(self.address)
    }

    /// Its process.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Registers a schema, as a producer in another language does: its id.
    ///
    /// # Panics
    /// When it is refused.
    pub fn register(&self, subject: &str, schema: &Value) -> u32 {
        let body = json!({"schema": schema.to_string()});
        let answer = self.ask("POST", &format!("subjects/{subject}/versions"), &body);
        let id = answer["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("no id: {answer}"));
        u32::try_from(id).expect("an id")
    }

    /// The newest schema under a name.
    ///
    /// # Panics
    /// When there is none.
    pub fn newest(&self, subject: &str) -> (u32, Value) {
        let answer = self.ask(
            "GET",
            &format!("subjects/{subject}/versions/latest"),
            &Value::Null,
        );
        let id = answer["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("no id: {answer}"));
        let schema = answer["schema"].as_str().expect("a schema");
        (
            u32::try_from(id).expect("an id"),
            serde_json::from_str(schema).expect("JSON"),
        )
    }

    /// The names that schemas stand under.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn subjects(&self) -> Vec<String> {
        let answer = self.ask("GET", "subjects", &Value::Null);
        serde_json::from_value(answer).expect("names")
    }

    /// What may come under a name after what is there: `BACKWARD`, say.
    ///
    /// # Panics
    /// When it is refused.
    pub fn set_compatibility(&self, subject: &str, level: &str) {
        let body = json!({"compatibility": level});
        let answer = self.ask("PUT", &format!("config/{subject}"), &body);
        assert!(answer.get("error_code").is_none(), "{answer}");
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/{path}", self.url());
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let answer = match method {
            "GET" => agent.get(&url).call(),
            "PUT" => agent.put(&url).send_json(body),
            _ => agent.post(&url).send_json(body),
        };
        let mut answer = answer.expect("an answer");
        answer.body_mut().read_json().expect("JSON")
    }
}
