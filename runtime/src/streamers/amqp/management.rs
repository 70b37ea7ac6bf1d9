//! What removed handlers have left behind: the protocol cannot list queues, `RabbitMQ`'s management
//! can.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::types::ShortString;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use tokio::task::spawn_blocking;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::connect::{Dial, certificates, failed};
use super::link::Link;
use super::names;
use super::options::{Options, without_login};
use super::topology::{consumers, is_missing};
use crate::streamer::{Leftover, Needs, StreamError};

const PATIENCE: Duration = Duration::from_secs(30);

/// A queue, as the management lists it.
#[derive(Deserialize)]
struct Listed {
    name: String,
    #[serde(default)]
    messages: u64,
    #[serde(default)]
    durable: bool,
    #[serde(default)]
    auto_delete: bool,
    #[serde(default)]
    exclusive: bool,
    /// A table; where it is empty, some versions have a list.
    #[serde(default)]
    arguments: Value,
}

impl Listed {
    /// Whether it is made as a group's is.
    fn is_of_a_group(&self) -> bool {
        let single = self.arguments.get("x-single-active-consumer");
        self.durable && !self.auto_delete && !self.exclusive && single == Some(&Value::Bool(true))
    }
}

/// The groups of this service that no handler has.
pub(super) async fn leftovers(
    dial: &Dial,
    options: &Options,
    needs: &Needs,
) -> Result<Vec<Leftover>, StreamError> {
    let url = options.management.clone().ok_or_else(|| {
        StreamError::new(
            "AMQP cannot list queues: say where RabbitMQ's management is (`with_management`, or \
             `management`), say `http://localhost:15672`",
        )
    })?;
    let own = format!("{}.", needs.service);
    let mut groups = BTreeMap::<(String, String), u64>::new();
    for queue in list(dial, options, url).await? {
        // With another dot it is of a service whose name begins as this one's.
        if queue.is_of_a_group()
            && let Some((topic, group)) = names::parse(&queue.name)
            && let Some(handler) = group.strip_prefix(&own)
            && !handler.contains('.')
            && !needs.has_group(&topic, &group)
        {
            *groups.entry((group, topic)).or_default() += queue.messages;
        }
    }
    let leftovers = groups
        .into_iter()
        .map(|((group, topic), waiting)| Leftover {
            group,
            topic: Some(topic),
            waiting: Some(waiting),
        });
    Ok(leftovers.collect())
}

async fn list(dial: &Dial, options: &Options, url: String) -> Result<Vec<Listed>, StreamError> {
    let vhost = utf8_percent_encode(dial.vhost(), NON_ALPHANUMERIC);
    let path = format!(
        "{}/api/queues/{vhost}?columns=name,messages,durable,auto_delete,exclusive,arguments",
        url.trim_end_matches('/')
    );
    let login = dial.uri()?.authority.userinfo;
    let login = format!("{}:{}", login.username, login.password);
    let login = format!("Basic {}", STANDARD.encode(login));
    let agent = agent(options, &url)?;
    let asking = spawn_blocking(move || {
        let answer = agent.get(&path).header("authorization", &login).call()?;
        answer.into_body().read_json()
    });
    let answer = asking.await.map_err(StreamError::new)?;
    answer.map_err(|error: ureq::Error| {
        // It may show all of the address.
        let error = match error {
            ureq::Error::BadUri(_) => "its address is none like `http://host:15672`".to_owned(),
            error => error.to_string(),
        };
        StreamError::new(format!(
            "RabbitMQ's management at {} does not list its queues: {error} (is the plugin \
             `rabbitmq_management` enabled, and has the user the tag `management`?)",
            without_login(&url)
        ))
    })
}

fn agent(options: &Options, url: &str) -> Result<Agent, StreamError> {
    let config = Agent::config_builder().timeout_global(Some(PATIENCE));
    if !url.starts_with("https://") {
        return Ok(config.build().into());
    }
    // Where there is a `Tls`, there is an encrypted connection already, and so all that it takes.
    let authority = options.tls.as_ref().and_then(|tls| tls.authority.as_ref());
    let authority = authority.ok_or_else(|| {
        StreamError::new(
            "the management is asked by https, and it is not said whom to trust: say it by \
             `Tls::with_authority` (in a URL `tls.authority`), or ask it by http",
        )
    })?;
    let trusted = certificates(authority)?;
    let trusted = trusted
        .iter()
        .map(|one| Certificate::from_der(one).to_owned());
    let roots = RootCerts::new_with_certs(&trusted.collect::<Vec<_>>());
    let tls = TlsConfig::builder().root_certs(roots).build();
    Ok(config.tls_config(tls).build().into())
}

/// Removes the queues of a group, and what leads to them.
pub(super) async fn remove(link: &Link, leftover: &Leftover) -> Result<(), StreamError> {
    let topic = leftover.topic.as_deref().unwrap_or_default();
    let name = names::group(topic, &leftover.group)?;
    delete(link, &name, leftover).await?;
    let mut stream = 0_u16;
    while delete(link, &names::part(&name, stream)?, leftover).await? {
        stream += 1;
    }
    let (_, channel) = link.channel().await?;
    let deleted = channel.exchange_delete(name, ExchangeDeleteOptions::default());
    deleted
        .await
        .map_err(|error| failed("the exchange of the group cannot be deleted", &error))?;
    // One that is lost is closed.
    let _ = channel.close(200, "OK".into()).await;
    Ok(())
}

/// Whether it was there.
async fn delete(
    link: &Link,
    queue: &ShortString,
    leftover: &Leftover,
) -> Result<bool, StreamError> {
    let (_, channel) = link.channel().await?;
    if let Err(error) = consumers(&channel, queue).await {
        if is_missing(&error) {
            return Ok(false);
        }
        return Err(failed("RabbitMQ does not tell of its queues", &error));
    }
    let if_unused = QueueDeleteOptions {
        if_unused: true,
        ..QueueDeleteOptions::default()
    };
    let deleted = channel.queue_delete(queue.clone(), if_unused).await;
    deleted.map_err(|error| {
        failed(
            &format!("{leftover} cannot be removed; does somebody still subscribe to it?"),
            &error,
        )
    })?;
    // One that is lost is closed.
    let _ = channel.close(200, "OK".into()).await;
    Ok(true)
}
