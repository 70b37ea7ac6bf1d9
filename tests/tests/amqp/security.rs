//! Who is let in, and by whom.

use fanfare::streamer::Streamer;
use fanfare::streamers::{Amqp, Secret, Tls};
use fanfare_tests::brokers::{Broker, Login, Options, PASSWORD, Proxy, USER};
use fanfare_tests::{foreign, in_time, listen, publish};

use super::{connected, needs, refused, shared, start, unique, until_health};

const WRONG: &str = "hunter2-is-wrong";

#[tokio::test]
async fn a_broker_with_a_private_authority_and_a_password_lets_in_who_has_both() {
    let broker = start(Options {
        tls: true,
        login: Login::Password,
        ..Options::default()
    })
    .await;
    let url = format!("amqps://localhost:{}", broker.address().port());
    let authority = broker.certificates().expect("certificates").authority();
    let secret = broker.folder().join("secret");
    std::fs::write(&secret, format!("{PASSWORD}\n")).expect("written");
    let login = |url: &str| Amqp::new(url).with_login(USER, Secret::from_file(&secret));

    let amqp = login(&url).with_tls(Tls::new().with_authority(authority));
    let amqp = amqp.with_create_topics(true);
    amqp.connect().await.expect("connected");
    amqp.prepare(&needs(&["posts"])).await.expect("prepared");
    let mut ear = listen(&amqp, "posts").await;
    publish(&amqp, "posts", foreign("encrypted")).await;
    assert_eq!(&ear.next().await.payload()[..], b"encrypted");

    let error = refused(login(&url)).await;
    assert!(
        error.contains("authority") && error.contains("localhost"),
        "{error}"
    );
    let plain = url.replace("amqps", "amqp");
    let error = refused(login(&plain)).await;
    assert!(error.contains("amqps://"), "{error}");
    let wrong = Amqp::new(&url).with_login(USER, Secret::new(WRONG));
    let error = refused(wrong.with_tls(Tls::new().with_authority(authority))).await;
    assert!(
        error.contains("password") && !error.contains(WRONG),
        "{error}"
    );
}

#[tokio::test]
async fn a_secret_is_read_anew_for_each_connection() {
    let broker = start(Options {
        login: Login::Password,
        ..Options::default()
    })
    .await;
    let proxy = Proxy::to(broker.address());
    let secret = broker.folder().join("secret");
    std::fs::write(&secret, PASSWORD).expect("written");
    let amqp = Amqp::new(format!("amqp://{}?heartbeat=1", proxy.address()));
    let amqp = amqp.with_login(USER, Secret::from_file(&secret));
    amqp.connect().await.expect("connected");

    std::fs::write(&secret, WRONG).expect("written");
    proxy.cut();
    until_health(&amqp, false).await;
    proxy.heal();
    let refused = async {
        loop {
            match amqp.health() {
                Err(error) if error.to_string().contains("the password right?") => break,
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    };
    in_time("refused", refused).await;
    std::fs::write(&secret, PASSWORD).expect("written");
    until_health(&amqp, true).await;
}

#[tokio::test]
async fn a_wrong_password_in_the_address_shows_nowhere() {
    let address = shared().await.address();
    let url = format!("amqp://guest:{WRONG}@{address}");
    let amqp = Amqp::new(&url);
    let shown = format!("{amqp:?}");
    assert!(
        !shown.contains(WRONG) && shown.contains(&address.to_string()),
        "{shown}"
    );
    let error = refused(amqp).await;
    assert!(!error.contains(WRONG), "{error}");
    assert!(
        error.contains("`guest`") && error.contains(&address.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let port = fanfare_tests::brokers::Proxy::to(shared().await.address());
    port.cut();
    let error = refused(Amqp::new(format!("amqp://{}", port.address()))).await;
    assert!(error.contains(&port.address().to_string()), "{error}");
}

#[tokio::test]
async fn a_broker_that_does_not_answer_is_given_up() {
    let proxy = fanfare_tests::brokers::Proxy::to(shared().await.address());
    proxy.stall();
    let error = refused(Amqp::new(format!("amqp://{}", proxy.address()))).await;
    assert!(error.contains("has not answered"), "{error}");
}

#[tokio::test]
async fn a_virtual_host_that_is_not_there_is_named() {
    let address = shared().await.address();
    let error = refused(Amqp::new(format!("amqp://{address}/nowhere"))).await;
    assert!(error.contains("`nowhere`"), "{error}");
}

#[tokio::test]
async fn options_come_from_a_file() {
    let broker = shared().await;
    let options = serde_json::json!({
        "url": broker.url(), "create_topics": true, "publish_timeout": "5s", "streams": 2,
        "unroutable": "fail", "queue_arguments": {"x-queue-mode": "lazy"},
    });
    let amqp: Amqp = serde_json::from_value(options).expect("options");
    amqp.connect().await.expect("connected");
    let topic = unique("posts");
    amqp.prepare(&needs(&[&topic])).await.expect("prepared");
    let wrong = serde_json::from_str::<Amqp>(r#"{"url": "amqp://localhost", "stream": 2}"#);
    assert!(wrong.expect_err("refused").to_string().contains("stream"));
    drop(connected(&broker.url()).await);
}
