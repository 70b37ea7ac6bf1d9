//! Starts the service, and prints what is linked into it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> announcements::Result<()> {
    let app = fleet_service::app();
    println!("{}", app.topology().to_json());
    app.start().await?.shutdown().await
}
