//! Who is let in, and by whom.

use fanfare::event::Message;
use fanfare::streamer::{Outgoing, Publish, Streamer};
use fanfare::streamers::{Amqp, Secret, Tls};
use fanfare_tests::brokers::{
    Broker, CERTIFICATE_LOGIN, Login, Options, PASSWORD, Proxy, RabbitMq, USER,
};
use fanfare_tests::{event, foreign, in_time, join, listen, publish};
use tokio::task::spawn_blocking;

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

/// A broker that asks for certificates, of which it may take the name for the user's.
async fn asks_for_certificates() -> RabbitMq {
    start(Options {
        tls: true,
        client_certificates: true,
        login: Login::Password,
        plugins: &[CERTIFICATE_LOGIN],
        configuration: "auth_mechanisms.1 = PLAIN\n\
                        auth_mechanisms.2 = EXTERNAL\n\
                        ssl_cert_login_from = common_name",
        ..Options::default()
    })
    .await
}

#[tokio::test]
async fn a_client_that_shows_its_certificate_is_let_in_where_that_is_asked_for_and_no_other() {
    let broker = asks_for_certificates().await;
    let certificates = broker.certificates().expect("certificates");
    let tls = || Tls::new().with_authority(certificates.authority());
    let (client, key) = certificates.client();
    let amqp = Amqp::new(broker.url()).with_tls(tls().with_identity(client, key));
    let amqp = amqp.with_create_topics(true);
    amqp.connect().await.expect("connected");
    let mut ear = listen(&amqp, "posts").await;
    publish(&amqp, "posts", foreign("encrypted")).await;
    assert_eq!(ear.next().await.payload(), "encrypted");
    let error = refused(Amqp::new(broker.url()).with_tls(tls())).await;
    assert!(error.contains("`Tls::with_identity`"), "{error}");
}

#[tokio::test]
async fn a_certificate_may_be_the_login() {
    let broker = asks_for_certificates().await;
    let certificates = broker.certificates().expect("certificates");
    let (client, key) = certificates.client();
    let tls = Tls::new().with_authority(certificates.authority());
    let tls = tls.with_identity(client, key);
    let address = format!("amqps://nobody:nothing@{}", broker.address());
    let amqp = Amqp::new(format!("{address}?auth_mechanism=external")).with_tls(tls.clone());
    amqp.connect().await.expect("connected");
    let error = refused(Amqp::new(address).with_tls(tls)).await;
    assert!(error.contains("`nobody`"), "{error}");
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
async fn an_event_whose_routing_key_is_forbidden_is_refused_alone() {
    let broker = shared().await;
    let topic = unique("posts");
    let amqp = connected(&broker.url()).await;
    let mut ear = join(&amqp, &topic, "shop.pack").await;
    let permitted = topic.clone();
    let permitting = spawn_blocking(move || broker.permit_keys(&permitted, "^ours"));
    permitting.await.expect("permitted");
    let keys = [
        "ours.1", "theirs.1", "ours.2", "theirs.2", "theirs.1", "ours.1",
    ];
    let mut batch = keys.map(|key| {
        let event = event("posted", key).with_key(key).expect("a key");
        Outgoing::new(event.into())
    });
    in_time("reported", amqp.publish(&topic, &mut batch)).await;
    for (key, outgoing) in keys.iter().zip(batch) {
        let reported = outgoing.into_result();
        if key.starts_with("ours") {
            reported.expect("confirmed");
        } else {
            let error = reported.expect_err("refused");
            let is_clear = error.to_string().contains("routing key");
            assert!(error.is_refusal() && is_clear, "{error}");
        }
    }
    // What was sent with one that is refused may come twice.
    let mut heard = vec![ear.next().await];
    let says = |message: &Message, key: &str| message.payload() == key.as_bytes();
    while !heard.iter().any(|message| says(message, "ours.2")) {
        heard.push(ear.next().await);
    }
    assert!(heard.iter().any(|message| says(message, "ours.1")));
    assert!(
        !heard
            .iter()
            .any(|message| message.payload().starts_with(b"theirs"))
    );
}
