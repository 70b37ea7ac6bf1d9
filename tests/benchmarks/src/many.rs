//! What a service with many handlers is made of, beside what `build.rs` writes.

/// How an event gets its fields, and how a few of them are published to its topic.
#[macro_export]
macro_rules! told {
    ($event:ident, $publish:ident) => {
        impl From<Sample> for $event {
            fn from(sample: Sample) -> Self {
                let Sample {
                    id,
                    time,
                    author,
                    title,
                    body,
                    likes,
                } = sample;
                $event {
                    id,
                    time,
                    author,
                    title,
                    body,
                    likes,
                }
            }
        }

        fn $publish(publisher: &Publisher, samples: Vec<Sample>) -> $crate::Publishing<'_> {
            Box::pin(async move {
                for sample in samples {
                    publisher
                        .publish($event::from(sample))
                        .await
                        .expect("published");
                }
            })
        }
    };
}

/// The contender, with so many handlers on each of so many topics.
#[macro_export]
macro_rules! service {
    ($each:expr, $topics:expr, [$($publish:ident),*]) => {
        #[derive(Streamers)]
        struct Streamers {
            main: Memory,
        }

        /// How to publish to each topic.
        type Publish = for<'a> fn(&'a Publisher, Vec<Sample>) -> $crate::Publishing<'a>;
        const TOPICS: [Publish; $topics] = [$($publish),*];

        struct Many {
            // Runs until it is dropped.
            _running: fanfare::Running,
            publisher: Publisher,
        }

        impl Contender for Many {
            async fn start(_task: &Task, heard: Heard) -> Self {
                let app = App::new("many").streamers(Streamers { main: Memory::new() });
                let running = app.state(heard).start().await.expect("started");
                let publisher = running.publisher();
                Many { _running: running, publisher }
            }

            async fn publish(&self, sample: Sample) {
                TOPICS[0](&self.publisher, vec![sample]).await;
            }

            async fn publish_all(&self, samples: impl Iterator<Item = Sample> + Send) {
                let mut samples = samples.peekable();
                let mut topics = TOPICS.iter().cycle();
                while samples.peek().is_some() {
                    let some = samples.by_ref().take($crate::IN_A_ROW).collect();
                    let publish = topics.next().expect("a circle");
                    publish(&self.publisher, some).await;
                }
            }

            fn handlers(&self) -> u64 {
                $each
            }
        }

        fn main() {
            contend::<Many>();
        }
    };
}

pub use {service, told};

/// A few that are being published to a topic.
pub type Publishing<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// As many go to a topic before the next topic has its turn.
pub const IN_A_ROW: usize = 16;
