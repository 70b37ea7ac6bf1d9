//! NATS, in its text protocol.

use std::io::{Read, Write};
use std::net::TcpStream;

use fanfare_tests::brokers::{Broker, Login, Nats, Options, PASSWORD, TOKEN, USER};

use super::{Hello, encrypted, read_until};

const HELLO: Hello = Hello {
    question: b"CONNECT {\"verbose\":false,\"headers\":true}\r\nPING\r\n",
    answer: b"PONG\r\n",
};

#[test]
fn it_answers() {
    assert!(HELLO.is_answered(Nats::shared().address()));
}

#[test]
fn it_answers_again_after_it_was_killed_and_restarted() {
    let nats = Nats::start();
    super::is_back_after_a_kill(&nats, nats.address(), &HELLO);
}

#[test]
fn it_answers_again_after_it_was_stopped_and_restarted() {
    let nats = Nats::start();
    super::is_back_after_a_stop(&nats, nats.address(), &HELLO);
}

#[test]
fn paused_it_says_nothing_and_answers_when_it_goes_on() {
    let nats = Nats::start();
    super::answers_after_a_pause(&nats, nats.address(), &HELLO);
}

#[test]
fn a_message_is_kept_through_a_kill_and_known_again() {
    let nats = Nats::start();
    let mut client = connect(&nats);
    let stream = r#"{"name":"S","subjects":["s"]}"#;
    let created = request(&mut client, "$JS.API.STREAM.CREATE.S", stream);
    assert!(created.contains(r#""messages":0"#), "{created}");
    let stored = publish(&mut client, "once", "hello");
    assert!(stored.contains(r#""seq":1"#), "{stored}");

    nats.kill();
    nats.restart();

    let mut client = connect(&nats);
    let info = request(&mut client, "$JS.API.STREAM.INFO.S", "");
    assert!(info.contains(r#""messages":1"#), "{info}");
    let again = publish(&mut client, "once", "hello");
    assert!(
        again.contains(r#""duplicate": true"#) || again.contains(r#""duplicate":true"#),
        "{again}"
    );
}

#[test]
fn it_can_ask_for_a_password() {
    let good = format!(r#"{{"verbose":false,"user":"{USER}","pass":"{PASSWORD}"}}"#);
    lets_in_only(Login::Password, |_| good);
}

#[test]
fn it_can_ask_for_a_token() {
    let good = format!(r#"{{"verbose":false,"auth_token":"{TOKEN}"}}"#);
    lets_in_only(Login::Token, |_| good);
}

#[test]
fn it_can_ask_for_a_signature() {
    let user = nkeys::KeyPair::new_user();
    lets_in_only(Login::Nkey(user.public_key()), |info| {
        let nonce = info.split(r#""nonce":""#).nth(1).expect("a nonce");
        let nonce = nonce.split('"').next().expect("a nonce");
        let signature = user.sign(nonce.as_bytes()).expect("signed");
        let signature =
            base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature);
        let public = user.public_key();
        format!(r#"{{"verbose":false,"nkey":"{public}","sig":"{signature}"}}"#)
    });
}

#[test]
fn it_can_speak_tls() {
    let options = Options {
        tls: true,
        ..Options::default()
    };
    let nats = Nats::start_with(&options);
    let mut stream = TcpStream::connect(nats.address()).expect("connected");
    let info = read_until(&mut stream, b"\r\n").expect("INFO");
    assert!(super::contains(&info, br#""tls_required":true"#));
    let certificates = nats.certificates().expect("certificates");
    let mut stream = encrypted(stream, certificates);
    stream.write_all(HELLO.question).expect("asked");
    read_until(&mut stream, HELLO.answer).expect("an answer");
}

fn lets_in_only(login: Login, good: impl FnOnce(&str) -> String) {
    let options = Options {
        login,
        ..Options::default()
    };
    let nats = Nats::start_with(&options);
    assert!(!HELLO.is_answered(nats.address()));
    let mut stream = TcpStream::connect(nats.address()).expect("connected");
    let info = read_until(&mut stream, b"\r\n").expect("INFO");
    let good = good(&String::from_utf8_lossy(&info));
    write!(stream, "CONNECT {good}\r\nPING\r\n").expect("asked");
    read_until(&mut stream, HELLO.answer).expect("an answer");
}

fn connect(nats: &Nats) -> TcpStream {
    let mut client = HELLO.ask(nats.address()).expect("connected");
    read_until(&mut client, HELLO.answer).expect("an answer");
    client.write_all(b"SUB answers 1\r\n").expect("sent");
    client
}

fn request(client: &mut TcpStream, subject: &str, payload: &str) -> String {
    write!(
        client,
        "PUB {subject} answers {}\r\n{payload}\r\n",
        payload.len()
    )
    .expect("sent");
    message(client)
}

fn publish(client: &mut TcpStream, id: &str, payload: &str) -> String {
    let headers = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n");
    let total = headers.len() + payload.len();
    write!(
        client,
        "HPUB s answers {} {total}\r\n{headers}{payload}\r\n",
        headers.len()
    )
    .expect("sent");
    message(client)
}

fn message(client: &mut TcpStream) -> String {
    let head = read_until(client, b"\r\n").expect("a message");
    let head = String::from_utf8(head).expect("text");
    assert!(head.starts_with("MSG answers 1 "), "{head}");
    let length: usize = head
        .trim()
        .rsplit(' ')
        .next()
        .and_then(|length| length.parse().ok())
        .expect("a length");
    let mut payload = vec![0; length + 2];
    client.read_exact(&mut payload).expect("a payload");
    String::from_utf8(payload).expect("text")
}
