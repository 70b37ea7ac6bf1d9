//! A blog with an HTTP endpoint: a post and the event of its creation are stored in one transaction
//! of `SQLite`. The event is then streamed to the blog's feed, and the search index hears it. Kill it
//! at any time: of a post that was answered with 201, nothing is missing after the next start.
//!
//! ```sh
//! cargo run --example blog --features sqlite,cli
//! curl --json '{"title": "Hello world", "author": "ann"}' 127.0.0.1:3000/posts
//! curl '127.0.0.1:3000/search?word=hello'
//! ls blog-feed
//! cargo run --example blog --features sqlite,cli -- cursors
//! ```

use std::path::{Path, PathBuf};

use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use fanfare::event::Message;
use fanfare::prelude::*;
use fanfare::store::{SqliteStore, sqlx};
use fanfare::streamer::{Outgoing, Publish, StreamError, Streamer};
use fanfare::{Error, cli};
use serde_json::{Value, json};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Where this service's events travel.
#[derive(Streamers)]
struct Streamers {
    #[streamer(topics("posts"))]
    feed: Feed,
}

#[event(stream_to = streamer!("feed", "posts"), key = post_id)]
struct PostCreated {
    post_id: String,
    title: String,
    author: String,
}

/// Hears the service's own events, also those from before there was an index. An event may come
/// again after a crash: what is written twice is there once.
#[event_handler(from = beginning)]
async fn index_post(post: PostCreated, State(store): State<SqliteStore>) -> Result<()> {
    let mut transaction = store.begin().await?;
    for word in post.title.split_whitespace() {
        sqlx::query("INSERT OR IGNORE INTO words VALUES (?, ?)")
            .bind(word.to_lowercase())
            .bind(&post.post_id)
            .execute(&mut *transaction)
            .await?;
    }
    Ok(transaction.commit().await?)
}

#[derive(Clone)]
struct Blog {
    store: SqliteStore,
    publisher: Publisher<SqliteStore>,
}

#[derive(serde::Deserialize)]
struct Draft {
    title: String,
    author: String,
}

/// Stores a post and its event, both or neither.
async fn create(
    Shared(blog): Shared<Blog>,
    Json(draft): Json<Draft>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let Draft { title, author } = draft;
    let post_id = uuid::Uuid::now_v7().to_string();
    let mut transaction = blog.store.begin().await?;
    sqlx::query("INSERT INTO posts VALUES (?, ?, ?)")
        .bind(&post_id)
        .bind(&title)
        .bind(&author)
        .execute(&mut *transaction)
        .await?;
    let event = PostCreated {
        post_id: post_id.clone(),
        title,
        author,
    };
    let mut within = blog.publisher.within(&mut transaction);
    within.publish(event).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(json!({"id": post_id}))))
}

async fn posts(Shared(blog): Shared<Blog>) -> Result<Json<Value>, Failure> {
    let posts: Vec<(String, String, String)> =
        sqlx::query_as("SELECT id, title, author FROM posts ORDER BY id")
            .fetch_all(blog.store.pool())
            .await?;
    let post = |(id, title, author)| json!({"id": id, "title": title, "author": author});
    Ok(Json(posts.into_iter().map(post).collect()))
}

#[derive(serde::Deserialize)]
struct Search {
    word: String,
}

/// The posts with this word in their titles.
async fn search(
    Shared(blog): Shared<Blog>,
    Query(search): Query<Search>,
) -> Result<Json<Vec<String>>, Failure> {
    let found = sqlx::query_scalar("SELECT post_id FROM words WHERE word = ? ORDER BY post_id")
        .bind(search.word.to_lowercase())
        .fetch_all(blog.store.pool())
        .await?;
    Ok(Json(found))
}

/// What goes wrong is logged, and answered with 500.
struct Failure(Error);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.into())
    }
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        tracing::error!(error = %self.0, "a request failed");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// A streamer of the blog's own: a folder with a file for each event, which its web site is made
/// from. An event that comes again is the same file again.
struct Feed(PathBuf);

impl Feed {
    fn open(folder: &Path) -> Result<Feed> {
        std::fs::create_dir_all(folder)?;
        Ok(Feed(folder.to_owned()))
    }
}

impl Streamer for Feed {}

impl Publish for Feed {
    async fn publish(&self, _topic: &str, batch: &mut [Outgoing]) {
        for outgoing in batch {
            // Reported when the disk has it, and not before: then the next start streams it again.
            let kept = keep(&self.0, outgoing.message()).await;
            outgoing.report(kept.map_err(StreamError::new));
        }
    }
}

async fn keep(folder: &Path, message: &Message) -> Result<()> {
    let event = message.event().ok_or_else(|| Error::msg("no event"))?;
    let unfinished = folder.join("unfinished");
    let mut file = File::create(&unfinished).await?;
    file.write_all(message.payload()).await?;
    file.sync_all().await?;
    fs::rename(unfinished, folder.join(format!("{}.json", event.id()))).await?;
    Ok(())
}

/// A blog that loses nothing.
#[derive(Parser)]
struct Arguments {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: String,
    /// Its database.
    #[arg(long, default_value = "blog.db")]
    database: PathBuf,
    /// Its feed.
    #[arg(long, default_value = "blog-feed")]
    feed: PathBuf,
    /// Instead of serving.
    #[command(subcommand)]
    command: Option<cli::Command>,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let store = open(&arguments.database).await?;
    let app = App::new("blog")
        .streamers(Streamers {
            feed: Feed::open(&arguments.feed)?,
        })
        .store(store.clone())
        .state(store.clone());
    match arguments.command {
        Some(command) => app.command(command).await,
        None => serve(app, store, &arguments.listen).await,
    }
}

async fn open(database: &Path) -> Result<SqliteStore> {
    let store = SqliteStore::open(database).await?;
    for table in [
        "CREATE TABLE IF NOT EXISTS posts (id TEXT PRIMARY KEY, title TEXT, author TEXT)",
        "CREATE TABLE IF NOT EXISTS words (word TEXT, post_id TEXT, PRIMARY KEY (word, post_id))",
    ] {
        sqlx::query(table).execute(store.pool()).await?;
    }
    Ok(store)
}

async fn serve(app: App, store: SqliteStore, listen: &str) -> Result<()> {
    // What can fail does so before the app runs, which is to be shut down in any case.
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let running = app.start().await?;
    let publisher = running.publisher_with()?;
    let router = Router::new()
        .route("/posts", post(create).get(posts))
        .route("/search", get(search))
        .with_state(Blog { store, publisher });
    println!("listening on {address}");
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    });
    let served = server.await;
    running.shutdown().await?;
    Ok(served?)
}
