//! Letters: how wide a text is, and its outlines.
//!
//! DejaVu Sans is nearly as wide as Verdana, so that an SVG which finds neither the one nor the other on its reader's
//! machine is laid out well enough.

use ttf_parser::{Face, OutlineBuilder};

/// A weight of the font.
pub(super) struct Font(Face<'static>);

impl Font {
    /// The font, in its regular or its bold weight.
    pub(super) fn new(bold: bool) -> Self {
        let bytes = if bold { dejavu::sans::bold() } else { dejavu::sans::regular() };
        Self(Face::parse(bytes, 0).expect("the font that the program was built with is whole"))
    }

    /// The width of a text of this size.
    pub(super) fn width(&self, text: &str, size: f64) -> f64 {
        text.chars().map(|letter| self.advance(letter)).sum::<f64>() * self.scale(size)
    }

    /// Hands the outline of each letter to `outline`, with the place of the letter's origin from the text's start.
    pub(super) fn outline<B: OutlineBuilder>(
        &self,
        text: &str,
        size: f64,
        mut builder: impl FnMut(f64) -> B,
        mut outline: impl FnMut(B),
    ) {
        let mut at = 0.0;
        for letter in text.chars() {
            let mut one = builder(at);
            // A space has none.
            if self.0.outline_glyph(self.0.glyph_index(letter).unwrap_or_default(), &mut one).is_some() {
                outline(one);
            }
            at += self.advance(letter) * self.scale(size);
        }
    }

    /// Pixels to a unit of the font at this size.
    pub(super) fn scale(&self, size: f64) -> f64 {
        size / f64::from(self.0.units_per_em())
    }

    /// In units of the font.
    fn advance(&self, letter: char) -> f64 {
        let glyph = self.0.glyph_index(letter).unwrap_or_default();
        f64::from(self.0.glyph_hor_advance(glyph).unwrap_or_default())
    }
}
