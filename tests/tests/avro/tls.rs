//! A registry that speaks TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use fanfare::registry::SchemaRegistry;
use fanfare::streamers::Tls;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::NamedTempFile;

use super::app;

/// One that says of each schema that it is number 1; and the certificate that it is trusted by.
fn registry() -> (SocketAddr, NamedTempFile) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let own = own.expect("a certificate");
    let authority = NamedTempFile::new().expect("a file");
    std::fs::write(&authority, own.cert.pem()).expect("written");
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key);
    let config = Arc::new(config.expect("a server"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            thread::spawn(move || serve(config, stream));
        }
    });
    (address, authority)
}

/// Nothing, where the client does not trust it.
fn serve(config: Arc<ServerConfig>, stream: TcpStream) -> Option<()> {
    let connection = ServerConnection::new(config).ok()?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let line = line.trim_end().to_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let answer = b"HTTP/1.1 200 So\r\ncontent-length: 8\r\n\r\n{\"id\":1}";
        reader.get_mut().write_all(answer).ok()?;
        reader.get_mut().flush().ok()?;
    }
}

#[tokio::test]
async fn one_of_the_named_authority_is_trusted_and_no_other() {
    let (address, authority) = registry();
    let url = format!("https://localhost:{}", address.port());
    let trusting = SchemaRegistry::new(&url).with_tls(Tls::new().with_authority(authority.path()));
    let (trusted, _rest) = app();
    let running = trusted
        .schema_registry(trusting)
        .start()
        .await
        .expect("started");
    running.shutdown().await.expect("shut down");

    let (stranger, _rest) = app();
    let refused = stranger
        .schema_registry(SchemaRegistry::new(url))
        .start()
        .await;
    let words = refused.map(drop).expect_err("refused").to_string();
    assert!(words.contains("certificate"), "{words}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let tls = Tls::new().with_authority("/nowhere/ca.pem");
    let (nobody, _rest) = app();
    let registry = SchemaRegistry::new("https://localhost:9").with_tls(tls);
    let refused = nobody.schema_registry(registry).start().await;
    let words = refused.map(drop).expect_err("refused").to_string();
    assert!(words.contains("/nowhere/ca.pem"), "{words}");
}
