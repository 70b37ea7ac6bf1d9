//! Where everything stands in a picture of our own making: three columns, publishers, topics and
//! handlers. A service that publishes and hears stands in both the first and the last, so that every
//! arrow but that of dead letters goes from left to right.

use super::{EdgeKind, End, Picture, Service};

/// The width of a character. The font has one width, and what is not Latin may be twice as wide.
const CHARACTER: usize = 8;
const LINE: usize = 18;
const PADDING: usize = 10;
/// Between what stands one below the other.
const GAP: usize = 10;
/// Between columns, where the arrows are.
const ALLEY: usize = 140;
/// Between an event and its handler within one service.
const LANE: usize = 40;

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// A service or streamer.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) class: &'static str,
    pub(super) title: String,
    pub(super) area: Area,
    nodes: Vec<Node>,
}

/// An event, topic or handler.
#[derive(Clone, Debug)]
pub(super) struct Node {
    end: End,
    pub(super) class: &'static str,
    pub(super) lines: Vec<String>,
    pub(super) area: Area,
}

/// The three columns.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    columns: [Vec<Frame>; 3],
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Layout {
    pub(super) fn of(picture: &Picture) -> Self {
        let services = || picture.services.iter().enumerate();
        let publishing = services().filter_map(|(nth, it)| picture.publishing(nth, it));
        let hearing = services().filter_map(|(nth, it)| picture.hearing(nth, it));
        let mut columns = [
            picture.by_topics(publishing.collect()),
            picture.streamer_frames(),
            picture.by_topics(hearing.collect()),
        ];
        let mut x = PADDING;
        for column in columns.iter_mut().filter(|column| !column.is_empty()) {
            x += stack(column, x) + ALLEY;
        }
        for frame in columns[..2].iter_mut().flatten() {
            frame.fill();
        }
        let heights = columns.iter().map(|column| height(column));
        let tallest = heights.max().unwrap_or_default();
        for column in &mut columns {
            let down = PADDING + (tallest - height(column)) / 2;
            for frame in column {
                frame.shift(0, down);
            }
        }
        Layout {
            columns,
            width: (x + PADDING).saturating_sub(ALLEY).max(2 * PADDING),
            height: tallest + 2 * PADDING,
        }
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.columns.iter().flatten()
    }

    /// An event that is streamed is looked for where it is published, else where it is heard.
    pub(super) fn area(&self, end: End, kind: EdgeKind) -> Option<Area> {
        let columns = match (end, kind) {
            (End::Event(..), EdgeKind::Streamed) => &self.columns[..1],
            _ => &self.columns[1..],
        };
        let mut nodes = columns.iter().flatten().flat_map(Frame::nodes);
        nodes.find(|node| node.end == end).map(|node| node.area)
    }
}

impl Frame {
    fn new(class: &'static str, title: String, nodes: Vec<Node>) -> Self {
        let right = nodes.iter().map(|node| node.area.x + node.area.width);
        let bottom = nodes.iter().map(|node| node.area.y + node.area.height);
        let inner = right.max().unwrap_or_default().max(PADDING + wide(&title));
        let area = Area {
            x: 0,
            y: 0,
            width: inner + PADDING,
            height: bottom.max().unwrap_or(PADDING + LINE) + PADDING,
        };
        Frame {
            class,
            title,
            area,
            nodes,
        }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// Makes its nodes as wide as it is, so that arrows do not begin or end in the middle of it.
    fn fill(&mut self) {
        for node in &mut self.nodes {
            node.area.width = self.area.width - 2 * PADDING;
        }
    }

    fn shift(&mut self, right: usize, down: usize) {
        let nodes = self.nodes.iter_mut().map(|node| &mut node.area);
        for area in nodes.chain([&mut self.area]) {
            area.x += right;
            area.y += down;
        }
    }
}

impl Node {
    fn new(end: End, class: &'static str, lines: Vec<String>) -> Self {
        let widest = lines.iter().map(|line| wide(line)).max();
        let area = Area {
            x: 0,
            y: 0,
            width: widest.unwrap_or_default() + 2 * PADDING,
            height: lines.len() * LINE + PADDING,
        };
        Node {
            end,
            class,
            lines,
            area,
        }
    }
}

/// How wide a text is.
fn wide(text: &str) -> usize {
    let columns = text.chars().map(|c| if c < '\u{1100}' { 1 } else { 2 });
    columns.sum::<usize>() * CHARACTER
}

/// Puts nodes below each other, from a corner on.
fn pile(nodes: &mut [Node], x: usize, mut y: usize) -> usize {
    let width = nodes.iter().map(|node| node.area.width).max();
    for node in nodes {
        node.area.x = x;
        node.area.y = y;
        node.area.width = width.unwrap_or_default();
        y += node.area.height + GAP;
    }
    y
}

/// Puts frames below each other, all as wide as the widest, and tells how wide that is.
fn stack(frames: &mut [Frame], x: usize) -> usize {
    let widest = frames.iter().map(|frame| frame.area.width).max();
    let widest = widest.unwrap_or_default();
    let mut y = 0;
    for frame in frames {
        frame.area.width = widest;
        frame.shift(x, y);
        y += frame.area.height + 2 * GAP;
    }
    widest
}

fn height(frames: &[Frame]) -> usize {
    let last = frames.last().map(|frame| frame.area.y + frame.area.height);
    last.unwrap_or_default()
}

/// Where the nodes of a frame begin, below its title.
const TOP: usize = PADDING + LINE + GAP;

impl Picture {
    fn streamer_frames(&self) -> Vec<Frame> {
        let streamers = self.streamers.iter().enumerate();
        let frames = streamers.map(|(nth, streamer)| {
            let topics = streamer.topics.iter().enumerate().map(|(at, topic)| {
                let class = if topic.is_for_dead_letters {
                    "dead topic"
                } else {
                    "topic"
                };
                Node::new(End::Topic(nth, at), class, vec![topic.name.clone()])
            });
            let mut nodes: Vec<_> = topics.collect();
            pile(&mut nodes, PADDING, TOP);
            Frame::new("streamer", streamer.title(), nodes)
        });
        frames.collect()
    }

    /// What a service publishes, if it does.
    fn publishing(&self, nth: usize, service: &Service) -> Option<Frame> {
        let mut nodes = self.events(nth, service, |kind| kind == Some(EdgeKind::Streamed));
        nodes.sort_by_key(|node| self.middle(&[node.end]));
        pile(&mut nodes, PADDING, TOP);
        let frame = Frame::new("service", service.name.clone(), nodes);
        (!frame.nodes.is_empty()).then_some(frame)
    }

    /// What a service hears, and what happens within it; also where that is nothing, unless it
    /// publishes.
    fn hearing(&self, nth: usize, service: &Service) -> Option<Frame> {
        let events = self.events(nth, service, |kind| kind != Some(EdgeKind::Streamed));
        let (of_own, mut nodes): (Vec<_>, Vec<_>) = self
            .handlers(nth, service)
            .into_iter()
            .partition(|node| self.starts(node.end, EdgeKind::Own).next().is_some());
        nodes.sort_by_key(|node| self.middle(&[node.end]));
        let y = pile(&mut nodes, PADDING, TOP);
        nodes.extend(self.within(events, of_own, y));
        let frame = Frame::new("service", service.name.clone(), nodes);
        (!frame.nodes.is_empty() || self.publishing(nth, service).is_none()).then_some(frame)
    }

    /// Events, and beside each the handlers that hear it.
    fn within(&self, mut events: Vec<Node>, mut handlers: Vec<Node>, mut y: usize) -> Vec<Node> {
        pile(&mut events, PADDING, y);
        pile(&mut handlers, 0, y);
        let beside = events.iter().map(|node| node.area.width).max();
        let beside = beside.unwrap_or_default() + PADDING + LANE;
        let mut placed = Vec::new();
        for mut event in events {
            let hears = |node: &mut Node| {
                let mut starts = self.starts(node.end, EdgeKind::Own);
                starts.any(|start| start == event.end)
            };
            let mut heard: Vec<_> = handlers.extract_if(.., hears).collect();
            event.area.y = y;
            let below = y + event.area.height + GAP;
            y = pile(&mut heard, beside, y).max(below);
            placed.push(event);
            placed.extend(heard);
        }
        placed
    }

    /// The events of a service that have an edge of the kind that is wanted, or none.
    fn events(
        &self,
        nth: usize,
        service: &Service,
        is_wanted: impl Fn(Option<EdgeKind>) -> bool,
    ) -> Vec<Node> {
        let events = service.events.iter().enumerate();
        let nodes = events.filter_map(|(at, event)| {
            let end = End::Event(nth, at);
            let edges = self.edges.iter().filter(|edge| edge.from == end);
            let mut kinds: Vec<_> = edges.map(|edge| Some(edge.kind)).collect();
            if kinds.is_empty() {
                kinds.push(None);
            }
            let is_drawn = kinds.into_iter().any(&is_wanted);
            is_drawn.then(|| Node::new(end, "event", vec![event.clone()]))
        });
        nodes.collect()
    }

    fn handlers(&self, nth: usize, service: &Service) -> Vec<Node> {
        let handlers = service.handlers.iter().enumerate();
        let nodes = handlers.map(|(at, handler)| {
            let end = End::Handler(nth, at);
            let mut edges = self.edges.iter().filter(|edge| edge.to == end);
            let group = edges.find_map(|edge| edge.label.clone());
            let lines = [handler.name.clone(), handler.hears.clone()];
            Node::new(end, "handler", lines.into_iter().chain(group).collect())
        });
        nodes.collect()
    }

    /// Where the edges to a node start.
    fn starts(&self, end: End, kind: EdgeKind) -> impl Iterator<Item = End> {
        let edges = self.edges.iter();
        let edges = edges.filter(move |edge| edge.to == end && edge.kind == kind);
        edges.map(|edge| edge.from)
    }

    /// Frames near the topics that they are about, so that few arrows cross.
    fn by_topics(&self, mut frames: Vec<Frame>) -> Vec<Frame> {
        frames.sort_by_cached_key(|frame| {
            let ends: Vec<_> = frame.nodes().map(|node| node.end).collect();
            self.middle(&ends)
        });
        frames
    }

    /// In the middle of which topics, as a number to sort by; those of none come last.
    fn middle(&self, ends: &[End]) -> usize {
        let before = |nth: usize| self.streamers[..nth].iter().map(|it| it.topics.len());
        let place = |end: End| match end {
            End::Topic(nth, at) => Some(before(nth).sum::<usize>() + at),
            End::Event(..) | End::Handler(..) => None,
        };
        let streamed = self.edges.iter().filter(|it| it.kind == EdgeKind::Streamed);
        let places = streamed.filter_map(|edge| match (edge.from, edge.to) {
            (from, to) if ends.contains(&from) => place(to),
            (from, to) if ends.contains(&to) => place(from),
            _ => None,
        });
        let places: Vec<_> = places.collect();
        let sum: usize = places.iter().sum();
        (sum * 1_000)
            .checked_div(places.len())
            .unwrap_or(usize::MAX)
    }
}
