//! A broker of its own: a process that writes each event to a file, and then confirms it; and the
//! streamer to it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, thread};

use fanfare::Result;
use fanfare::streamer::{Outgoing, Publish, StreamError, Streamer};
use fanfare_tests::lives::{appending, note};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net;
use tokio::sync::Mutex;

use super::books::STREAMED;
use super::point::{Part, Point, Role};
use super::service::Numbered;

/// What it answers for each event.
const CONFIRMED: &str = "confirmed\n";

fn socket(folder: &Path) -> PathBuf {
    folder.join("broker")
}

/// The broker, until it is killed.
pub(super) fn run(folder: &Path, point: Option<Point>) -> Result<()> {
    let socket = socket(folder);
    // Left by the one before.
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket)?;
    let file = Arc::new(appending(folder, STREAMED)?);
    let role = Arc::new(Role::new(Part::Broker, point));
    for connection in listener.incoming() {
        let (connection, file, role) = (connection?, Arc::clone(&file), Arc::clone(&role));
        thread::spawn(move || {
            if let Err(error) = take(&connection, &file, &role) {
                eprintln!("a connection has ended: {error}");
            }
        });
    }
    Ok(())
}

fn take(mut connection: &UnixStream, file: &File, role: &Role) -> Result<()> {
    let mut lines = BufReader::new(connection);
    let (mut line, mut unconfirmed) = (String::new(), 0);
    // One that was cut off has no end, and was not sent.
    while lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
        let numbered: Numbered = serde_json::from_str(&line)?;
        line.clear();
        note(file, numbered.key, numbered.number)?;
        unconfirmed += 1;
        let has_more = lines.buffer().contains(&b'\n');
        if !has_more {
            // Once for all that have come.
            file.sync_data()?;
            role.at(Point::Written);
            connection.write_all(CONFIRMED.repeat(unconfirmed).as_bytes())?;
            unconfirmed = 0;
        }
    }
    Ok(())
}

/// The streamer: a connection, made when it is needed.
pub(super) struct Line {
    socket: PathBuf,
    connection: Mutex<Option<BufStream<net::UnixStream>>>,
}

impl Line {
    pub(super) fn to(folder: &Path) -> Line {
        Line {
            socket: socket(folder),
            connection: Mutex::default(),
        }
    }

    /// Sends all, and reports each that is confirmed.
    async fn send(
        &self,
        connection: &mut BufStream<net::UnixStream>,
        batch: &mut [Outgoing],
    ) -> std::io::Result<()> {
        for outgoing in &*batch {
            connection.write_all(outgoing.message().payload()).await?;
            connection.write_all(b"\n").await?;
        }
        connection.flush().await?;
        let mut answer = String::new();
        for outgoing in batch {
            answer.clear();
            connection.read_line(&mut answer).await?;
            if answer != CONFIRMED {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            outgoing.report(Ok(()));
        }
        Ok(())
    }
}

impl Streamer for Line {}

impl Publish for Line {
    async fn publish(&self, _topic: &str, batch: &mut [Outgoing]) {
        for outgoing in &mut *batch {
            outgoing.report(Err(StreamError::new("the broker did not confirm it")));
        }
        let mut place = self.connection.lock().await;
        // Taken out, so that one that is dropped half way leaves no answers behind.
        let connection = match place.take() {
            Some(connection) => Ok(connection),
            None => net::UnixStream::connect(&self.socket)
                .await
                .map(BufStream::new),
        };
        let sent = match connection {
            Ok(mut connection) => {
                let sent = self.send(&mut connection, batch).await;
                sent.map(|()| *place = Some(connection))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            eprintln!("the broker is gone: {error}");
        }
    }
}
