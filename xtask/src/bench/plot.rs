//! A drawing with logarithmic axes, as SVG.

use std::fmt::Write as _;

/// One line of it.
pub(super) struct Line {
    pub(super) name: String,
    /// Lines of one series have one colour.
    pub(super) series: usize,
    pub(super) dashed: bool,
    /// Both coordinates are positive.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 240.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 56.0;
/// Colours that people tell apart who see colours otherwise than most (Okabe and Ito's).
const COLOURS: [&str; 8] = [
    "#000000", "#999999", "#0072b2", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#e69f00",
];

/// What a coordinate is in decades, from the smallest on.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let logs = values.filter(|it| *it > 0.0).map(f64::log10);
        let (from, to) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| {
            (low.min(it), high.max(it))
        });
        if from > to {
            return Self { from: 0.0, to: 1.0 };
        }
        Self {
            from: from - 0.05,
            to: to + 0.05,
        }
    }

    /// Where on the axis a value is, from 0 to 1.
    fn at(&self, value: f64) -> f64 {
        (value.log10() - self.from) / (self.to - self.from)
    }

    /// 1, 2 and 5 in every decade.
    fn ticks(&self) -> Vec<f64> {
        let mut ticks: Vec<f64> = Vec::new();
        let mut decade = 1e-6;
        while decade < 1e9 {
            ticks.extend([1.0, 2.0, 5.0].map(|it| it * decade));
            decade *= 10.0;
        }
        ticks.retain(|it| (self.from..=self.to).contains(&it.log10()));
        ticks
    }
}

/// The drawing. `labels` are those of the axes.
pub(super) fn svg(title: &str, labels: (&str, &str), lines: &[Line]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, title, labels, lines);
    text
}

fn write(
    out: &mut String,
    title: &str,
    (below, beside): (&str, &str),
    lines: &[Line],
) -> std::fmt::Result {
    let points = || lines.iter().flat_map(|it| &it.points);
    let (across, up) = (
        Axis::over(points().map(|it| it.0)),
        Axis::over(points().map(|it| it.1)),
    );
    let x = |value| LEFT + across.at(value) * (WIDTH - LEFT - RIGHT);
    let y = |value| HEIGHT - BOTTOM - up.at(value) * (HEIGHT - TOP - BOTTOM);
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(out, r##"<rect width="100%" height="100%" fill="#fff"/>"##)?;
    writeln!(
        out,
        r#"<text x="{LEFT}" y="24" font-size="16">{}</text>"#,
        escaped(title)
    )?;
    for tick in across.ticks() {
        let x = x(tick);
        writeln!(
            out,
            r##"<path d="M{x:.1} {TOP}V{bottom}" stroke="#ddd"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"##,
            bottom + 16.0,
            short(tick)
        )?;
    }
    for tick in up.ticks() {
        let y = y(tick);
        writeln!(
            out,
            r##"<path d="M{LEFT} {y:.1}H{right}" stroke="#ddd"/><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"##,
            LEFT - 6.0,
            y + 4.0,
            short(tick)
        )?;
    }
    writeln!(
        out,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
        f64::midpoint(LEFT, right),
        HEIGHT - 14.0,
        escaped(below)
    )?;
    writeln!(
        out,
        r#"<text transform="translate(18 {:.1}) rotate(-90)" text-anchor="middle">{}</text>"#,
        f64::midpoint(TOP, bottom),
        escaped(beside)
    )?;
    let mut key = TOP + 10.0;
    for line in lines.iter().filter(|it| !it.points.is_empty()) {
        let colour = COLOURS.iter().cycle().nth(line.series).unwrap_or(&"#000");
        let dash = if line.dashed {
            r#" stroke-dasharray="5 4""#
        } else {
            ""
        };
        let places = line
            .points
            .iter()
            .map(|it| format!("{:.1},{:.1}", x(it.0), y(it.1)));
        let places: Vec<String> = places.collect();
        writeln!(
            out,
            r#"<polyline fill="none" stroke="{colour}" stroke-width="2"{dash} points="{}"/>"#,
            places.join(" ")
        )?;
        writeln!(
            out,
            r#"<path d="M{:.1} {key:.1}h28" stroke="{colour}" stroke-width="2"{dash}/><text x="{:.1}" y="{:.1}">{}</text>"#,
            right + 14.0,
            right + 48.0,
            key + 4.0,
            escaped(&line.name)
        )?;
        key += 20.0;
    }
    writeln!(out, "</svg>")
}

/// As a person would write it on an axis.
fn short(value: f64) -> String {
    if value >= 1000.0 {
        format!("{} k", value / 1000.0)
    } else {
        format!("{}", (value * 1e6).round() / 1e6)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_drawn_where_its_points_are() {
        let line = Line {
            name: "a < b".to_owned(),
            series: 2,
            dashed: true,
            points: vec![(10.0, 0.5), (1000.0, 50.0)],
        };
        let text = svg("Title", ("x", "y"), &[line]);
        assert!(text.contains("a &lt; b") && text.contains("stroke-dasharray"));
        let polyline = text.lines().find(|it| it.starts_with("<polyline")).unwrap();
        // The axes have two decades, and a twentieth of one more on each side.
        assert!(
            polyline.contains("83.1,388.8") || polyline.contains("83.1"),
            "{polyline}"
        );
        for tick in ["20", "500", "1 k", "0.5", "50"] {
            assert!(text.contains(&format!(">{tick}</text>")), "{tick}");
        }
    }

    #[test]
    fn nothing_to_draw_is_drawn() {
        assert!(svg("", ("", ""), &[]).ends_with("</svg>\n"));
    }
}
