//! Pictures as SVG.
//!
//! Written here and not by plotters' SVG backend, which rounds to whole units, takes 110 bytes for a cell of a heat
//! map, and knows neither notes on hovering nor themes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::palette::level_color;
use super::scene::{Anchor, Area, Dash, Ink, Rgb, Scene, Shape, Stroke, Text, WIDTH};
use crate::escape::escaped;

/// Where an SVG is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file of its own: white ground, fixed colours.
    File,
    /// Inside the page, whose style sheet colours the roles.
    Page,
}

/// The picture's markup.
pub(crate) fn markup(scene: &Scene, place: Place) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_scene(&mut out, scene, place);
    out
}

fn write_scene(out: &mut String, scene: &Scene, place: Place) -> std::fmt::Result {
    let height = num(scene.height);
    let namespace = match place {
        Place::File => format!(" xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\""),
        Place::Page => String::new(),
    };
    write!(
        out,
        "<svg{namespace} viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\" font-family=\"DejaVu Sans,Verdana,Arial,sans-serif\" font-size=\"12\">",
        escaped(&scene.description)
    )?;
    if place == Place::File {
        write!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")?;
    }
    for shape in &scene.shapes {
        match shape {
            Shape::Rect { area, fill, border, note } => {
                rect(out, *area, *fill, *border, note.as_deref(), place)
            }
            Shape::Line { points, stroke } => line(out, points, *stroke, place),
            Shape::Under { points, base, fill } => under(out, points, *base, *fill, place),
            Shape::Band { upper, lower, fill } => band(out, upper, lower, *fill, place),
            Shape::Cells { area, columns, levels } => cells(out, *area, *columns, levels),
            Shape::Text(text) => write_text(out, text, place),
        }?;
        out.push('\n');
    }
    out.push_str("</svg>\n");
    Ok(())
}

fn rect(
    out: &mut String,
    area: Area,
    fill: Ink,
    border: Option<Ink>,
    note: Option<&str>,
    place: Place,
) -> std::fmt::Result {
    write!(
        out,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}",
        num(area.x),
        num(area.y),
        num(area.w),
        num(area.h),
        paint("fill", fill, place)
    )?;
    if let Some(border) = border {
        write!(out, "{} stroke-width=\".6\"", paint("stroke", border, place))?;
    }
    match note {
        Some(note) => write!(out, "><title>{}</title></rect>", escaped(note)),
        None => write!(out, "/>"),
    }
}

fn line(out: &mut String, points: &[(f64, f64)], stroke: Stroke, place: Place) -> std::fmt::Result {
    write!(out, "<path d=\"{}\" fill=\"none\"", path(points))?;
    write!(out, "{} stroke-width=\"{}\"", paint("stroke", stroke.ink, place), num(stroke.width))?;
    if stroke.dash != Dash::Solid {
        let pattern: Vec<_> = stroke.dash.pattern().iter().map(|length| num(length * stroke.width)).collect();
        write!(out, " stroke-dasharray=\"{}\"", pattern.join(" "))?;
    }
    out.push_str("/>");
    Ok(())
}

fn under(out: &mut String, points: &[(f64, f64)], base: f64, fill: Ink, place: Place) -> std::fmt::Result {
    let Some(first) = points.first() else { return Ok(()) };
    let d = format!("{}V{}H{}Z", path(points), num(base), num(first.0));
    write!(out, "<path d=\"{d}\"{} fill-opacity=\".16\"/>", paint("fill", fill, place))
}

fn band(
    out: &mut String,
    upper: &[(f64, f64)],
    lower: &[(f64, f64)],
    fill: Ink,
    place: Place,
) -> std::fmt::Result {
    let around: Vec<_> = upper.iter().chain(lower.iter().rev()).copied().collect();
    write!(out, "<path d=\"{}Z\"{} fill-opacity=\".16\"/>", path(&around), paint("fill", fill, place))
}

/// One path a level, its cells merged along rows.
fn cells(out: &mut String, area: Area, columns: usize, levels: &[u8]) -> std::fmt::Result {
    if columns == 0 || levels.is_empty() {
        return Ok(());
    }
    let rows = levels.len() / columns;
    let (w, h) = (area.w / columns as f64, area.h / rows as f64);
    let mut paths: BTreeMap<u8, String> = BTreeMap::new();
    for (row, line) in levels.chunks_exact(columns).enumerate() {
        let mut column = 0;
        for run in line.chunk_by(PartialEq::eq) {
            let d = paths.entry(run[0]).or_default();
            write!(d, "M{} {}h{}v{}h-{}z", num(column as f64), row, run.len(), 1, run.len())?;
            column += run.len();
        }
    }
    // Whole cell numbers are short; the transform turns them into units. Crisp edges leave no seams.
    write!(
        out,
        "<g transform=\"translate({} {}) scale({} {})\" shape-rendering=\"crispEdges\">",
        num(area.x),
        num(area.y),
        fine(w),
        fine(h)
    )?;
    for (level, d) in paths {
        write!(out, "<path fill=\"{}\" d=\"{d}\"/>", hex(level_color(level)))?;
    }
    out.push_str("</g>");
    Ok(())
}

fn write_text(out: &mut String, text: &Text, place: Place) -> std::fmt::Result {
    let (x, y) = (num(text.x), num(text.y));
    write!(out, "<text x=\"{x}\" y=\"{y}\"{}", paint("fill", text.ink, place))?;
    match text.anchor {
        Anchor::Start => {}
        Anchor::Middle => out.push_str(" text-anchor=\"middle\""),
        Anchor::End => out.push_str(" text-anchor=\"end\""),
    }
    if (text.size - 12.0).abs() > f64::EPSILON {
        write!(out, " font-size=\"{}\"", num(text.size))?;
    }
    if text.bold {
        out.push_str(" font-weight=\"bold\"");
    }
    if text.upright {
        write!(out, " transform=\"rotate(-90 {x} {y})\"")?;
    }
    write!(out, ">{}</text>", escaped(&text.text))
}

/// Path data; horizontal and vertical steps take the short commands.
fn path(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    let mut last: Option<(String, String)> = None;
    for &(x, y) in points {
        let (x, y) = (num(x), num(y));
        match &last {
            None => d.push_str(&format!("M{x} {y}")),
            Some((lx, ly)) if *lx == x && *ly == y => {}
            Some((_, ly)) if *ly == y => d.push_str(&format!("H{x}")),
            Some((lx, _)) if *lx == x => d.push_str(&format!("V{y}")),
            Some(_) => d.push_str(&format!("L{x} {y}")),
        }
        last = Some((x, y));
    }
    d
}

/// The attribute that paints: a class in the page, a colour in a file.
fn paint(attribute: &str, ink: Ink, place: Place) -> String {
    let (role, color) = match ink {
        Ink::Fixed(color) => return format!(" {attribute}=\"{}\"", hex(color)),
        Ink::Text => ("text", Rgb(0x1b, 0x1f, 0x24)),
        Ink::Muted => ("muted", Rgb(0x57, 0x60, 0x6a)),
        Ink::Grid => ("grid", Rgb(0xdf, 0xe3, 0xe8)),
        Ink::Ground => ("ground", Rgb(0xff, 0xff, 0xff)),
    };
    match place {
        Place::File => format!(" {attribute}=\"{}\"", hex(color)),
        Place::Page => format!(" {attribute}=\"var(--{role})\""),
    }
}

fn hex(Rgb(r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A coordinate to a hundredth of a unit.
fn num(value: f64) -> String {
    crate::format::trimmed(value, 2)
}

/// A scale factor, finer.
fn fine(value: f64) -> String {
    crate::format::trimmed(value, 6)
}

/// A short sample of a stroke for use in text on the page; what it stands for is written beside it.
pub(crate) fn key(stroke: Stroke) -> String {
    let mut out =
        "<svg class=\"key\" viewBox=\"0 0 26 8\" width=\"26\" height=\"8\" aria-hidden=\"true\">".to_owned();
    let wide = Stroke { width: 3.0, ..stroke };
    // Writing to a string cannot fail.
    let _ = line(&mut out, &[(0.0, 4.0), (26.0, 4.0)], wide, Place::Page);
    out + "</svg>"
}
