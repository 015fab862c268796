//! A drawing as PNG.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash, Transform,
};
use ttf_parser::OutlineBuilder;

use super::drawing::{Anchor, Colour, Drawing, Point, Shape};
use super::font::Font;

/// The drawing's file, with `scale` pixels to one of the drawing.
///
/// # Errors
/// A sentence, where the drawing is too large for memory.
pub(super) fn bytes(drawing: &Drawing, scale: f32) -> Result<Vec<u8>, String> {
    let side = |length: f64| (length * f64::from(scale)).round() as u32;
    let (width, height) = (side(drawing.width), side(drawing.height));
    let room = Pixmap::new(width, height);
    let mut pixmap = room.ok_or_else(|| format!("a picture of {width} × {height} pixels is too large"))?;
    pixmap.fill(tiny_skia::Color::WHITE);
    let mut pen =
        Pen { pixmap, scale: Transform::from_scale(scale, scale), fonts: [false, true].map(Font::new) };
    drawing.shapes.iter().for_each(|shape| pen.draw(shape));
    pen.pixmap.encode_png().map_err(|error| format!("a picture can't be written as PNG: {error}"))
}

struct Pen {
    pixmap: Pixmap,
    scale: Transform,
    /// Regular and bold.
    fonts: [Font; 2],
}

impl Pen {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { points, colour, width, dashes } => {
                let Some(path) = path(points, false) else { return };
                let dashes = dashes.iter().map(|length| *length as f32).collect();
                let stroke = Stroke {
                    width: *width as f32,
                    line_cap: LineCap::Butt,
                    line_join: LineJoin::Round,
                    dash: StrokeDash::new(dashes, 0.0),
                    ..Stroke::default()
                };
                self.pixmap.stroke_path(&path, &paint(*colour), &stroke, self.scale, None);
            }
            Shape::Area { points, colour } => {
                let Some(path) = path(points, true) else { return };
                self.pixmap.fill_path(&path, &paint(*colour), FillRule::Winding, self.scale, None);
            }
            Shape::Text { at, text, size, anchor, colour, bold, turned } => {
                let font = &self.fonts[usize::from(*bold)];
                let before = match anchor {
                    Anchor::Start => 0.0,
                    Anchor::Middle => 0.5,
                    Anchor::End => 1.0,
                };
                let start = -before * font.width(text, *size);
                let scale = font.scale(*size) as f32;
                let mut letters = PathBuilder::new();
                let letter = |at: f64| Letter { path: PathBuilder::new(), scale, at: (start + at) as f32 };
                font.outline(text, *size, letter, |letter| {
                    if let Some(path) = letter.path.finish() {
                        letters.push_path(&path);
                    }
                });
                let Some(letters) = letters.finish() else { return };
                let turn = if *turned { Transform::from_rotate(-90.0) } else { Transform::identity() };
                let place = turn.post_translate(at.0 as f32, at.1 as f32).post_concat(self.scale);
                self.pixmap.fill_path(&letters, &paint(*colour), FillRule::Winding, place, None);
            }
        }
    }
}

fn paint([red, green, blue]: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

fn path(points: &[Point], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (number, (x, y)) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if number == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    if closed {
        path.close();
    }
    path.finish()
}

/// A letter on its way from the font, whose units go up, to the drawing, whose pixels go down.
struct Letter {
    path: PathBuilder,
    scale: f32,
    at: f32,
}

impl Letter {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.at + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Letter {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
