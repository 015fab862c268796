//! A figure to shapes: panels one below the other, each with its axis on the left and its legend on the right.

use std::f64::consts::TAU;

use super::drawing::{Anchor, Colour, Drawing, Point};
use super::font::Font;
use super::scale::Scale;
use super::{Figure, Hue, Panel, Series, Style};

/// Width of a figure, which is about that of a page of a repository.
const WIDTH: f64 = 900.0;

/// Left of the plots: the axis's name, and its numbers.
const LEFT: f64 = 74.0;

/// Between a plot and its legend, and between the legend and the edge.
const GAP: f64 = 12.0;

/// The figure's title, above the first panel.
const HEAD: f64 = 40.0;

/// A panel's title, above its plot, and what is free above that.
const PANEL_HEAD: f64 = 34.0;

/// Numbers and name of the axis below the last plot.
const FOOT: f64 = 48.0;

/// Height of a line of a legend.
const ENTRY: f64 = 17.0;

/// The piece of line or area that stands before a label.
const SWATCH: f64 = 28.0;

/// Pixels that a tick's text across needs, and one up.
const TICK_ACROSS: f64 = 90.0;
const TICK_UP: f64 = 26.0;

const TITLE_SIZE: f64 = 16.0;
const PANEL_SIZE: f64 = 13.0;
const TEXT_SIZE: f64 = 12.0;

const BLACK: Colour = [0, 0, 0];
const TEXT: Colour = [40, 40, 40];
const GRID: Colour = [222, 222, 222];
const FRAME: Colour = [120, 120, 120];
const WHITE: Colour = [255, 255, 255];

const LINE_WIDTH: f64 = 1.7;

/// Dashes of the lines of a panel, by their order. A panel that has more lines than these differs in colours and dashes
/// together, whose numbers have no common factor.
const DASHES: [&[f64]; 5] = [&[], &[7.0, 3.0], &[2.0, 2.0], &[9.0, 3.0, 2.0, 3.0], &[14.0, 4.0]];

/// The figure's shapes.
pub(super) fn draw(figure: &Figure) -> Drawing {
    let panels: Vec<&Panel> = figure.panels.iter().filter(|panel| panel.has_points()).collect();
    let legend = legend_width(&panels);
    let mut drawing = Drawing { title: figure.title.clone(), width: WIDTH, ..Drawing::default() };
    drawing.text((GAP, 26.0), &figure.title, TITLE_SIZE, Anchor::Start, BLACK, true);
    let right = WIDTH - GAP - legend - if legend > 0.0 { GAP } else { 0.0 };
    let every = panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let ticks = ((right - LEFT) / TICK_ACROSS) as usize;
    let x = Scale::new(&figure.x, every.map(|(x, _)| *x), ticks, false);
    let marks = panels.iter().flat_map(|panel| &panel.series).any(|series| series.style == Style::Marked);
    let x = if marks { x.with_margins() } else { x };
    let mut top = HEAD;
    let mut bottom = HEAD;
    for panel in &panels {
        top = bottom + PANEL_HEAD;
        bottom = top + panel.height.max(panel.series.len() as f64 * ENTRY);
        let plot = Plot { left: LEFT, right, top, bottom, x: x.clone(), y: panel.scale(bottom - top) };
        plot.draw(&mut drawing, figure, panel);
    }
    if panels.is_empty() {
        drawing.text((LEFT, top + PANEL_HEAD), "nothing was measured", TEXT_SIZE, Anchor::Start, TEXT, false);
    }
    for tick in &x.ticks {
        let Some(place) = x.place(*tick) else { continue };
        let at = (LEFT + place * (right - LEFT), bottom + 17.0);
        drawing.text(at, &figure.x.unit.text(*tick), TEXT_SIZE, Anchor::Middle, TEXT, false);
    }
    let middle = f64::midpoint(LEFT, right);
    drawing.text((middle, bottom + 36.0), &figure.x.label, TEXT_SIZE, Anchor::Middle, TEXT, false);
    drawing.height = bottom + FOOT;
    drawing
}

/// The width of the widest legend, with its swatches.
fn legend_width(panels: &[&Panel]) -> f64 {
    let font = Font::new(false);
    let labels = panels.iter().flat_map(|panel| &panel.series).map(|series| &series.label);
    let widest = labels.map(|label| font.width(label, TEXT_SIZE)).fold(0.0, f64::max);
    if widest > 0.0 { SWATCH + 6.0 + widest } else { 0.0 }
}

impl Panel {
    fn has_points(&self) -> bool {
        let shows = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite() && (!self.y.log || *y > 0.0);
        self.series.iter().flat_map(|series| &series.points).any(shows)
    }

    /// The scale of the panel's axis: over the lines and their ranges, and over the areas on top of one another.
    fn scale(&self, height: f64) -> Scale {
        let lines = self.series.iter().filter(|series| series.style != Style::Area);
        let mut values: Vec<f64> = lines
            .flat_map(|series| {
                let ranges = series.ranges.iter().flat_map(|(least, most)| [*least, *most]);
                series.points.iter().map(|(_, y)| *y).chain(ranges)
            })
            .collect();
        values.extend(self.stacks().iter().flat_map(|stack| stack.iter().map(|(_, _, upper)| *upper)));
        Scale::new(&self.y, values, ((height / TICK_UP) as usize).clamp(2, 8), true)
    }

    /// For each area, in their order: across, and up from where to where. What is not a number adds nothing.
    fn stacks(&self) -> Vec<Vec<(f64, f64, f64)>> {
        let mut below: Vec<f64> = Vec::new();
        let areas = self.series.iter().filter(|series| series.style == Style::Area);
        let stack = |series: &Series| {
            below.resize(below.len().max(series.points.len()), 0.0);
            let layers = series.points.iter().zip(&mut below).map(|((x, y), below)| {
                let lower = *below;
                *below += if y.is_finite() { *y } else { 0.0 };
                (*x, lower, *below)
            });
            layers.collect()
        };
        areas.map(stack).collect()
    }
}

/// The place and the scales of a panel's plot.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Scale,
    y: Scale,
}

impl Plot {
    fn draw(&self, drawing: &mut Drawing, figure: &Figure, panel: &Panel) {
        let Self { left, right, top, bottom, .. } = *self;
        drawing.text((left, top - 9.0), &panel.title, PANEL_SIZE, Anchor::Start, BLACK, true);
        drawing.turned_text((16.0, f64::midpoint(top, bottom)), &panel.y.label, TEXT_SIZE, TEXT);
        self.draw_grid(drawing, panel);
        let mut stacks = panel.stacks().into_iter();
        let mut lines = 0;
        let mut entries = Vec::new();
        for series in &panel.series {
            let style = LineStyle::of(series, lines);
            if series.style == Style::Area {
                self.draw_layer(drawing, &stacks.next().unwrap_or_default(), style.colour);
            } else {
                self.draw_line(drawing, series, &style);
                lines += 1;
            }
            entries.push((series, style));
        }
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        drawing.line(corners.into(), FRAME, 1.0, &[]);
        // Of what lies on top of one another the legend has the topmost first.
        let areas = entries.iter().filter(|(series, _)| series.style == Style::Area).rev();
        let others = entries.iter().filter(|(series, _)| series.style != Style::Area);
        let shown = others.chain(areas).filter(|(series, _)| !series.label.is_empty());
        for (number, (series, style)) in shown.enumerate() {
            self.draw_entry(drawing, series, style, top + (number as f64 + 0.5) * ENTRY);
        }
        debug_assert!(!figure.panels.is_empty(), "a plot is of a panel");
    }

    fn draw_grid(&self, drawing: &mut Drawing, panel: &Panel) {
        let Self { left, right, top, bottom, .. } = *self;
        for place in self.x.ticks.iter().filter_map(|tick| self.x.place(*tick)) {
            let x = left + place * (right - left);
            drawing.line(vec![(x, top), (x, bottom)], GRID, 1.0, &[]);
        }
        for tick in &self.y.ticks {
            let Some(place) = self.y.place(*tick) else { continue };
            let y = bottom - place * (bottom - top);
            drawing.line(vec![(left, y), (right, y)], GRID, 1.0, &[]);
            let text = panel.y.unit.text(*tick);
            drawing.text((left - 7.0, y + 4.0), &text, TEXT_SIZE, Anchor::End, TEXT, false);
        }
    }

    fn place(&self, x: f64, y: f64) -> Option<Point> {
        let (x, y) = (self.x.place(x)?, self.y.place(y)?);
        Some((self.left + x * (self.right - self.left), self.bottom - y * (self.bottom - self.top)))
    }

    fn draw_layer(&self, drawing: &mut Drawing, layer: &[(f64, f64, f64)], colour: Colour) {
        let upper: Vec<Point> = layer.iter().filter_map(|(x, _, upper)| self.place(*x, *upper)).collect();
        let lower = layer.iter().rev().filter_map(|(x, lower, _)| self.place(*x, *lower));
        drawing.area(upper.iter().copied().chain(lower).collect(), colour);
        // Tells neighbours apart where colours don't.
        drawing.line(upper, WHITE, 0.8, &[]);
    }

    fn draw_line(&self, drawing: &mut Drawing, series: &Series, style: &LineStyle) {
        for ((x, _), (least, most)) in series.points.iter().zip(&series.ranges) {
            let (Some(low), Some(high)) = (self.place(*x, *least), self.place(*x, *most)) else { continue };
            drawing.line(vec![low, high], style.colour, 1.0, &[]);
            for end in [low, high] {
                drawing.line(vec![(end.0 - 3.0, end.1), (end.0 + 3.0, end.1)], style.colour, 1.0, &[]);
            }
        }
        let places: Vec<Option<Point>> = series.points.iter().map(|(x, y)| self.place(*x, *y)).collect();
        for run in places.split(Option::is_none) {
            drawing.line(run.iter().copied().flatten().collect(), style.colour, LINE_WIDTH, style.dashes);
        }
        if series.style == Style::Marked {
            places.into_iter().flatten().for_each(|place| style.draw_mark(drawing, place));
        }
    }

    /// A line of the legend, its middle at `y`.
    fn draw_entry(&self, drawing: &mut Drawing, series: &Series, style: &LineStyle, y: f64) {
        let start = self.right + GAP;
        let end = start + SWATCH;
        if series.style == Style::Area {
            let (top, bottom) = (y - 5.0, y + 5.0);
            let corners = vec![(start, top), (end, top), (end, bottom), (start, bottom)];
            drawing.area(corners, style.colour);
        } else {
            drawing.line(vec![(start, y), (end, y)], style.colour, LINE_WIDTH, style.dashes);
        }
        if series.style == Style::Marked {
            style.draw_mark(drawing, (f64::midpoint(start, end), y));
        }
        drawing.text((end + 6.0, y + 4.0), &series.label, TEXT_SIZE, Anchor::Start, TEXT, false);
    }
}

/// What tells a series from the others of its panel.
struct LineStyle {
    colour: Colour,
    dashes: &'static [f64],
    /// Corners of its marks.
    corners: usize,
    /// By which they are turned.
    turn: f64,
}

impl LineStyle {
    /// The look of a series, whose panel has so many lines before it.
    fn of(series: &Series, lines: usize) -> Self {
        // Circle, square, triangle, diamond, pentagon.
        const MARKS: [(usize, f64); 5] =
            [(24, 0.0), (4, TAU / 8.0), (3, -TAU / 4.0), (4, 0.0), (5, -TAU / 4.0)];
        let (corners, turn) = MARKS[lines % MARKS.len()];
        Self { colour: colour(series.hue), dashes: DASHES[lines % DASHES.len()], corners, turn }
    }

    fn draw_mark(&self, drawing: &mut Drawing, (x, y): Point) {
        const RADIUS: f64 = 4.5;
        let corner = |number: usize| {
            let angle = self.turn + TAU * number as f64 / self.corners as f64;
            (x + RADIUS * angle.cos(), y + RADIUS * angle.sin())
        };
        drawing.area((0..self.corners).map(corner).collect(), self.colour);
    }
}

/// Okabe and Ito's palette, without its yellow, which can't be seen on white.
const fn colour(hue: Hue) -> Colour {
    match hue {
        Hue::Blue => [0, 114, 178],
        Hue::Vermillion => [213, 94, 0],
        Hue::Green => [0, 158, 115],
        Hue::Purple => [204, 121, 167],
        Hue::Orange => [230, 159, 0],
        Hue::Sky => [86, 180, 233],
        Hue::Black => [0, 0, 0],
        Hue::Grey => [205, 205, 205],
    }
}
