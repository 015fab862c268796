//! What a laid out figure is made of. Places and sizes are pixels of the layout, from the top left.

/// A colour: red, green, blue.
pub(super) type Colour = [u8; 3];

/// Across and down.
pub(super) type Point = (f64, f64);

/// Where a text's place is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Something to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A line through points.
    Line {
        points: Vec<Point>,
        colour: Colour,
        width: f64,
        /// Lengths of dashes and gaps in turn; empty for none.
        dashes: &'static [f64],
    },
    /// What lies within points.
    Area { points: Vec<Point>, colour: Colour },
    /// A line of text, its baseline at `at`.
    Text {
        at: Point,
        text: String,
        size: f64,
        anchor: Anchor,
        colour: Colour,
        bold: bool,
        /// Read from the bottom up.
        turned: bool,
    },
}

/// Shapes, later ones over earlier ones, on white.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawing {
    pub(super) title: String,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Drawing {
    /// Adds a line; one of fewer than two points can't be seen and is left out.
    pub(super) fn line(&mut self, points: Vec<Point>, colour: Colour, width: f64, dashes: &'static [f64]) {
        if points.len() > 1 {
            self.shapes.push(Shape::Line { points, colour, width, dashes });
        }
    }

    /// Adds an area.
    pub(super) fn area(&mut self, points: Vec<Point>, colour: Colour) {
        if points.len() > 2 {
            self.shapes.push(Shape::Area { points, colour });
        }
    }

    /// Adds a level text.
    pub(super) fn text(
        &mut self,
        at: Point,
        text: &str,
        size: f64,
        anchor: Anchor,
        colour: Colour,
        bold: bool,
    ) {
        let text = text.to_owned();
        self.shapes.push(Shape::Text { at, text, size, anchor, colour, bold, turned: false });
    }

    /// Adds a text that is read from the bottom up, with its middle at `at`.
    pub(super) fn turned_text(&mut self, at: Point, text: &str, size: f64, colour: Colour) {
        let (text, anchor) = (text.to_owned(), Anchor::Middle);
        self.shapes.push(Shape::Text { at, text, size, anchor, colour, bold: false, turned: true });
    }
}
