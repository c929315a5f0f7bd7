//! `Figure`: panels with lines in them, drawn as SVG. Knows nothing of what the numbers mean.

use super::axis::{Axis, Kind};
use super::svg::{Anchor, Svg, short};

/// A picture of one or more panels, side by side.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) title: String,
    /// What is to be seen, for those who do not see it.
    pub(super) about: String,
    pub(super) panels: Vec<Panel>,
}

/// Lines over the same two axes.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) x: Kind,
    pub(super) y: Kind,
    pub(super) series: Vec<Series>,
}

/// A line, from left to right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) look: Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Straight lines between points that are marked, for they were measured.
    Marked,
    /// A line alone, for points too many to mark.
    Plain,
}

/// A rectangle on the page.
#[derive(Clone, Copy, Debug)]
struct Area {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// How lines are told apart: by their colours, which the colour-blind can tell apart too (Okabe and Ito), and by their
/// dashes and marks.
const STYLES: [Style; 6] = [
    Style { colour: "#0072b2", dash: "none", mark: "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z" },
    Style { colour: "#d55e00", dash: "7 4", mark: "M-3.5,-3.5h7v7h-7z" },
    Style { colour: "#009e73", dash: "2 4", mark: "M0,-5l5,5l-5,5l-5,-5z" },
    Style { colour: "#a8497f", dash: "10 3 2 3", mark: "M0,-5l4.6,8h-9.2z" },
    Style { colour: "#b07800", dash: "4 2", mark: "M0,5l4.6,-8h-9.2z" },
    Style { colour: "#3b3a37", dash: "1 3", mark: "M-4,-4l8,8M4,-4l-8,8" },
];

struct Style {
    colour: &'static str,
    dash: &'static str,
    mark: &'static str,
}

const PANEL: f64 = 320.0;
const ONLY_PANEL: f64 = 640.0;
const PLOT_HEIGHT: f64 = 230.0;
/// Above the plots: the figure's title and the panel's.
const HEAD: f64 = 66.0;
/// Below: the axis and its label.
const FOOT: f64 = 52.0;
const LEGEND_LINE: f64 = 19.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 18.0;

impl Figure {
    /// The figure as SVG. Equal figures give equal bytes.
    pub(super) fn draw(&self) -> String {
        let panel = if self.panels.len() == 1 { ONLY_PANEL } else { PANEL };
        let rows = self.panels.iter().map(Panel::legend_rows).max().unwrap_or(0);
        let (width, height) =
            (panel * self.panels.len() as f64, HEAD + PLOT_HEIGHT + FOOT + LEGEND_LINE * rows as f64);
        let mut svg = Svg::new(width, height, &self.title, &self.about);
        svg.text((16.0, 26.0), Anchor::Start, "title", &self.title);
        for (number, content) in self.panels.iter().enumerate() {
            let left = panel * number as f64 + LEFT;
            let area = Area { left, top: HEAD, width: panel - LEFT - RIGHT, height: PLOT_HEIGHT };
            content.draw(&mut svg, area);
        }
        svg.finish()
    }
}

impl Panel {
    fn legend_rows(&self) -> usize {
        if self.series.len() > 1 { self.series.len() } else { 0 }
    }

    fn draw(&self, svg: &mut Svg, area: Area) {
        let points = || self.series.iter().flat_map(|series| series.points.iter().copied());
        let (x, y) = (self.x.axis(points().map(|(x, _)| x)), self.y.axis(points().map(|(_, y)| y)));
        svg.text((area.left, area.top - 14.0), Anchor::Start, "panel", self.title);
        area.frame(svg, &x, &y, self.x.label);
        for (series, style) in self.series.iter().zip(STYLES.iter().cycle()) {
            let places: Vec<_> = series.points.iter().map(|point| area.place(&x, &y, *point)).collect();
            style.line(svg, &places, series.look);
        }
        if self.legend_rows() > 0 {
            self.legend(svg, area);
        }
    }

    fn legend(&self, svg: &mut Svg, area: Area) {
        let top = area.top + area.height + FOOT;
        for (row, (series, style)) in self.series.iter().zip(STYLES.iter().cycle()).enumerate() {
            let y = top + LEGEND_LINE * row as f64;
            style.line(svg, &[(area.left, y - 4.0), (area.left + 28.0, y - 4.0)], Look::Plain);
            if series.look == Look::Marked {
                style.mark(svg, (area.left + 14.0, y - 4.0));
            }
            svg.text((area.left + 36.0, y), Anchor::Start, "legend", &series.name);
        }
    }
}

impl Area {
    /// Where a point is on the page.
    fn place(self, x: &Axis, y: &Axis, point: (f64, f64)) -> (f64, f64) {
        (self.left + x.place(point.0) * self.width, self.top + (1.0 - y.place(point.1)) * self.height)
    }

    fn frame(self, svg: &mut Svg, x: &Axis, y: &Axis, label: &str) {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        for tick in &y.ticks {
            let at = self.top + (1.0 - y.place(*tick)) * self.height;
            svg.straight("grid", (self.left, at), (right, at));
            svg.text((self.left - 8.0, at + 4.0), Anchor::End, "tick", &y.written(*tick));
        }
        for tick in &x.ticks {
            let at = self.left + x.place(*tick) * self.width;
            svg.straight("axis", (at, bottom), (at, bottom + 4.0));
            svg.text((at, bottom + 18.0), Anchor::Middle, "tick", &x.written(*tick));
        }
        svg.straight("axis", (self.left, bottom), (right, bottom));
        svg.text((self.left + self.width / 2.0, bottom + 36.0), Anchor::Middle, "label", label);
    }
}

impl Style {
    fn line(&self, svg: &mut Svg, places: &[(f64, f64)], look: Look) {
        if places.len() > 1 {
            let places: Vec<_> = places.iter().map(|(x, y)| format!("{},{}", short(*x), short(*y))).collect();
            let points = places.join(" ");
            svg.empty(
                "polyline",
                &[
                    ("class", &"line"),
                    ("stroke", &self.colour),
                    ("stroke-dasharray", &self.dash),
                    ("points", &points),
                ],
            );
        }
        if look == Look::Marked {
            places.iter().for_each(|place| self.mark(svg, *place));
        }
    }

    fn mark(&self, svg: &mut Svg, (x, y): (f64, f64)) {
        let place = format!("translate({} {})", short(x), short(y));
        svg.empty(
            "path",
            &[
                ("d", &self.mark),
                ("transform", &place),
                ("fill", &self.colour),
                ("stroke", &"#fcfcfb"),
                ("stroke-width", &1),
            ],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::axis::{Scale, Unit};
    use super::*;

    fn panel(series: &[&[(f64, f64)]]) -> Panel {
        let series = series.iter().enumerate().map(|(number, points)| Series {
            name: format!("line {number}"),
            points: points.to_vec(),
            look: Look::Marked,
        });
        let (x, y) = (Scale::Log, Scale::FromZero);
        Panel {
            title: "hops",
            x: Kind { label: "nodes", scale: x, unit: Unit::Count },
            y: Kind { label: "", scale: y, unit: Unit::Count },
            series: series.collect(),
        }
    }

    fn drawn(panels: Vec<Panel>) -> String {
        Figure { title: "Cost".into(), about: "What it costs.".into(), panels }.draw()
    }

    #[test]
    fn a_point_lands_where_it_should() {
        let svg = drawn(vec![panel(&[&[(10.0, 0.0), (100.0, 5.0), (1000.0, 10.0)]])]);
        // The plot is from 58 to 622 across and from 66 to 296 down; 100 is in the middle of 10 to 1000.
        assert!(svg.contains("points=\"58,296 340,181 622,66\""), "{svg}");
        for place in ["58 296", "340 181", "622 66"] {
            assert!(svg.contains(&format!("translate({place})")), "{place}: {svg}");
        }
    }

    #[test]
    fn panels_stand_side_by_side() {
        let svg = drawn(vec![panel(&[&[(10.0, 0.0), (1000.0, 10.0)]]), panel(&[&[(1.0, 1.0), (2.0, 2.0)]])]);
        assert!(svg.contains("viewBox=\"0 0 640 348\""), "{svg}");
        assert!(svg.contains("points=\"58,296 302,66\""), "{svg}");
        assert!(svg.contains("points=\"378,"), "{svg}");
    }

    #[test]
    fn several_lines_have_a_legend_and_one_has_none() {
        let line: &[(f64, f64)] = &[(10.0, 1.0), (20.0, 2.0)];
        assert!(!drawn(vec![panel(&[line])]).contains("line 0"));
        let two = drawn(vec![panel(&[line, line])]);
        assert!(two.contains(">line 0</text>") && two.contains(">line 1</text>"), "{two}");
        assert!(two.contains(STYLES[0].colour) && two.contains(STYLES[1].colour), "{two}");
    }

    #[test]
    fn equal_figures_give_equal_bytes_and_say_what_they_show() {
        let draw = || drawn(vec![panel(&[&[(10.0, 1.0)]])]);
        assert_eq!(draw(), draw());
        assert!(draw().contains("role=\"img\"") && draw().contains("<title id=\"title\">Cost</title>"));
        assert!(draw().starts_with("<svg ") && draw().ends_with("</svg>\n"));
    }
}
