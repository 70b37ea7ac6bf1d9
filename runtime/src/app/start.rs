//! The start: check, connect, subscribe, go.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::connections::Connections;
use super::forms::Forms;
use super::ingester::Ingester;
use super::replay::Replays;
use super::running::{Reading, Running, Task, close_store};
use super::staff::Staff;
use super::wiring::{Ear, Wired, Wiring};
use super::{App, faults};
use crate::dispatch::Counters;
use crate::error::Result;
use crate::publisher::{Desk, Log};
use crate::store::Wake;
use crate::topology::Topology;

/// Starts the app, unless it is stopped before: then there is nothing. After an incomplete start,
/// what it had opened is closed, and the store.
pub(super) async fn start_unless(
    stop: &CancellationToken,
    app: App,
    topology: Topology,
) -> Result<Option<Running>> {
    let store = app.store.clone();
    let started = try_start(stop, app, topology).await;
    if !matches!(started, Ok(Some(_)))
        && let Some(store) = store
        && let Some(problem) = close_store(&*store, super::CLOSING).await
    {
        tracing::warn!("after an incomplete start, {problem}");
    }
    started
}

async fn try_start(
    stop: &CancellationToken,
    app: App,
    topology: Topology,
) -> Result<Option<Running>> {
    let (app, connections, forms, log) = prepare(app, &topology)?;
    let reading = Reading::default();
    let opening = async {
        connections.open(&topology, log.is_some()).await?;
        #[cfg(feature = "avro")]
        forms.register().await?;
        let wiring = Wiring::new(&topology, &connections, &forms, log, reading.clone());
        wiring.wire().await
    };
    let mut wired = match stop.run_until_cancelled(opening).await {
        Some(Ok(wired)) => wired,
        incomplete => {
            connections.abandon().await;
            return incomplete.transpose().map(|_| None);
        }
    };
    // All subscriptions stand before the first handler runs and can publish.
    let ears = std::mem::take(&mut wired.ears);
    let mut running = set_up(app, topology, connections, (wired, forms), reading);
    for ear in ears {
        running.tasks.push(listen(ear, &running));
    }
    tracing::info!(
        service = running.topology.service,
        subscriptions = running.tasks.len(),
        "started"
    );
    Ok(Some(running))
}

/// As the start, but nothing is connected, subscribed or read: only what it is told to do is done.
#[cfg(feature = "cli")]
pub(super) fn start_idle(app: App, topology: Topology) -> Result<Running> {
    let (app, connections, forms, log) = prepare(app, &topology)?;
    let reading = Reading::default();
    let wiring = Wiring::new(&topology, &connections, &forms, log, reading.clone());
    let wired = wiring.wire_nothing()?;
    let wired = (wired, forms);
    Ok(set_up(app, topology, connections, wired, reading))
}

fn prepare(mut app: App, topology: &Topology) -> Result<(App, Connections, Forms, Option<Log>)> {
    faults::check(&app, topology)?;
    let forms = Forms::of(&mut app, topology)?;
    let connections = Connections::of(std::mem::take(&mut app.sets), topology);
    let log = app.store.take().map(|store| Log {
        store,
        wake: Wake::default(),
    });
    Ok((app, connections, forms, log))
}

fn set_up(
    app: App,
    topology: Topology,
    connections: Connections,
    (wired, forms): (Wired, Forms),
    reading: Reading,
) -> Running {
    #[cfg(not(feature = "avro"))]
    drop(forms);
    let taking = CancellationToken::new();
    let witness = app.observer.clone().map(|observer| observer as _);
    let desk = Desk::new(
        &topology.service,
        wired.routes,
        wired.own,
        wired.log,
        witness,
    );
    let desk = Arc::new(desk);
    Running {
        staff: Staff::new(
            &topology,
            app.states,
            app.layers,
            app.observer,
            Arc::clone(&desk),
            #[cfg(feature = "avro")]
            forms.registry(),
        ),
        desk,
        tasks: Vec::new(),
        ingester: Ingester::new(wired.ingested, taking.clone()),
        taking,
        replays: Replays::default(),
        own: CancellationToken::new(),
        store_type: app.store_type,
        readers: wired.readers,
        reading,
        shutdown_deadline: app.shutdown_deadline,
        connections,
        topology,
    }
}

fn listen(ear: Ear, running: &Running) -> Task {
    let counters = Arc::new(Counters::default());
    let own = ear.subscription.topic.is_none();
    let stop = if own { &running.own } else { &running.taking };
    // Tokens of its own: looked at for each event, they are not shared between threads.
    let ends = (running.taking.child_token(), stop.child_token());
    let worker = running
        .staff
        .worker(&ear.subscription, ear.dead_letters, &counters, ends);
    Task::spawn(ear.subscription, counters, worker, ear.deliveries)
}
