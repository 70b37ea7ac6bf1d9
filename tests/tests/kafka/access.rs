//! Who is let in, and what is said to whom is not.

use std::sync::OnceLock;
use std::time::Duration;

use fanfare::streamer::Streamer;
use fanfare::streamers::{Kafka, Sasl, Secret, Tls};
use fanfare_tests::brokers::{Broker, Kafka as Server, Login, Options, PASSWORD, USER};
use fanfare_tests::{event, publish};

/// A server that asks for TLS and a password.
fn guarded() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        Server::start_with(&Options {
            tls: true,
            login: Login::Password,
            ..Options::default()
        })
    })
}

fn tls(server: &Server) -> Tls {
    let certificates = server.certificates().expect("certificates");
    Tls::new().with_authority(certificates.authority())
}

fn client(sasl: Sasl) -> Kafka {
    Kafka::new(guarded().bootstrap())
        .with_tls(tls(guarded()))
        .with_sasl(sasl)
}

#[tokio::test]
async fn a_password_opens_by_every_mechanism() {
    let password = || Secret::new(PASSWORD);
    for sasl in [
        Sasl::plain(USER, password()),
        Sasl::scram_sha_256(USER, password()),
        Sasl::scram_sha_512(USER, password()),
    ] {
        let kafka = client(sasl).with_create_topics(true);
        kafka.connect().await.expect("connected");
        kafka.close().await.expect("closed");
    }
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_say_it() {
    let kafka = client(Sasl::scram_sha_512(USER, Secret::new("not-the-password")));
    let error = kafka.connect().await.expect_err("refused").to_string();
    assert!(error.contains(&guarded().bootstrap()), "{error}");
    assert!(error.contains("uthentication"), "{error}");
    assert!(error.contains("with_sasl"), "{error}");
    assert!(!error.contains("not-the-password"), "{error}");
    assert!(!format!("{kafka:?}").contains("not-the-password"));
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_an_error() {
    let kafka = Kafka::new(guarded().bootstrap())
        .with_tls(Tls::new())
        .with_sasl(Sasl::plain(USER, Secret::new(PASSWORD)));
    let error = kafka.connect().await.expect_err("not trusted").to_string();
    assert!(error.contains("ertificate"), "{error}");
}

#[tokio::test]
async fn without_tls_a_server_that_wants_it_is_not_reached() {
    let kafka = Kafka::new(guarded().bootstrap()).with_connect_timeout(Duration::from_secs(2));
    let error = kafka.connect().await.expect_err("not reached").to_string();
    assert!(error.contains("without TLS"), "{error}");
    assert!(error.contains("Disconnected"), "{error}");
}

#[tokio::test]
async fn with_tls_a_server_that_has_none_is_not_reached() {
    let kafka = Kafka::new(Server::shared().bootstrap()).with_tls(Tls::new());
    let error = kafka.connect().await.expect_err("not reached").to_string();
    assert!(error.contains("with TLS"), "{error}");
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error_in_time() {
    let kafka = Kafka::new("127.0.0.1:1").with_connect_timeout(Duration::from_secs(1));
    let error = kafka.connect().await.expect_err("nobody").to_string();
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(error.contains("onnect"), "{error}");
}

#[tokio::test]
async fn a_secret_that_is_missing_is_named() {
    let kafka = client(Sasl::plain(USER, Secret::from_env("NO_SUCH_PASSWORD")));
    let error = kafka.connect().await.expect_err("no password").to_string();
    assert!(error.contains("`NO_SUCH_PASSWORD`"), "{error}");
}

#[tokio::test]
async fn events_travel_over_tls() {
    let server = Server::start_with(&Options {
        tls: true,
        ..Options::default()
    });
    events_travel(Kafka::new(server.bootstrap()).with_tls(tls(&server))).await;
}

#[tokio::test]
async fn a_client_that_shows_its_certificate_is_let_in_where_that_is_asked_for_and_no_other() {
    let server = Server::start_with(&Options {
        tls: true,
        client_certificates: true,
        ..Options::default()
    });
    let (client, key) = server.certificates().expect("certificates").client();
    let shows = tls(&server).with_identity(client, key);
    events_travel(Kafka::new(server.bootstrap()).with_tls(shows)).await;
    let stranger = Kafka::new(server.bootstrap())
        .with_tls(tls(&server))
        .with_connect_timeout(Duration::from_secs(2));
    let error = stranger.connect().await.expect_err("refused").to_string();
    assert!(error.contains("bad certificate"), "{error}");
}

async fn events_travel(kafka: Kafka) {
    let kafka = kafka.with_create_topics(true);
    kafka.connect().await.expect("connected");
    let name = super::name("tls");
    let mut needs = fanfare::streamer::Needs::default();
    needs.published.insert(name.clone());
    kafka.prepare(&needs).await.expect("prepared");
    let mut ear = fanfare_tests::listen(&kafka, &name).await;
    publish(&kafka, &name, event("tests.event", "{}")).await;
    assert_eq!(ear.next_event().await.kind(), "tests.event");
}
