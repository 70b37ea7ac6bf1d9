//! A schema registry that says what a test wants it to say.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What a registry is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method and the path: `GET /schemas/ids/1`.
    pub what: String,
    /// The header `authorization`.
    pub login: Option<String>,
    /// The body.
    pub body: String,
}

/// A registry that says what a test wants it to say, and keeps what it was asked.
#[derive(Debug)]
pub struct FakeRegistry {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeRegistry {
    /// One that answers each request with a status and a body.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn new(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> FakeRegistry {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (keep, answer) = (Arc::clone(&asked), Arc::new(answer));
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (keep, answer) = (Arc::clone(&keep), Arc::clone(&answer));
                thread::spawn(move || serve(&stream, &keep, &*answer));
            }
        });
        FakeRegistry { address, asked }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked, so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn serve(stream: &TcpStream, keep: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> (u16, String)) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader) {
        keep.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked.clone());
        let (status, body) = answer(&asked);
        let head = format!(
            "HTTP/1.1 {status} So\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = stream;
        // Whoever does not wait for the answer hears none.
        let _ = stream.write_all((head + &body).as_bytes());
    }
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let mut headers = lines
            .iter()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        headers
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then(|| value.to_owned()))
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap_or(0));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (what, _) = lines.first()?.rsplit_once(' ')?;
    Some(Asked {
        what: what.to_owned(),
        login: header("authorization"),
        body: String::from_utf8(body).ok()?,
    })
}
