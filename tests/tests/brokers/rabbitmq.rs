//! `RabbitMQ`, in AMQP 0.9.1.

use std::io::{Read, Write};
use std::net::TcpStream;

use fanfare_tests::brokers::{Broker, Login, Options, PASSWORD, RabbitMq, USER};

use super::{Hello, encrypted, read_until};

const HELLO: Hello = Hello {
    question: b"AMQP\0\0\x09\x01",
    // In the properties of the server, in `Connection.Start`.
    answer: b"RabbitMQ",
};

#[test]
fn it_answers() {
    assert!(HELLO.is_answered(RabbitMq::shared().address()));
}

#[test]
fn it_answers_again_after_it_was_killed_and_restarted() {
    let rabbitmq = RabbitMq::start();
    super::is_back_after_a_kill(&rabbitmq, rabbitmq.address(), &HELLO);
}

#[test]
fn it_answers_again_after_it_was_stopped_and_restarted() {
    let rabbitmq = RabbitMq::start();
    super::is_back_after_a_stop(&rabbitmq, rabbitmq.address(), &HELLO);
}

#[test]
fn paused_it_says_nothing_and_answers_when_it_goes_on() {
    let rabbitmq = RabbitMq::start();
    super::answers_after_a_pause(&rabbitmq, rabbitmq.address(), &HELLO);
}

#[test]
fn a_message_is_kept_through_a_kill_once_its_queue_is_settled() {
    let rabbitmq = RabbitMq::start();
    let mut client = Client::log_in(tcp(&rabbitmq), "guest", "guest").expect("let in");
    assert_eq!(client.declare("durable"), 0);
    client.publish("durable", b"kept");
    rabbitmq.settle();
    rabbitmq.kill();
    rabbitmq.restart();
    let mut client = Client::log_in(tcp(&rabbitmq), "guest", "guest").expect("let in");
    assert_eq!(client.declare("durable"), 1);
}

#[test]
fn it_can_ask_for_a_password() {
    let rabbitmq = RabbitMq::start_with(&Options {
        login: Login::Password,
        ..Options::default()
    });
    assert!(Client::log_in(tcp(&rabbitmq), "guest", "guest").is_none());
    assert!(Client::log_in(tcp(&rabbitmq), USER, PASSWORD).is_some());
}

#[test]
fn it_can_speak_tls() {
    let rabbitmq = RabbitMq::start_with(&Options {
        tls: true,
        ..Options::default()
    });
    let certificates = rabbitmq.certificates().expect("certificates");
    let mut stream = encrypted(tcp(&rabbitmq), certificates);
    stream.write_all(HELLO.question).expect("asked");
    read_until(&mut stream, HELLO.answer).expect("an answer");
}

fn tcp(rabbitmq: &RabbitMq) -> TcpStream {
    TcpStream::connect(rabbitmq.address()).expect("connected")
}

/// A client with one channel.
struct Client(TcpStream);

impl Client {
    /// None, if it is not let in.
    fn log_in(mut stream: TcpStream, user: &str, password: &str) -> Option<Client> {
        stream.write_all(HELLO.question).expect("sent");
        let mut client = Client(stream);
        client.expect([10, 10])?;
        let response = format!("\0{user}\0{password}");
        let mut login = vec![0, 0, 0, 0];
        login.extend(short("PLAIN"));
        login.extend(u32::try_from(response.len()).expect("short").to_be_bytes());
        login.extend(response.as_bytes());
        login.extend(short("en_US"));
        client.say(0, [10, 11], &login);
        client.expect([10, 30])?;
        // At most 2047 channels, frames of 128 KiB, no heartbeat.
        client.say(0, [10, 31], &[7, 0xff, 0, 2, 0, 0, 0, 0]);
        client.say(0, [10, 40], &[&short("/")[..], &[0, 0]].concat());
        client.expect([10, 41])?;
        client.say(1, [20, 10], &[0]);
        client.expect([20, 11])?;
        Some(client)
    }

    /// Declares a durable queue: how many messages it has.
    fn declare(&mut self, queue: &str) -> u32 {
        let durable = 2;
        let arguments = [&[0, 0], &short(queue)[..], &[durable, 0, 0, 0, 0]].concat();
        self.say(1, [50, 10], &arguments);
        let answer = self.expect([50, 11]).expect("declared");
        let messages = &answer[1 + queue.len()..][..4];
        u32::from_be_bytes(messages.try_into().expect("four bytes"))
    }

    /// Publishes a persistent message, and waits until the broker has it.
    fn publish(&mut self, queue: &str, payload: &[u8]) {
        self.say(1, [85, 10], &[0]);
        self.expect([85, 11]).expect("confirms");
        let to = [&[0, 0, 0], &short(queue)[..], &[0]].concat();
        self.say(1, [60, 40], &to);
        let length = u64::try_from(payload.len()).expect("short").to_be_bytes();
        let persistent = [0x10, 0, 2];
        let header = [&[0, 60, 0, 0], &length[..], &persistent].concat();
        self.frame(2, 1, &header);
        self.frame(3, 1, payload);
        self.expect([60, 80]).expect("confirmed");
    }

    fn say(&mut self, channel: u8, [class, method]: [u8; 2], arguments: &[u8]) {
        let payload = [&[0, class, 0, method], arguments].concat();
        self.frame(1, channel, &payload);
    }

    fn frame(&mut self, kind: u8, channel: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let frame = [&[kind, 0, channel], &length[..], payload, &[0xce]].concat();
        self.0.write_all(&frame).expect("sent");
    }

    /// The arguments of a method; none, if it is another, or the connection ends.
    fn expect(&mut self, [class, method]: [u8; 2]) -> Option<Vec<u8>> {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes(head[3..].try_into().expect("four bytes"));
        let mut payload = vec![0; usize::try_from(length).expect("small") + 1];
        self.0.read_exact(&mut payload).ok()?;
        payload.pop();
        let arguments = payload.split_off(4);
        (payload == [0, class, 0, method]).then_some(arguments)
    }
}

fn short(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len()).expect("short")];
    bytes.extend(text.as_bytes());
    bytes
}
