//! Kafka, in the oldest versions of its protocol that it speaks.

use std::io::{Read, Write};
use std::iter;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanfare_tests::brokers::{Broker, Kafka, Login, Options, PASSWORD, USER};
use ring::{digest, hmac, pbkdf2};

use super::{Hello, contains, encrypted};

/// `ApiVersions`, version 0.
const HELLO: Hello = Hello {
    question: b"\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff",
    answer: b"\0\0\0\x07\0\0",
};
const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const METADATA: i16 = 3;
const SASL_HANDSHAKE: i16 = 17;
const CREATE_TOPICS: i16 = 19;
const SASL_AUTHENTICATE: i16 = 36;

const NO_SUCH_TOPIC: i16 = 3;
const NOT_LEADER: i16 = 6;

#[test]
fn it_answers() {
    assert!(HELLO.is_answered(Kafka::shared().address()));
}

#[test]
fn it_answers_again_after_it_was_killed_and_restarted() {
    let kafka = Kafka::start();
    super::is_back_after_a_kill(&kafka, kafka.address(), &HELLO);
}

#[test]
fn it_answers_again_after_it_was_stopped_and_restarted() {
    let kafka = Kafka::start();
    super::is_back_after_a_stop(&kafka, kafka.address(), &HELLO);
}

#[test]
fn paused_it_says_nothing_and_answers_when_it_goes_on() {
    let kafka = Kafka::start();
    super::answers_after_a_pause(&kafka, kafka.address(), &HELLO);
}

#[test]
fn a_record_is_kept_through_a_kill() {
    let kafka = Kafka::start();
    create_topic(kafka.address(), "kept", 1);
    leader(kafka.address(), "kept", |_| true);
    assert_eq!(produce(kafka.address(), "kept"), 0);
    kafka.kill();
    kafka.restart();
    leader(kafka.address(), "kept", |_| true);
    // The leader is known before it has found out how far it may be read.
    let until = Instant::now() + Duration::from_mins(1);
    while !contains(&fetch(kafka.address(), "kept"), b"hello") {
        assert!(Instant::now() < until, "the record is gone");
    }
}

#[test]
fn a_topic_that_nobody_created_is_not_there() {
    let address = Kafka::shared().address();
    let metadata = metadata(address, "nobody-created-it");
    assert_eq!(metadata.error, NO_SUCH_TOPIC);
}

#[test]
fn a_leader_that_dies_is_followed_by_another() {
    let kafka = Kafka::cluster(3);
    create_topic(kafka.address(), "led", 3);
    let first = leader(kafka.address(), "led", |_| true);
    kafka.servers()[first].kill();
    let other = kafka.addresses()[(first + 1) % 3];
    let second = leader(other, "led", |node| node != first);
    let stored = || produce(kafka.addresses()[second], "led");
    // It may hear last that it leads.
    let error = iter::repeat_with(stored).find(|error| *error != NOT_LEADER);
    assert_eq!(error, Some(0));
}

#[test]
fn one_that_is_proxied_sends_its_clients_to_the_proxy() {
    let options = Options {
        proxied: true,
        ..Options::default()
    };
    let kafka = Kafka::start_with(&options);
    let proxy = &kafka.proxies()[0];
    assert_eq!(kafka.address(), proxy.address());
    assert_eq!(
        metadata(kafka.address(), "none").nodes,
        [proxy.address().port()]
    );
    proxy.cut();
    assert!(!HELLO.is_answered(kafka.address()));
}

#[test]
fn it_can_ask_for_a_password_in_tls() {
    let options = Options {
        tls: true,
        login: Login::Password,
        ..Options::default()
    };
    let kafka = Kafka::start_with(&options);
    assert_ne!(log_in(&kafka, "wrong"), 0);
    assert_eq!(log_in(&kafka, PASSWORD), 0);
}

#[test]
fn it_lets_in_who_proves_to_know_the_password() {
    let kafka = Kafka::start_with(&Options {
        login: Login::Password,
        ..Options::default()
    });
    assert_ne!(prove(&kafka, &SHA_512, "wrong"), 0);
    assert_eq!(prove(&kafka, &SHA_512, PASSWORD), 0);
    assert_eq!(prove(&kafka, &SHA_256, PASSWORD), 0);
}

/// By PLAIN: the error.
fn log_in(kafka: &Kafka, password: &str) -> i16 {
    let stream = TcpStream::connect(kafka.address()).expect("connected");
    let mut stream = encrypted(stream, kafka.certificates().expect("certificates"));
    agree(&mut stream, "PLAIN");
    authenticate(&mut stream, &format!("\0{USER}\0{password}")).0
}

struct Scram {
    name: &'static str,
    hmac: hmac::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
    digest: &'static digest::Algorithm,
}

static SHA_256: Scram = Scram {
    name: "SCRAM-SHA-256",
    hmac: hmac::HMAC_SHA256,
    pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256,
    digest: &digest::SHA256,
};

static SHA_512: Scram = Scram {
    name: "SCRAM-SHA-512",
    hmac: hmac::HMAC_SHA512,
    pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512,
    digest: &digest::SHA512,
};

/// By SCRAM, which does not say the password: the error.
fn prove(kafka: &Kafka, scram: &Scram, password: &str) -> i16 {
    let mut stream = TcpStream::connect(kafka.address()).expect("connected");
    agree(&mut stream, scram.name);
    let first = format!("n={USER},r=nonce");
    let (error, challenge) = authenticate(&mut stream, &format!("n,,{first}"));
    assert_eq!(error, 0);
    let part = |name| {
        challenge
            .split(',')
            .find_map(|part| part.strip_prefix(name))
    };
    let nonce = part("r=").expect("a nonce");
    let salt = STANDARD.decode(part("s=").expect("salt")).expect("salt");
    let rounds = part("i=").and_then(|rounds| rounds.parse().ok());

    let mut salted = vec![0; scram.digest.output_len()];
    let rounds = rounds.expect("a number");
    pbkdf2::derive(
        scram.pbkdf2,
        rounds,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let sign =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(scram.hmac, key), text.as_bytes());
    let key = sign(&salted, "Client Key");
    let stored = digest::digest(scram.digest, key.as_ref());
    let last = format!("c=biws,r={nonce}");
    let signature = sign(stored.as_ref(), &format!("{first},{challenge},{last}"));
    let proof = key
        .as_ref()
        .iter()
        .zip(signature.as_ref())
        .map(|(a, b)| a ^ b);
    let proof = STANDARD.encode(proof.collect::<Vec<_>>());
    authenticate(&mut stream, &format!("{last},p={proof}")).0
}

fn agree(stream: &mut (impl Read + Write), mechanism: &str) {
    let agreed = call(stream, SASL_HANDSHAKE, 1, &string(mechanism));
    assert_eq!(agreed[..2], [0, 0], "{mechanism}");
}

/// The error, and what the server says.
fn authenticate(stream: &mut (impl Read + Write), says: &str) -> (i16, String) {
    let answer = call(stream, SASL_AUTHENTICATE, 0, &bytes(says.as_bytes()));
    let mut answer = Answer(&answer);
    let error = answer.i16();
    answer.string();
    let length = usize::try_from(answer.i32()).unwrap_or(0);
    let said = String::from_utf8_lossy(answer.take(length)).into_owned();
    (error, said)
}

fn create_topic(address: SocketAddr, topic: &str, replicas: i16) {
    let one = 1_i32.to_be_bytes();
    let (none, patience) = (0_i32.to_be_bytes(), 60_000_i32.to_be_bytes());
    let replicas = replicas.to_be_bytes();
    let topic = [&one[..], &string(topic), &one, &replicas, &none, &none].concat();
    let request = [&topic[..], &patience, &[0]].concat();
    let answer = ask(address, CREATE_TOPICS, 2, &request);
    let mut answer = Answer(&answer[4..]);
    answer.list(|answer| {
        answer.string();
        assert_eq!(answer.i16(), 0, "created");
        answer.string();
    });
}

/// The leader of a topic's only partition, once it is one of those that are meant.
fn leader(address: SocketAddr, topic: &str, is_meant: impl Fn(usize) -> bool) -> usize {
    loop {
        // Nodes count from one; none is -1.
        let leader = metadata(address, topic).leader;
        let leader = leader.and_then(|leader| usize::try_from(leader - 1).ok());
        if let Some(leader) = leader.filter(|leader| is_meant(*leader)) {
            return leader;
        }
    }
}

struct Metadata {
    /// The ports of the nodes.
    nodes: Vec<u16>,
    error: i16,
    leader: Option<i32>,
}

fn metadata(address: SocketAddr, topic: &str) -> Metadata {
    let request = [&1_i32.to_be_bytes(), &string(topic)[..]].concat();
    let answer = ask(address, METADATA, 1, &request);
    let mut answer = Answer(&answer);
    let mut nodes = Vec::new();
    answer.list(|answer| {
        answer.i32();
        answer.string();
        nodes.push(u16::try_from(answer.i32()).expect("a port"));
        answer.string();
    });
    answer.i32();
    let (mut error, mut leader) = (0, None);
    answer.list(|answer| {
        error = answer.i16();
        answer.string();
        answer.take(1);
        answer.list(|answer| {
            answer.i16();
            answer.i32();
            leader = Some(answer.i32());
            answer.list(|answer| _ = answer.i32());
            answer.list(|answer| _ = answer.i32());
        });
    });
    Metadata {
        nodes,
        error,
        leader,
    }
}

/// A record `hello`, on all replicas: the error.
fn produce(address: SocketAddr, topic: &str) -> i16 {
    let one = 1_i32.to_be_bytes();
    let all = (-1_i16).to_be_bytes();
    let patience = 60_000_i32.to_be_bytes();
    let partition = [&one[..], &0_i32.to_be_bytes(), &bytes(&batch())].concat();
    let request = [
        &[0xff, 0xff],
        &all[..],
        &patience,
        &one,
        &string(topic),
        &partition,
    ]
    .concat();
    let answer = ask(address, PRODUCE, 3, &request);
    let mut error = 0;
    Answer(&answer).list(|answer| {
        answer.string();
        answer.list(|answer| {
            answer.i32();
            error = answer.i16();
            answer.take(16);
        });
    });
    error
}

/// Whatever the topic has.
fn fetch(address: SocketAddr, topic: &str) -> Vec<u8> {
    let one = 1_i32.to_be_bytes();
    let much = 100_000_i32.to_be_bytes();
    let nobody = (-1_i32).to_be_bytes();
    let partition = [&one[..], &0_i32.to_be_bytes(), &0_i64.to_be_bytes(), &much].concat();
    let bounds = [&nobody[..], &much, &one, &much, &[0]].concat();
    let request = [&bounds[..], &one, &string(topic), &partition].concat();
    ask(address, FETCH, 4, &request)
}

/// One record, `hello`.
fn batch() -> Vec<u8> {
    let record = b"\x16\0\0\0\x01\x0ahello\0";
    let (no_time, no_producer) = (0_i64.to_be_bytes(), (-1_i64).to_be_bytes());
    let checked = [
        &[0, 0, 0, 0, 0, 0][..],
        &no_time,
        &no_time,
        &no_producer,
        &[0xff; 6],
        &1_i32.to_be_bytes(),
        record,
    ]
    .concat();
    let rest = [
        &[0xff, 0xff, 0xff, 0xff, 2],
        &crc32c(&checked).to_be_bytes()[..],
        &checked,
    ]
    .concat();
    [&0_i64.to_be_bytes(), &bytes(&rest)[..]].concat()
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 * (sum & 1))
        })
    })
}

fn ask(address: SocketAddr, api: i16, version: i16, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connected");
    call(&mut stream, api, version, request)
}

fn call(stream: &mut (impl Read + Write), api: i16, version: i16, request: &[u8]) -> Vec<u8> {
    let header = [
        &api.to_be_bytes(),
        &version.to_be_bytes(),
        &[0, 0, 0, 7, 0xff, 0xff][..],
    ];
    let request = [&header.concat(), request].concat();
    stream.write_all(&bytes(&request)).expect("sent");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let length = usize::try_from(u32::from_be_bytes(length)).expect("small");
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).expect("an answer");
    answer.split_off(4)
}

fn string(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).expect("short").to_be_bytes();
    [&length, text.as_bytes()].concat()
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    let length = i32::try_from(bytes.len()).expect("short").to_be_bytes();
    [&length, bytes].concat()
}

/// What is left of an answer.
struct Answer<'a>(&'a [u8]);

impl<'a> Answer<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    /// None is -1 long.
    fn string(&mut self) {
        let length = usize::try_from(self.i16()).unwrap_or(0);
        self.take(length);
    }

    fn list(&mut self, mut each: impl FnMut(&mut Self)) {
        for _ in 0..self.i32() {
            each(self);
        }
    }
}
