//! Writing SVG: the one place where text is escaped.

use std::fmt::Write as _;

/// An SVG document under construction.
#[derive(Debug, Default)]
pub struct Svg {
    out: String,
}

/// The attribute list of an element: names are ours, values are escaped.
pub type Attributes<'a> = &'a [(&'a str, &'a str)];

impl Svg {
    /// Begin a drawing of the given size that names and describes itself.
    pub fn begin(id: &str, title: &str, description: &str, width: f64, height: f64) -> Self {
        let mut svg = Svg::default();
        let (title_id, desc_id) = (format!("{id}-title"), format!("{id}-desc"));
        svg.open(
            "svg",
            &[
                ("xmlns", "http://www.w3.org/2000/svg"),
                ("role", "img"),
                ("aria-labelledby", &format!("{title_id} {desc_id}")),
                ("viewBox", &format!("0 0 {} {}", n(width), n(height))),
                ("width", &n(width)),
                ("height", &n(height)),
                ("font-family", "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"),
                ("font-size", "12"),
                ("fill", "#1b1f24"),
            ],
        );
        svg.leaf("title", &[("id", &title_id)], title);
        svg.leaf("desc", &[("id", &desc_id)], description);
        svg
    }

    /// Close the drawing.
    pub fn end(mut self) -> String {
        self.close("svg");
        self.out
    }

    /// What was written, for a drawing begun by hand.
    pub fn finish(self) -> String {
        self.out
    }

    /// Open an element.
    pub fn open(&mut self, name: &str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.out.push_str(">\n");
    }

    /// Close an element.
    pub fn close(&mut self, name: &str) {
        let _ = writeln!(self.out, "</{name}>");
    }

    /// An element without content.
    pub fn empty(&mut self, name: &str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.out.push_str("/>\n");
    }

    /// An element that holds only text.
    pub fn leaf(&mut self, name: &str, attributes: Attributes<'_>, text: &str) {
        self.start(name, attributes);
        self.out.push('>');
        escape(text, &mut self.out);
        self.close(name);
    }

    fn start(&mut self, name: &str, attributes: Attributes<'_>) {
        let _ = write!(self.out, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.out, " {key}=\"");
            escape(value, &mut self.out);
            self.out.push('"');
        }
    }

    /// A straight line.
    pub fn line(
        &mut self,
        class: &str,
        from: (f64, f64),
        to: (f64, f64),
        stroke: &str,
        rest: Attributes<'_>,
    ) {
        let (x1, y1, x2, y2) = (n(from.0), n(from.1), n(to.0), n(to.1));
        let mut all: Vec<(&str, &str)> =
            vec![("class", class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2), ("stroke", stroke)];
        all.extend_from_slice(rest);
        self.empty("line", &all);
    }

    /// Text at a place: `anchor` is `start`, `middle` or `end`.
    pub fn text(&mut self, class: &str, at: (f64, f64), anchor: &str, text: &str) {
        let fill = if class.contains("quiet") { "#59636e" } else { "#1b1f24" };
        let (x, y) = (n(at.0), n(at.1));
        let attributes = [
            ("class", class),
            ("x", &x),
            ("y", &y),
            ("text-anchor", anchor),
            ("fill", fill),
            ("stroke", "none"),
        ];
        self.leaf("text", &attributes, text);
    }
}

/// A coordinate: a tenth of a pixel, without a needless zero.
pub fn n(v: f64) -> String {
    let text = format!("{v:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// Escape for text and for attributes alike; what XML can't hold becomes U+FFFD.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let mut svg = Svg::default();
        svg.leaf("text", &[("class", "\"><script>")], "</text><img onerror='x'>\u{7}");
        assert_eq!(
            svg.out,
            "<text class=\"&quot;&gt;&lt;script&gt;\">&lt;/text&gt;&lt;img onerror=&#39;x&#39;&gt;\u{fffd}</text>\n"
        );
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!((n(10.0), n(10.26), n(-0.01)), ("10".into(), "10.3".into(), "0".into()));
    }
}
