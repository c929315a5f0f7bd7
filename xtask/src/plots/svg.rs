//! `Svg`: a picture as text, element by element. Knows no chart.

use std::fmt::{Display, Write};

/// A picture under construction. Lengths are in pixels, from the upper left corner.
#[derive(Debug)]
pub(super) struct Svg(String);

/// Which side of a text is at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The page is always light, so that the picture can be read on a dark one too; fonts are those of the reader.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:12px;fill:#52514e}\
.title{font-size:15px;font-weight:600;fill:#0b0b0b}\
.panel{font-weight:600;fill:#0b0b0b}\
.grid{stroke:#e4e3df;stroke-width:1}\
.axis{stroke:#8a8984;stroke-width:1}\
.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}";

impl Svg {
    /// An empty page. `title` and `about` are what those are told who do not see it.
    pub(super) fn new(width: f64, height: f64, title: &str, about: &str) -> Self {
        let mut svg = Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"title about\">\n"
        ));
        svg.tag("title", &[("id", &"title")], title);
        svg.tag("desc", &[("id", &"about")], about);
        svg.line(format_args!("<style>{STYLE}</style>"));
        svg.empty("rect", &[("width", &width), ("height", &height), ("fill", &"#fcfcfb")]);
        svg
    }

    /// An element without content.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        let attributes = attributes_of(attributes);
        self.line(format_args!("<{name}{attributes}/>"));
    }

    /// A text of the class `class`, at `(x, y)`.
    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y) = (short(x), short(y));
        self.tag("text", &[("class", &class), ("x", &x), ("y", &y), ("text-anchor", &anchor)], text);
    }

    /// A straight line of the class `class`.
    pub(super) fn straight(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(short);
        self.empty("line", &[("class", &class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)]);
    }

    /// The finished picture.
    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &dyn Display)], content: &str) {
        let (attributes, content) = (attributes_of(attributes), escaped(content));
        self.line(format_args!("<{name}{attributes}>{content}</{name}>"));
    }

    fn line(&mut self, line: impl Display) {
        writeln!(self.0, "{line}").expect("a string can be written to");
    }
}

/// A length to a tenth of a pixel, without a needless `.0`.
pub(super) fn short(length: f64) -> String {
    let tenths = (length * 10.0).round() / 10.0;
    // Adding zero makes of a negative zero a positive one.
    (tenths + 0.0).to_string()
}

fn attributes_of(attributes: &[(&str, &dyn Display)]) -> String {
    let shown = attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(&value.to_string())));
    shown.collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_hold_anything() {
        let mut svg = Svg::new(10.0, 20.0, "a < b", "\"c\" & d");
        svg.text((1.0, 2.25), Anchor::End, "title", "<e>");
        let text = svg.finish();
        assert!(text.contains("<title id=\"title\">a &lt; b</title>"), "{text}");
        assert!(text.contains("&quot;c&quot; &amp; d"), "{text}");
        assert!(text.contains("x=\"1\" y=\"2.3\" text-anchor=\"end\">&lt;e&gt;</text>"), "{text}");
    }

    #[test]
    fn lengths_are_as_short_as_a_tenth_of_a_pixel_allows() {
        assert_eq!([3.0, 3.04, 3.05, -0.01].map(short), ["3", "3", "3.1", "0"]);
    }
}
