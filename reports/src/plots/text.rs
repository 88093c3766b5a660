//! The font: text is measured and rasterised with DejaVu Sans, which this crate carries, so that pictures look
//! alike on machines without fonts. (plotters' own glyph drawing ignores side bearings; letters then touch.)

use crate::format::shortened;
use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

/// Pixels of a rasterised text: column, row and coverage between 0 and 1, relative to the start of its baseline.
pub(crate) type Coverage = (i32, i32, f32);

/// The regular and the bold face.
#[derive(Debug)]
pub(crate) struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

impl Fonts {
    /// Parses the faces that the crate carries.
    pub(crate) fn new() -> Result<Self, ab_glyph::InvalidFont> {
        Ok(Self {
            regular: FontRef::try_from_slice(dejavu::sans::regular())?,
            bold: FontRef::try_from_slice(dejavu::sans::bold())?,
        })
    }

    fn face(&self, bold: bool) -> &FontRef<'static> {
        if bold { &self.bold } else { &self.regular }
    }

    /// A font size (pixels an em) as ab_glyph's scale (pixels between ascent and descent).
    fn scale(face: &FontRef<'_>, size: f64) -> PxScale {
        let em = face.units_per_em().unwrap_or(2048.0);
        PxScale::from(size as f32 * face.height_unscaled() / em)
    }

    /// The width of `text` at `size`.
    pub(crate) fn width(&self, text: &str, size: f64, bold: bool) -> f64 {
        let face = self.face(bold);
        let scaled = face.as_scaled(Self::scale(face, size));
        text.chars().map(|c| f64::from(scaled.h_advance(face.glyph_id(c)))).sum()
    }

    /// The pixels of `text` at `size`, starting `offset` pixels after column 0.
    pub(crate) fn coverage(
        &self,
        text: &str,
        size: f64,
        bold: bool,
        offset: f64,
        mut put: impl FnMut(Coverage),
    ) {
        let face = self.face(bold);
        let scale = Self::scale(face, size);
        let scaled = face.as_scaled(scale);
        let mut x = offset as f32;
        for c in text.chars() {
            let id = face.glyph_id(c);
            if let Some(outline) = face.outline_glyph(id.with_scale_and_position(scale, point(x, 0.0))) {
                let bounds = outline.px_bounds();
                let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
                outline.draw(|column, row, cover| put((left + column as i32, top + row as i32, cover)));
            }
            x += scaled.h_advance(id);
        }
    }

    /// `text`, its middle replaced by `…` where it is wider than `room`: names often differ in their ends.
    pub(crate) fn fitted(&self, text: &str, size: f64, room: f64) -> String {
        if self.width(text, size, false) <= room {
            return text.to_owned();
        }
        (0..text.chars().count())
            .rev()
            .map(|kept| shortened(text, kept + 1))
            .find(|short| self.width(short, size, false) <= room)
            .unwrap_or_default()
    }
}
