//! Letters: how wide a text is.
//!
//! DejaVu Sans is nearly as wide as Verdana, so that an SVG which finds neither the one nor the other on its reader's
//! machine is laid out well enough.

use ttf_parser::Face;

/// A weight of the font.
pub(super) struct Font(Face<'static>);

impl Font {
    /// The font, in its regular or its bold weight.
    pub(super) fn new(bold: bool) -> Self {
        Self(Face::parse(Self::bytes(bold), 0).expect("the font that the program was built with is whole"))
    }

    /// The font's file.
    pub(super) fn bytes(bold: bool) -> &'static [u8] {
        if bold { dejavu::sans::bold() } else { dejavu::sans::regular() }
    }

    /// The width of a text of this size.
    pub(super) fn width(&self, text: &str, size: f64) -> f64 {
        let advance = |letter| {
            let glyph = self.0.glyph_index(letter).unwrap_or_default();
            f64::from(self.0.glyph_hor_advance(glyph).unwrap_or_default())
        };
        text.chars().map(advance).sum::<f64>() * size / f64::from(self.0.units_per_em())
    }
}
