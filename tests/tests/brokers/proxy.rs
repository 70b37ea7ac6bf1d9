//! A network that fails on demand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use fanfare_tests::brokers::Proxy;

use super::is_silent;

#[test]
fn what_both_sides_say_is_passed_on() {
    let proxy = Proxy::to(echo());
    let mut client = TcpStream::connect(proxy.address()).expect("connected");
    assert!(is_echoed(&mut client));
}

#[test]
fn one_that_is_cut_has_closed_its_connections_and_takes_no_more() {
    let proxy = Proxy::to(echo());
    let mut client = TcpStream::connect(proxy.address()).expect("connected");
    assert!(is_echoed(&mut client));
    proxy.cut();
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(proxy.address()).is_err());
}

#[test]
fn one_that_was_cut_and_heals_takes_connections_where_it_was() {
    let proxy = Proxy::to(echo());
    proxy.cut();
    proxy.heal();
    let mut client = TcpStream::connect(proxy.address()).expect("connected");
    assert!(is_echoed(&mut client));
}

#[test]
fn one_that_stalls_passes_nothing_on_until_it_heals() {
    let proxy = Proxy::to(echo());
    let mut client = TcpStream::connect(proxy.address()).expect("connected");
    assert!(is_echoed(&mut client));
    proxy.stall();
    client.write_all(b"later").expect("sent");
    assert!(is_silent(&mut client));
    proxy.heal();
    let mut said = [0; 5];
    client.read_exact(&mut said).expect("echoed");
    assert_eq!(&said, b"later");
}

#[test]
fn one_whose_server_is_gone_ends_its_connections() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = gone.local_addr().expect("an address");
    drop(gone);
    let proxy = Proxy::to(address);
    let mut client = TcpStream::connect(proxy.address()).expect("connected");
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
}

/// Says what it hears.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || std::io::copy(&mut &client, &mut &client));
        }
    });
    address
}

fn is_echoed(client: &mut TcpStream) -> bool {
    let mut said = [0; 5];
    client.write_all(b"hello").is_ok() && client.read_exact(&mut said).is_ok() && &said == b"hello"
}
