//! Who is let in, and what is said of who is not.

use fanfare::streamer::Streamer;
use fanfare::streamers::{Nats, Secret, Tls};
use fanfare_tests::brokers::{Broker, Login, Options, PASSWORD, TOKEN, USER};

use super::operator::Operator;
use super::{Server, carries_an_event};

fn server(login: Login, tls: bool) -> Server {
    Server::start_with(&Options {
        login,
        tls,
        ..Options::default()
    })
}

/// What is said to one who is not let in.
async fn refusal(nats: Nats) -> String {
    nats.connect().await.expect_err("a refusal").to_string()
}

#[tokio::test]
async fn a_user_with_a_password_is_let_in() {
    let server = server(Login::Password, false);
    let nats = Nats::new(server.url()).with_login(USER, Secret::new(PASSWORD));
    carries_an_event(nats).await;
}

#[tokio::test]
async fn a_password_may_stand_in_the_url_and_shows_nowhere() {
    let server = server(Login::Password, false);
    let nats = Nats::new(format!("nats://{USER}:{PASSWORD}@{}", server.address()));
    assert!(!format!("{nats:?}").contains(PASSWORD), "{nats:?}");
    carries_an_event(nats).await;
    let wrong = Nats::new(format!("nats://{USER}:hunter2@{}", server.address()));
    let said = refusal(wrong).await;
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_say_it() {
    let server = server(Login::Password, false);
    let nats = Nats::new(server.url()).with_login(USER, Secret::new("hunter2"));
    assert!(!format!("{nats:?}").contains("hunter2"));
    let said = refusal(nats).await;
    assert!(said.contains(&server.address().to_string()), "{said}");
    assert!(said.contains("does not let us in"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_token_lets_in() {
    let server = server(Login::Token, false);
    carries_an_event(Nats::new(server.url()).with_token(Secret::new(TOKEN))).await;
    let said = refusal(Nats::new(server.url())).await;
    assert!(said.contains("does not let us in"), "{said}");
}

#[tokio::test]
async fn an_nkey_lets_in() {
    let user = nkeys::KeyPair::new_user();
    let server = server(Login::Nkey(user.public_key()), false);
    let seed = user.seed().expect("a seed");
    carries_an_event(Nats::new(server.url()).with_nkey(Secret::new(seed))).await;
    let said = refusal(Nats::new(server.url()).with_nkey(Secret::new("no seed"))).await;
    assert!(said.contains("cannot be used"), "{said}");
}

#[tokio::test]
async fn tls_takes_a_private_authority() {
    let server = server(Login::Everybody, true);
    let certificates = server.certificates().expect("certificates");
    let tls = Tls::new().with_authority(certificates.authority());
    carries_an_event(Nats::new(server.url()).with_tls(tls)).await;
    let said = refusal(Nats::new(server.url())).await;
    assert!(said.contains("with_tls"), "{said}");
}

#[tokio::test]
async fn a_client_that_shows_its_certificate_is_let_in_where_that_is_asked_for_and_no_other() {
    let server = Server::start_with(&Options {
        tls: true,
        client_certificates: true,
        ..Options::default()
    });
    let certificates = server.certificates().expect("certificates");
    let tls = || Tls::new().with_authority(certificates.authority());
    let (client, key) = certificates.client();
    let shows = tls().with_identity(client, key);
    carries_an_event(Nats::new(server.url()).with_tls(shows)).await;
    let said = refusal(Nats::new(server.url()).with_tls(tls())).await;
    assert!(said.contains("one of ours"), "{said}");
}

#[tokio::test]
async fn who_has_a_credentials_file_is_let_in_and_nobody_else() {
    let operator = Operator::new();
    let server = server(Login::Operator(operator.configuration()), false);
    let file = server.folder().join("user.creds");
    std::fs::write(&file, operator.credentials()).expect("written");
    carries_an_event(Nats::new(server.url()).with_credentials_file(&file)).await;
    let said = refusal(Nats::new(server.url())).await;
    assert!(said.contains("does not let us in"), "{said}");
    let stranger = server.folder().join("stranger.creds");
    std::fs::write(&stranger, Operator::new().credentials()).expect("written");
    let said = refusal(Nats::new(server.url()).with_credentials_file(stranger)).await;
    assert!(said.contains("does not let us in"), "{said}");
}

#[tokio::test]
async fn a_credentials_file_that_is_missing_is_named() {
    let nats = Nats::new("nats://127.0.0.1:1").with_credentials_file("/nowhere/user.creds");
    let said = refusal(nats).await;
    assert!(said.contains("`/nowhere/user.creds`"), "{said}");
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to_where_tls_is_asked_for() {
    let server = server(Login::Everybody, false);
    let said = refusal(Nats::new(format!("tls://{}", server.address()))).await;
    assert!(said.contains(&server.address().to_string()), "{said}");
}

#[tokio::test]
async fn where_nobody_listens_the_error_names_the_address() {
    let said = refusal(Nats::new("nats://127.0.0.1:1")).await;
    assert!(said.contains("127.0.0.1:1"), "{said}");
}

#[tokio::test]
async fn the_next_server_is_taken_where_one_does_not_answer() {
    let server = server(Login::Everybody, false);
    carries_an_event(Nats::new(format!("nats://127.0.0.1:1, {}", server.url()))).await;
}

#[tokio::test]
async fn the_next_server_gets_the_login_of_the_first() {
    let server = server(Login::Password, false);
    let address = server.address();
    let first = format!("nats://{USER}:{PASSWORD}@127.0.0.1:1");
    carries_an_event(Nats::new(format!("{first}, {address}"))).await;
    // Unless it has one of its own.
    let said = refusal(Nats::new(format!("{first}, nats://{USER}:wrong@{address}"))).await;
    assert!(said.contains("does not let us in"), "{said}");
}

#[tokio::test]
async fn the_next_server_is_encrypted_where_the_first_one_is() {
    let server = server(Login::Everybody, false);
    let address = server.address();
    let said = refusal(Nats::new(format!("tls://127.0.0.1:1, {address}"))).await;
    assert!(said.contains(&address.to_string()), "{said}");
}

#[tokio::test]
async fn two_ways_in_at_once_are_an_error() {
    let nats = Nats::new("nats://127.0.0.1:1")
        .with_token(Secret::new(TOKEN))
        .with_nkey(Secret::new("SU"));
    assert!(refusal(nats).await.contains("several"));
}
