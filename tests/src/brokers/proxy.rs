//! A network that fails on demand.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use super::process::free_port;

/// Stands in front of a server, and passes on what both sides say, until it is told otherwise.
///
/// It runs on a thread of its own: a test that blocks, or stops the clock, does not stop it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    orders: Option<UnboundedSender<(Order, mpsc::Sender<()>)>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Cut,
    Stall,
    Heal,
}

impl Proxy {
    /// In front of this address.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn to(server: SocketAddr) -> Proxy {
        Proxy::at(free_port(), server)
    }

    /// At a port that is known before.
    pub(crate) fn at(port: u16, server: SocketAddr) -> Proxy {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (orders, received) = unbounded_channel();
        let proxy = Proxy {
            address,
            orders: Some(orders),
            thread: Some(thread::spawn(move || run(address, server, received))),
        };
        proxy.heal();
        proxy
    }

    /// Where clients find the server through it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections and refuses new ones, until it heals.
    pub fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Keeps the connections, and takes new ones, but passes nothing on until it heals.
    pub fn stall(&self) {
        self.order(Order::Stall);
    }

    /// Passes on everything again, also what came while it stalled.
    pub fn heal(&self) {
        self.order(Order::Heal);
    }

    /// Comes back when it is done.
    fn order(&self, order: Order) {
        let (done, is_done) = mpsc::channel();
        let orders = self.orders.as_ref().expect("there until dropped");
        orders.send((order, done)).expect("a proxy that runs");
        is_done.recv().expect("a proxy that runs");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.orders.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(
    address: SocketAddr,
    server: SocketAddr,
    orders: UnboundedReceiver<(Order, mpsc::Sender<()>)>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(serve(address, server, orders));
}

async fn serve(
    address: SocketAddr,
    server: SocketAddr,
    mut orders: UnboundedReceiver<(Order, mpsc::Sender<()>)>,
) {
    let mut listener = None;
    let mut connections = JoinSet::new();
    let (flow, flows) = watch::channel(true);
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some((order, done)) = order else { return };
                flow.send_replace(!matches!(order, Order::Stall));
                if let Order::Cut = order {
                    listener = None;
                    connections.shutdown().await;
                } else if listener.is_none() {
                    listener = Some(listen(address).await);
                }
                // Whoever ordered it may have gone.
                let _ = done.send(());
            }
            client = accept(listener.as_ref()) => {
                connections.spawn(carry(client, server, flows.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Listens, also where somebody has looked for a free port just now, and found this one.
async fn listen(address: SocketAddr) -> TcpListener {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(
                begun.elapsed() < Duration::from_secs(10),
                "no port: {error}"
            ),
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => listener.accept().await.expect("a connection").0,
        None => pending().await,
    }
}

/// Until both sides have ended, or one is broken, or the server is not there.
async fn carry(
    client: TcpStream,
    server: SocketAddr,
    flows: watch::Receiver<bool>,
) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        pass(from_client, to_server, flows.clone()),
        pass(from_server, to_client, flows),
    )?;
    Ok(())
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut flows: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        // The flow ends with the proxy.
        let flowing = flows.wait_for(|flows| *flows).await;
        flowing.map_err(io::Error::other)?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}
