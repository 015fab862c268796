//! Pictures of measurements: a figure of panels above one another on one horizontal axis, as PNG and as SVG.
//!
//! A figure is laid out once, into shapes and texts with their places. The SVG is written of those, and the PNG is drawn from
//! the SVG, so that they show the same. Colours are those of Okabe and Ito, which people who see few colours can tell apart; lines
//! differ by dashes, and points by their form, beside them, so that a print without colours can be read too.
//!
//! Reading in order: `scale`, where a value is on an axis and what is written beside it; `layout`, a figure to
//! shapes; `drawing`, the shapes; `svg`, shapes to a text, and `png`, that text to a picture; `font`, how wide a text is.

mod drawing;
mod font;
mod layout;
mod png;
mod scale;
mod svg;

use std::fs;
use std::path::Path;

pub(crate) use scale::Unit;

/// Pixels of the PNG to one of the layout: a page shows it at its layout's width, and a screen of twice the density
/// shows all of it.
const PNG_SCALE: f32 = 2.0;

/// A colour that has a meaning, or [`Hue::of`] the place of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hue {
    Blue,
    Vermillion,
    Green,
    Purple,
    Orange,
    Sky,
    Black,
    /// For what is there but not looked at, such as an idle core.
    Grey,
}

impl Hue {
    /// The colour of the series of this number, from 0; they come again after seven.
    pub(crate) const fn of(number: usize) -> Self {
        const ORDER: [Hue; 7] =
            [Hue::Blue, Hue::Vermillion, Hue::Green, Hue::Purple, Hue::Orange, Hue::Sky, Hue::Black];
        ORDER[number % ORDER.len()]
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A line through the points.
    Line,
    /// A line through the points, and a mark at each: few points, each of which was measured.
    Marked,
    /// The room between this series and the areas before it in its panel, whose values it is added to.
    Area,
}

/// Values to be drawn.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) style: Style,
    pub(crate) hue: Hue,
    /// Across and up. A value that is not a number, or not above 0 on a logarithmic axis, leaves a gap.
    pub(crate) points: Vec<(f64, f64)>,
    /// The least and the most at each point, drawn as a whisker; empty for none.
    pub(crate) ranges: Vec<(f64, f64)>,
}

impl Series {
    /// A series without ranges.
    pub(crate) fn new(label: &str, style: Style, hue: Hue, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.to_owned(), style, hue, points, ranges: Vec::new() }
    }
}

/// An axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What it shows, with the unit where the numbers beside it have none.
    pub(crate) label: String,
    /// How the numbers beside it are written.
    pub(crate) unit: Unit,
    /// Equal steps are equal factors. A linear axis of a panel begins at 0.
    pub(crate) log: bool,
    /// The values that are named; empty for round ones.
    pub(crate) ticks: Vec<f64>,
}

impl Axis {
    /// A linear axis with round numbers.
    pub(crate) fn linear(label: &str, unit: Unit) -> Self {
        Self { label: label.to_owned(), unit, log: false, ticks: Vec::new() }
    }

    /// A logarithmic axis with round numbers.
    pub(crate) fn log(label: &str, unit: Unit) -> Self {
        Self { log: true, ..Self::linear(label, unit) }
    }
}

/// One picture on the axis that its figure's panels share.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    /// Of the plotted area, in pixels of the layout; it grows where the legend needs more.
    pub(crate) height: f64,
}

/// Panels above one another.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) panels: Vec<Panel>,
}

impl Figure {
    /// Writes `name.png` and `name.svg` to `directory`. Panels without a point to show are left out.
    ///
    /// # Errors
    /// A sentence with the file's path.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> Result<(), String> {
        let svg = svg::text(&layout::draw(self));
        let png = png::bytes(&svg, PNG_SCALE)?;
        let files = [(format!("{name}.svg"), svg.into_bytes()), (format!("{name}.png"), png)];
        for (file, bytes) in files {
            let path = directory.join(file);
            fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
