//! The brokers that the tests start: what they can be put through, and what is left of them.
//!
//! Spoken to by hand, so that nothing stands between a test and its broker.

mod ends;
mod kafka;
mod nats;
mod proxy;
mod rabbitmq;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fanfare_tests::brokers::{Broker, Certificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What a broker answers, whoever asks.
struct Hello {
    question: &'static [u8],
    answer: &'static [u8],
}

impl Hello {
    fn ask(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(self.question)?;
        Ok(stream)
    }

    fn is_answered(&self, address: SocketAddr) -> bool {
        let answer = self.ask(address);
        let answer = answer.and_then(|mut stream| read_until(&mut stream, self.answer));
        answer.is_ok()
    }
}

/// Reads what comes up to something that must be in it.
fn read_until(stream: &mut impl Read, last: &[u8]) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    while !contains(&read, last) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        read.push(byte[0]);
    }
    Ok(read)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether nothing comes; long enough for one that runs to have said something.
fn is_silent(stream: &mut TcpStream) -> bool {
    let timeout = Some(Duration::from_millis(300));
    stream.set_read_timeout(timeout).expect("a timeout");
    let silence = stream.read(&mut [0]);
    stream.set_read_timeout(None).expect("no timeout");
    silence.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// TLS with a server that the authority certified.
fn encrypted(
    stream: TcpStream,
    certificates: &Certificates,
) -> StreamOwned<ClientConnection, TcpStream> {
    let authority = CertificateDer::from_pem_file(certificates.authority());
    let mut roots = RootCertStore::empty();
    roots.add(authority.expect("PEM")).expect("an authority");
    let config =
        ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(config.into(), name).expect("a connection");
    StreamOwned::new(connection, stream)
}

/// Killed, it is gone; restarted, it answers where it was.
fn is_back_after_a_kill(broker: &impl Broker, address: SocketAddr, hello: &Hello) {
    broker.kill();
    assert!(TcpStream::connect(address).is_err());
    broker.restart();
    assert!(hello.is_answered(address));
}

/// Stopped, it is gone; restarted, it answers where it was.
fn is_back_after_a_stop(broker: &impl Broker, address: SocketAddr, hello: &Hello) {
    broker.stop();
    assert!(TcpStream::connect(address).is_err());
    broker.restart();
    assert!(hello.is_answered(address));
}

/// What it is asked while it is paused, it answers when it goes on.
fn answers_after_a_pause(broker: &impl Broker, address: SocketAddr, hello: &Hello) {
    broker.pause();
    let mut stream = hello.ask(address).expect("asked");
    assert!(is_silent(&mut stream));
    broker.resume();
    read_until(&mut stream, hello.answer).expect("an answer");
}
