//! SVG, which every browser shows. Nothing in it comes from elsewhere.

use std::fmt::{self, Display, Write};

use super::layout::{Area, Frame, Layout, Node};
use super::{Edge, EdgeKind, Picture};

/// Of one width, as the layout has it.
const STYLE: &str = "\
    text { font: 13px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2328 }
    .title { font-weight: bold }
    .light { fill: #59636e }
    .paper { fill: #ffffff }
    .service { fill: #f6f8fa; stroke: #59636e }
    .streamer { fill: #fffbf0; stroke: #9a6700 }
    .event { fill: #ddf4ff; stroke: #0969da }
    .handler { fill: #dafbe1; stroke: #1a7f37 }
    .topic { fill: #fff8c5; stroke: #9a6700 }
    .dead { stroke-dasharray: 5 4 }
    .edge { fill: none; stroke: #59636e }
";

/// From the top of a line to where its letters stand.
const BASE: usize = 13;

impl Picture {
    /// A drawing.
    pub(crate) fn svg(&self) -> impl Display {
        let layout = Layout::of(self);
        fmt::from_fn(move |f| {
            let (width, height) = (layout.width, layout.height);
            writeln!(
                f,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">"
            )?;
            let names: Vec<_> = self.services.iter().map(|it| it.name.as_str()).collect();
            writeln!(f, "  <title>{}</title>", Escaped(&names.join(", ")))?;
            writeln!(f, "  <style>\n{STYLE}  </style>")?;
            f.write_str("  <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#59636e\"/></marker></defs>\n")?;
            f.write_str("  <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n")?;
            layout
                .frames()
                .try_for_each(|frame| write_frame(f, frame))?;
            self.edges
                .iter()
                .try_for_each(|edge| write_edge(f, &layout, edge))?;
            let mut nodes = layout.frames().flat_map(Frame::nodes);
            nodes.try_for_each(|node| write_node(f, node))?;
            f.write_str("</svg>\n")
        })
    }
}

fn write_frame(f: &mut fmt::Formatter<'_>, frame: &Frame) -> fmt::Result {
    write_area(f, frame.class, frame.area, 4)?;
    let (x, y) = (frame.area.x + 10, frame.area.y + 10 + BASE);
    let title = Escaped(&frame.title);
    writeln!(
        f,
        "  <text class=\"title\" x=\"{x}\" y=\"{y}\">{title}</text>"
    )
}

fn write_node(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    let round = if node.class == "event" { 14 } else { 2 };
    write_area(f, node.class, node.area, round)?;
    let x = node.area.x + 10;
    let mut y = node.area.y + 5 + BASE;
    for (nth, line) in node.lines.iter().enumerate() {
        let class = if nth == 0 { "" } else { " class=\"light\"" };
        writeln!(
            f,
            "  <text{class} x=\"{x}\" y=\"{y}\">{}</text>",
            Escaped(line)
        )?;
        y += 18;
    }
    Ok(())
}

fn write_area(
    f: &mut fmt::Formatter<'_>,
    class: &str,
    Area {
        x,
        y,
        width,
        height,
    }: Area,
    round: usize,
) -> fmt::Result {
    writeln!(
        f,
        "  <rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>"
    )
}

fn write_edge(f: &mut fmt::Formatter<'_>, layout: &Layout, edge: &Edge) -> fmt::Result {
    let from = layout.area(edge.from, edge.kind);
    let (Some(from), Some(to)) = (from, layout.area(edge.to, edge.kind)) else {
        return Ok(());
    };
    let middle = |area: Area| area.y + area.height / 2;
    let (class, [x1, y1, x2, y2]) = match edge.kind {
        // Backwards, and a little below the arrow that may come the same way.
        EdgeKind::Buried => {
            let back = [from.x, middle(from) + 8, to.x + to.width, middle(to) + 6];
            ("dead edge", back)
        }
        EdgeKind::Streamed | EdgeKind::Own => {
            let on = [from.x + from.width, middle(from), to.x, middle(to)];
            ("edge", on)
        }
    };
    let half = x1.midpoint(x2);
    writeln!(
        f,
        "  <path class=\"{class}\" marker-end=\"url(#arrow)\" d=\"M{x1} {y1} C{half} {y1} {half} {y2} {x2} {y2}\"/>"
    )
}

/// As XML's text. What it does not allow at all is not in it: see `printable`.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
