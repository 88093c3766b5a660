//! Pictures as PNG: plotters' bitmap backend rasterises, the `png` crate encodes.

use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::Color as _;
use plotters::style::{RGBAColor, RGBColor};

use super::palette::level_color;
use super::scene::{Anchor, Area, Dash, Ink, Rgb, Scene, Shape, Stroke, Text, WIDTH};
use super::text::Fonts;

/// Pixels a unit: pictures are 1,200 pixels wide.
pub(crate) const SCALE: f64 = 1.5;

/// An error's text; the caller knows the file.
type Failure = String;

/// The picture as the bytes of a PNG file.
pub(crate) fn encode(scene: &Scene, fonts: &Fonts) -> Result<Vec<u8>, Failure> {
    let (width, height) = (pixels(WIDTH).unsigned_abs(), pixels(scene.height).unsigned_abs().max(1));
    let mut buffer = vec![0xff; width as usize * height as usize * 3];
    {
        let backend = BitMapBackend::with_buffer(&mut buffer, (width, height));
        let mut painter = Painter { backend, fonts };
        for shape in &scene.shapes {
            painter.shape(shape)?;
        }
        painter.backend.present().map_err(|error| error.to_string())?;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    writer.write_image_data(&buffer).map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(bytes)
}

struct Painter<'a> {
    backend: BitMapBackend<'a>,
    fonts: &'a Fonts,
}

type Drawn = Result<(), Failure>;

impl Painter<'_> {
    fn shape(&mut self, shape: &Shape) -> Drawn {
        match shape {
            Shape::Rect { area, fill, border, .. } => {
                self.fill(*area, color(*fill), 1.0)?;
                border.map_or(Ok(()), |ink| self.border(*area, color(ink)))
            }
            Shape::Line { points, stroke } => self.line(points, *stroke),
            Shape::Under { points, base, fill } => self.under(points, *base, color(*fill)),
            Shape::Band { upper, lower, fill } => self.band(upper, lower, color(*fill)),
            Shape::Cells { area, columns, levels } => self.cells(*area, *columns, levels),
            Shape::Text(text) => self.text(text),
        }
    }

    /// A rectangle from one pixel to just before another.
    fn rect(&mut self, from: (i32, i32), to: (i32, i32), color: &RGBAColor, fill: bool) -> Drawn {
        // plotters leaves the last row and column out of a filled rectangle, but not out of an outline.
        let to = if fill { to } else { (to.0 - 1, to.1 - 1) };
        self.backend.draw_rect(from, to, color, fill).map_err(|error| error.to_string())
    }

    /// Fills whole pixels; what is thinner than a pixel is drawn as one.
    fn fill(&mut self, area: Area, color: RGBColor, alpha: f64) -> Drawn {
        let (left, top) = (pixels(area.x), pixels(area.y));
        let (right, bottom) = (pixels(area.right()).max(left + 1), pixels(area.bottom()).max(top + 1));
        self.rect((left, top), (right, bottom), &color.mix(alpha), true)
    }

    fn border(&mut self, area: Area, color: RGBColor) -> Drawn {
        let (left, top) = (pixels(area.x), pixels(area.y));
        let (right, bottom) = (pixels(area.right()), pixels(area.bottom()));
        // Bars of a pixel or two would be all border.
        if right - left < 4 || bottom - top < 4 {
            return Ok(());
        }
        self.rect((left, top), (right, bottom), &color.mix(1.0), false)
    }

    fn line(&mut self, points: &[(f64, f64)], stroke: Stroke) -> Drawn {
        let color = color(stroke.ink);
        for (from, to) in strokes(points, stroke) {
            let straight = (from.0 - to.0).abs() < 0.01 || (from.1 - to.1).abs() < 0.01;
            if straight {
                self.straight(from, to, stroke, color)?;
            } else {
                let width = pixels(stroke.width).max(1).unsigned_abs();
                let (from, to) = ((pixels(from.0), pixels(from.1)), (pixels(to.0), pixels(to.1)));
                self.backend
                    .draw_line(from, to, &color.stroke_width(width))
                    .map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// A horizontal or vertical line, of the same number of pixels wherever it lies.
    fn straight(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke, color: RGBColor) -> Drawn {
        let width = pixels(stroke.width).max(1);
        // Ends reach half a width further along the line, so that corners close; dashes stay as they are.
        let cap = if stroke.dash == Dash::Solid { width / 2 } else { 0 };
        let edge = |at: f64| whole((at * SCALE - f64::from(width) / 2.0).round());
        let (from, to) = ((from.0.min(to.0), from.1.min(to.1)), (from.0.max(to.0), from.1.max(to.1)));
        let (start, end) = if to.1 - from.1 < 0.01 {
            ((pixels(from.0) - cap, edge(from.1)), (pixels(to.0) + cap, edge(from.1) + width))
        } else {
            ((edge(from.0), pixels(from.1) - cap), (edge(from.0) + width, pixels(to.1) + cap))
        };
        self.rect(start, (end.0.max(start.0 + 1), end.1.max(start.1 + 1)), &color.mix(1.0), true)
    }

    fn under(&mut self, points: &[(f64, f64)], base: f64, color: RGBColor) -> Drawn {
        for pair in points.windows(2) {
            let (left, right) = (pixels(pair[0].0), pixels(pair[1].0));
            let (top, bottom) = (pixels(pair[0].1.max(pair[1].1)), pixels(base));
            if right > left && bottom > top {
                self.rect((left, top), (right, bottom), &color.mix(0.16), true)?;
            }
        }
        Ok(())
    }

    /// Column by column, so that no pixel is covered twice.
    fn band(&mut self, upper: &[(f64, f64)], lower: &[(f64, f64)], color: RGBColor) -> Drawn {
        for (above, below) in upper.windows(2).zip(lower.windows(2)) {
            let (left, right) = (pixels(above[0].0), pixels(above[1].0));
            let at = |pair: &[(f64, f64)], share: f64| pair[0].1 + (pair[1].1 - pair[0].1) * share;
            for x in left..right {
                let share = (f64::from(x - left) + 0.5) / f64::from(right - left);
                let (top, bottom) = (pixels(at(above, share)), pixels(at(below, share)));
                if bottom > top {
                    self.rect((x, top), (x + 1, bottom), &color.mix(0.16), true)?;
                }
            }
        }
        Ok(())
    }

    fn cells(&mut self, area: Area, columns: usize, levels: &[u8]) -> Drawn {
        if columns == 0 || levels.is_empty() {
            return Ok(());
        }
        let rows = levels.len() / columns;
        let (w, h) = (area.w / columns as f64, area.h / rows as f64);
        for (row, line) in levels.chunks_exact(columns).enumerate() {
            let mut column = 0;
            for run in line.chunk_by(PartialEq::eq) {
                let Rgb(r, g, b) = level_color(run[0]);
                let (x, y) = (area.x + column as f64 * w, area.y + row as f64 * h);
                self.fill(Area::new(x, y, run.len() as f64 * w, h), RGBColor(r, g, b), 1.0)?;
                column += run.len();
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &Text) -> Drawn {
        let size = text.size * SCALE;
        let shift = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -self.fonts.width(&text.text, size, text.bold) / 2.0,
            Anchor::End => -self.fonts.width(&text.text, size, text.bold),
        };
        let (x, y) = (text.x * SCALE, text.y * SCALE);
        // The start of the text along its direction: a whole pixel here, the rest of it as an offset.
        let along = if text.upright { -y } else { x } + shift;
        let color = color(text.ink);
        let mut covered = Vec::new();
        self.fonts.coverage(&text.text, size, text.bold, along - along.floor(), |pixel| covered.push(pixel));
        let (start, across) = (whole(along.floor()), whole(if text.upright { x } else { y }));
        for (column, row, cover) in covered {
            let at =
                if text.upright { (across + row, -(start + column)) } else { (start + column, across + row) };
            let ink = color.mix(f64::from(cover.min(1.0))).to_backend_color();
            self.backend.draw_pixel(at, ink).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// The straight pieces to draw of a line, dashes taken apart.
fn strokes(points: &[(f64, f64)], stroke: Stroke) -> Vec<((f64, f64), (f64, f64))> {
    let pattern = stroke.dash.pattern();
    let segments = points.windows(2).map(|pair| (pair[0], pair[1]));
    if pattern.is_empty() {
        return segments.collect();
    }
    let mut pieces = Vec::new();
    let (mut index, mut left) = (0, pattern[0] * stroke.width);
    for (from, to) in segments {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).sqrt();
        let mut done = 0.0;
        while done < length {
            let step = left.min(length - done);
            let at = |along: f64| (from.0 + dx * along / length, from.1 + dy * along / length);
            if index % 2 == 0 && step > 0.0 {
                pieces.push((at(done), at(done + step)));
            }
            done += step;
            left -= step;
            if left <= 1e-9 {
                index = (index + 1) % pattern.len();
                left = pattern[index] * stroke.width;
            }
        }
    }
    pieces
}

fn color(ink: Ink) -> RGBColor {
    match ink {
        Ink::Text => RGBColor(0x1b, 0x1f, 0x24),
        Ink::Muted => RGBColor(0x57, 0x60, 0x6a),
        Ink::Grid => RGBColor(0xdf, 0xe3, 0xe8),
        Ink::Ground => RGBColor(0xff, 0xff, 0xff),
        Ink::Fixed(Rgb(r, g, b)) => RGBColor(r, g, b),
    }
}

fn pixels(units: f64) -> i32 {
    whole((units * SCALE).round())
}

/// A float as a pixel index; what is not finite lands at 0.
fn whole(value: f64) -> i32 {
    value.clamp(-1e6, 1e6) as i32
}
