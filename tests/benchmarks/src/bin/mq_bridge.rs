//! mq-bridge, by the typed handler of its `docs/ARCHITECTURE.md` ("Typed Handler"): a route from a
//! memory endpoint to nothing, deployed, and a `Publisher` of its input with `msg!`. The endpoint
//! holds as many as the floor's channel does; all else is the default.

use fanfare_benchmarks::{Contender, Heard, Sample, Task, contend};
use mq_bridge::models::Endpoint;
use mq_bridge::publisher::Publisher;
use mq_bridge::{Handled, Route, msg};

/// As many as wait in the endpoint.
const BOUND: usize = 1024;

struct Bridge {
    publisher: Publisher,
}

impl Contender for Bridge {
    async fn start(_task: &Task, heard: Heard) -> Self {
        let input = Endpoint::new_memory("posts", BOUND);
        let route = Route::new(input, Endpoint::null()).add_handler("post", move |post: Sample| {
            let heard = heard.clone();
            async move {
                heard.count(&post, post.time);
                Ok(Handled::Ack)
            }
        });
        route.deploy("benchmark").await.expect("deployed");
        let publisher = Publisher::new(route.input.clone()).await;
        Bridge {
            publisher: publisher.expect("a publisher"),
        }
    }

    async fn publish(&self, sample: Sample) {
        let sent = self.publisher.send(msg!(&sample, "post")).await;
        sent.expect("sent");
    }
}

fn main() {
    contend::<Bridge>();
}
