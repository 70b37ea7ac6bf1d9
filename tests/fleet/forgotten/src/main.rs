//! A service whose author forgot to name the crate that has its handlers.

use fanfare::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> fanfare::Result<()> {
    App::new("shop").start().await?.shutdown().await
}
