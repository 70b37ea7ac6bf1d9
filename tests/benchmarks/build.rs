//! Writes services with many handlers on many topics, for `src/bin/many`.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// How many handlers, on how many topics.
const SIZES: [(usize, usize); 5] = [(1, 1), (1_000, 100), (10, 1), (100, 1), (100, 100)];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = env::var("OUT_DIR").expect("set by cargo");
    for (handlers, topics) in SIZES {
        let path = Path::new(&folder).join(format!("many_{handlers}_{topics}.rs"));
        fs::write(path, service(handlers, topics)).expect("written");
    }
}

/// A service: each topic has an event, and as many handlers as any other.
fn service(handlers: usize, topics: usize) -> String {
    let mut code = String::new();
    for topic in 0..topics {
        let added = write!(
            code,
            "#[event(stream_to = streamer!(\"main\", \"topic-{topic}\"))]
struct Post{topic} {{ id: u64, time: u64, author: String, title: String, body: String, likes: u64 }}
many::told!(Post{topic}, publish_{topic});
"
        );
        added.expect("into a text");
    }
    for handler in 0..handlers {
        let topic = handler % topics;
        let added = write!(
            code,
            "#[event_handler(streamed_from = streamer!(\"main\", \"topic-{topic}\"))]
async fn hear_{handler}(post: Post{topic}, State(heard): State<Heard>) -> Result<()> {{
    heard.count(&post, post.time);
    Ok(())
}}
"
        );
        added.expect("into a text");
    }
    let all: Vec<_> = (0..topics)
        .map(|topic| format!("publish_{topic}"))
        .collect();
    let all = all.join(", ");
    let each = handlers / topics;
    write!(code, "many::service!({each}, {topics}, [{all}]);").expect("into a text");
    code
}
