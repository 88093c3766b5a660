//! A picture as data: shapes in a fixed coordinate system, drawn later as SVG and as PNG.
//!
//! The plots are laid out once and know neither format. Units are SVG user units; a PNG has
//! [`png::SCALE`](super::png::SCALE) pixels a unit.

/// Width of every picture, in units.
pub(crate) const WIDTH: f64 = 800.0;

/// A colour of the palette, 8 bits a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rgb(pub(crate) u8, pub(crate) u8, pub(crate) u8);

impl Rgb {
    /// Whether black text reads better on this colour than white text (relative luminance after WCAG 2, the
    /// transfer function taken as a square).
    pub(crate) fn is_light(self) -> bool {
        let channel = |c: u8| (f64::from(c) / 255.0) * (f64::from(c) / 255.0);
        0.2126 * channel(self.0) + 0.7152 * channel(self.1) + 0.0722 * channel(self.2) > 0.2
    }

    /// The colour that lies `t` of the way to `other`, t between 0 and 1.
    pub(crate) fn mixed(self, other: Self, t: f64) -> Self {
        let mix =
            |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * t).round().clamp(0.0, 255.0) as u8;
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

/// What something is painted with: a role that a page may theme, or a fixed colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ink {
    /// Titles and values.
    Text,
    /// Axis labels, notes.
    Muted,
    /// Grid lines.
    Grid,
    /// The ground.
    Ground,
    /// A colour that means the same in any theme.
    Fixed(Rgb),
}

/// How a line is broken up, in multiples of its width; the patterns differ enough to tell lines that overlap apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dash {
    Solid,
    Dashed,
    Dotted,
    Mixed,
}

impl Dash {
    /// Lengths of strokes and gaps in turn, in line widths; empty for a solid line.
    pub(crate) const fn pattern(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[5.0, 2.5],
            Self::Dotted => &[1.5, 1.5],
            Self::Mixed => &[6.0, 2.0, 1.5, 2.0],
        }
    }
}

/// A stroke.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stroke {
    pub(crate) ink: Ink,
    pub(crate) width: f64,
    pub(crate) dash: Dash,
}

impl Stroke {
    pub(crate) const fn solid(ink: Ink, width: f64) -> Self {
        Self { ink, width, dash: Dash::Solid }
    }
}

/// A rectangle: left, top, width, height.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) w: f64,
    pub(crate) h: f64,
}

impl Area {
    pub(crate) const fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    pub(crate) fn right(self) -> f64 {
        self.x + self.w
    }

    pub(crate) fn bottom(self) -> f64 {
        self.y + self.h
    }
}

/// Which end of a text its position names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text; `y` is its baseline.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) text: String,
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) ink: Ink,
    pub(crate) anchor: Anchor,
    /// Read from bottom to top.
    pub(crate) upright: bool,
}

/// A shape; later ones lie over earlier ones.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A filled rectangle, with a thin border and a note that a page shows on hovering.
    Rect { area: Area, fill: Ink, border: Option<Ink>, note: Option<String> },
    /// A line through points.
    Line { points: Vec<(f64, f64)>, stroke: Stroke },
    /// The area between a stair of points and a horizontal, lightly filled.
    Under { points: Vec<(f64, f64)>, base: f64, fill: Ink },
    /// The area between two lines that share their x, lightly filled.
    Band { upper: Vec<(f64, f64)>, lower: Vec<(f64, f64)>, fill: Ink },
    /// A grid of cells, row by row, each a level of the colour map.
    Cells { area: Area, columns: usize, levels: Vec<u8> },
    /// A line of text.
    Text(Text),
}

/// A picture.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// Height in units; the width is [`WIDTH`].
    pub(crate) height: f64,
    /// What the picture shows, for those who cannot see it.
    pub(crate) description: String,
    pub(crate) shapes: Vec<Shape>,
}

impl Scene {
    pub(crate) fn new(description: String) -> Self {
        Self { height: 0.0, description, shapes: Vec::new() }
    }

    pub(crate) fn rect(&mut self, area: Area, fill: Ink) {
        self.shapes.push(Shape::Rect { area, fill, border: None, note: None });
    }

    pub(crate) fn line(&mut self, points: Vec<(f64, f64)>, stroke: Stroke) {
        self.shapes.push(Shape::Line { points, stroke });
    }

    /// Adds text of the usual size; change what it returns for other styles.
    pub(crate) fn text(&mut self, x: f64, y: f64, text: impl Into<String>, ink: Ink, anchor: Anchor) {
        self.push_text(Text {
            x,
            y,
            text: text.into(),
            size: 12.0,
            bold: false,
            ink,
            anchor,
            upright: false,
        });
    }

    pub(crate) fn push_text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }
}
