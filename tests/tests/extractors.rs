//! An extractor of a user's own.

use fanfare::Error;
use fanfare::handler::{Context, Extract, Needs};
use fanfare::prelude::*;
use fanfare_tests::{Tell, channel, event, extension, listen, publish};

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

#[event(stream_to = streamer!("main", "orders"))]
struct OrderPlaced {
    number: u32,
}

/// Who is served here.
#[derive(Clone)]
struct Directory(&'static [&'static str]);

/// Whose event it is.
struct Tenant(String);

impl Extract for Tenant {
    async fn extract(context: &Context) -> Result<Self> {
        let State(Directory(known)) = State::extract(context).await?;
        let event = context.message().event();
        let tenant = event.and_then(|event| event.extension("tenant"));
        let tenant = tenant.map(ToString::to_string).unwrap_or_default();
        if known.contains(&tenant.as_str()) {
            return Ok(Tenant(format!("{tenant}, attempt {}", context.attempt())));
        }
        Err(Error::reject(format!("nobody knows the tenant `{tenant}`")))
    }

    fn needs(needs: &mut Needs) {
        State::<Directory>::needs(needs);
    }
}

#[event_handler(streamed_from = streamer!("main", "orders"))]
async fn serve(
    order: OrderPlaced,
    Tenant(tenant): Tenant,
    State(tell): State<Tell<String>>,
) -> Result<()> {
    tell.tell(format!("{} for {tenant}", order.number));
    Ok(())
}

fn app(main: &Memory, tell: Tell<String>) -> App {
    let streamers = Streamers { main: main.clone() };
    App::new("shop").streamers(streamers).state(tell)
}

#[tokio::test]
async fn it_gives_the_handler_what_it_makes_of_the_event() {
    let main = Memory::new();
    let mut dead_letters = listen(&main, "orders.dead-letters").await;
    let (tell, mut told) = channel();
    let app = app(&main, tell).state(Directory(&["acme"]));
    let _running = app.start().await.expect("started");
    let order = event("OrderPlaced", r#"{"number":7}"#);
    let known = order.clone().with_extension("tenant", "acme");
    publish(&main, "orders", known.expect("valid")).await;
    assert_eq!(told.next().await, "7 for acme, attempt 1");

    // Its error is the handler's.
    publish(&main, "orders", order).await;
    let letter = dead_letters.next_event().await;
    let reason = extension(&letter, "deadletterreason");
    assert_eq!(reason, "nobody knows the tenant ``");
    assert_eq!(extension(&letter, "deadletterattempts"), "1");
    assert!(told.rest().is_empty());
}

#[test]
fn what_it_needs_is_found_missing_before_the_start() {
    let (tell, _told) = channel();
    let faults = app(&Memory::new(), tell).check().expect_err("no directory");
    let said: Vec<_> = faults.iter().map(|fault| fault.mistake.as_str()).collect();
    assert_eq!(
        said,
        [
            "the app was given no state of type `extractors::Directory`, which is asked for by handler `serve`"
        ]
    );
}
