//! A drawing's SVG as PNG.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb::Database};

use super::font::Font;

/// The file of the picture that `svg` is, with `scale` pixels to one of the drawing.
///
/// # Errors
/// A sentence, where the picture is too large for memory.
pub(super) fn bytes(svg: &str, scale: f32) -> Result<Vec<u8>, String> {
    let mut fonts = Database::new();
    for bold in [false, true] {
        fonts.load_font_data(Font::bytes(bold).to_vec());
    }
    let options = Options { fontdb: Arc::new(fonts), ..Options::default() };
    let tree = Tree::from_str(svg, &options).expect("a drawing is written as SVG");
    let [width, height] =
        [tree.size().width(), tree.size().height()].map(|side| (side * scale).round() as u32);
    let room = Pixmap::new(width, height);
    let mut pixmap = room.ok_or_else(|| format!("a picture of {width} × {height} pixels is too large"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|error| format!("a picture can't be written as PNG: {error}"))
}
