//! What events are written in on each topic, where that is not what they are in the service.

use std::sync::Arc;

use super::App;
use super::wiring::streamed_names;
use crate::codec::Codec;
#[cfg(feature = "avro")]
use crate::codec::avro::AvroSchema;
use crate::error::Result;
use crate::event::TopicName;
#[cfg(feature = "avro")]
use crate::publisher::AvroForm;
use crate::publisher::{Form, Recoding, WrittenIn};
#[cfg(feature = "avro")]
use crate::registry::Registry;
use crate::streamer::PublishAny;
use crate::topology::{EventDeclaration, Topology};

/// By topic.
#[derive(Default)]
pub(super) struct Forms {
    topics: Vec<(TopicName, Arc<[Form]>)>,
    /// Those that are to be registered before the first event is streamed.
    #[cfg(feature = "avro")]
    at_start: Vec<Arc<AvroForm>>,
    #[cfg(feature = "avro")]
    registry: Option<Arc<Registry>>,
}

impl Forms {
    /// For an app that was checked.
    pub(super) fn of(app: &mut App, topology: &Topology) -> Result<Self> {
        let mut forms = Forms::default();
        #[cfg(feature = "avro")]
        if let Some(options) = app.schema_registry.take() {
            let registry = Registry::new(options).map_err(crate::error::Error::msg)?;
            forms.registry = Some(Arc::new(registry));
        }
        #[cfg(not(feature = "avro"))]
        let _ = app;
        for topic in topics(topology) {
            let mut of_topic = Vec::new();
            for event in events(topology, &topic) {
                let Some(into) = forms.written_in(topology, event, &topic)? else {
                    continue;
                };
                let named = |name| Form {
                    event: name,
                    version: event.version,
                    into: into.clone(),
                };
                of_topic.extend(names(topology, event).into_iter().map(named));
            }
            if !of_topic.is_empty() {
                forms.topics.push((topic, of_topic.into()));
            }
        }
        Ok(forms)
    }

    /// Nothing, where the event goes as it is.
    #[cfg_attr(
        not(feature = "avro"),
        allow(
            clippy::unused_self,
            clippy::unnecessary_wraps,
            reason = "Avro alone takes a registry, and can fail"
        )
    )]
    fn written_in(
        &mut self,
        topology: &Topology,
        event: &'static EventDeclaration,
        topic: &TopicName,
    ) -> Result<Option<WrittenIn>> {
        let codec = topology.codec_on(event, topic);
        Ok(Some(match codec {
            #[cfg(feature = "avro")]
            Codec::Avro => match self.registry.clone() {
                // In a test, where nobody is asked.
                None => return Ok(None),
                Some(registry) => WrittenIn::Avro(self.avro(event, topic, &registry)?),
            },
            codec if codec == event.codec.unwrap_or(Codec::Json) => return Ok(None),
            codec => WrittenIn::Codec(codec),
        }))
    }

    #[cfg(feature = "avro")]
    fn avro(
        &mut self,
        event: &'static EventDeclaration,
        topic: &TopicName,
        registry: &Arc<Registry>,
    ) -> Result<Arc<AvroForm>> {
        let schema =
            avro_schema(event).map_err(|(mistake, _)| crate::error::Error::msg(mistake))?;
        let form = Arc::new(AvroForm::new(event.name, schema, topic.topic, registry));
        let goes_there = event.targets.iter().any(|target| target.topic.is(topic));
        if goes_there && registry.options.registers_at_start() {
            self.at_start.push(Arc::clone(&form));
        }
        Ok(form)
    }

    /// The streamer, as the events of the topic go to it.
    pub(super) fn around(
        &self,
        topic: &TopicName,
        streamer: Arc<dyn PublishAny>,
    ) -> Arc<dyn PublishAny> {
        let mut topics = self.topics.iter();
        match topics.find(|(known, _)| known.is(topic)) {
            None => streamer,
            Some((_, forms)) => Arc::new(Recoding {
                streamer,
                forms: Arc::clone(forms),
            }),
        }
    }

    /// Registers the schemas of what is streamed.
    #[cfg(feature = "avro")]
    pub(super) async fn register(&self) -> Result<()> {
        let registering = self.at_start.iter().map(|form| form.id());
        let answers = futures_util::future::join_all(registering).await;
        let refused = answers.into_iter().filter_map(std::result::Result::err);
        let refused: Vec<_> = refused.map(|error| error.to_string()).collect();
        if refused.is_empty() {
            return Ok(());
        }
        Err(crate::error::Error::msg(refused.join("; ")))
    }

    #[cfg(feature = "avro")]
    pub(super) fn registry(&self) -> Option<Arc<Registry>> {
        self.registry.clone()
    }
}

/// The names under which a version of an event may be in the store: former ones, too, as far as no type
/// has them.
fn names(topology: &Topology, event: &EventDeclaration) -> Vec<&'static str> {
    let all = topology.events.iter();
    let has_type = |name: &str| {
        let mut all = topology.events.iter();
        all.any(|other| other.name == name && other.version == event.version)
    };
    let former = all
        .filter(|other| other.name == event.name)
        .flat_map(|other| other.former_names.iter().copied())
        .filter(|name| !has_type(name));
    std::iter::once(event.name).chain(former).collect()
}

/// Those that events go to.
pub(super) fn topics(topology: &Topology) -> Vec<TopicName> {
    let mut topics: Vec<TopicName> = Vec::new();
    for target in topology.events.iter().flat_map(|event| event.targets) {
        if !topics.iter().any(|known| known.is(&target.topic)) {
            topics.push(target.topic);
        }
    }
    topics
}

/// All versions of what goes there: an older one may wait in the store.
pub(super) fn events(topology: &Topology, topic: &TopicName) -> Vec<&'static EventDeclaration> {
    let goes_there =
        |event: &&&EventDeclaration| event.targets.iter().any(|target| target.topic.is(topic));
    let streamed = topology.events.iter().filter(goes_there);
    let names: Vec<_> = streamed
        .flat_map(|event| streamed_names(topology, event))
        .collect();
    let all = topology.events.iter().copied();
    all.filter(|event| names.contains(&event.name)).collect()
}

/// The event's schema in Avro; or what is wrong with it, and what to do.
#[cfg(feature = "avro")]
pub(crate) fn avro_schema(
    event: &EventDeclaration,
) -> std::result::Result<AvroSchema, (String, String)> {
    let name = event.name;
    if let Some(given) = event.avro_schema {
        return AvroSchema::given(given).map_err(|error| {
            let mistake = format!("the `avro_schema` of the event `{name}` is none: {error}");
            (mistake, "see to the schema that it names".to_owned())
        });
    }
    let schema = (event.schema)().to_value();
    AvroSchema::derived(name, &schema).map_err(|none| {
        let field = match none.path.as_str() {
            "" => String::new(),
            path => format!(", field `{path}`"),
        };
        let mistake = format!("the event `{name}` has no form in Avro{field}: {}", none.words);
        let remedy = "change it; or give its schema, `#[event(avro_schema = include_str!(\"...\"))]`; or write it in another codec, `codec = \"json\"`";
        (mistake, remedy.to_owned())
    })
}
