//! A process with a store: `store_client ADDRESS own CURSOR` opens it when it is told to, and says
//! whether the cursor is its own; `store_client ADDRESS write` appends numbers, each until it is
//! confirmed, and says each that was, and with `no` before it why one was not. The tests kill it.

use std::io::{BufRead, Write};

use fanfare::Result;
use fanfare::store::{Entry, PostgresStore, SqliteStore, Store};
use fanfare_tests::event;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, what @ ..] = &arguments[..] else {
        let usage = "store_client ADDRESS own CURSOR | store_client ADDRESS write";
        return Err(fanfare::Error::msg(usage));
    };
    say("ready");
    hear();
    if address.starts_with("postgres:") {
        work(&PostgresStore::connect(address).await?, what).await
    } else {
        work(&SqliteStore::open(address).await?, what).await
    }
}

async fn work(store: &impl Store, what: &[String]) -> Result<()> {
    if let [_, cursor] = what {
        let owned = store.own(cursor).await?;
        say(if owned.is_some() { "owned" } else { "taken" });
        hear();
        drop(owned);
        store.close().await?;
        return Ok(());
    }
    for number in 0_u64.. {
        let entry = Entry {
            events: vec![event("number", &number.to_string())],
            mark: None,
        };
        while let Err(error) = store.append(&entry).await {
            say(&format!("no: {error}"));
        }
        say(&number.to_string());
    }
    Ok(())
}

fn say(word: &str) {
    println!("{word}");
    // Nobody listens any more: then nobody needs it.
    let _ = std::io::stdout().flush();
}

/// Waits for a line.
fn hear() {
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}
