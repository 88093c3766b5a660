//! Colours that people with colour-vision deficiencies can tell apart.

use plotters::style::colors::colormaps::ViridisRGB;

use super::scene::{Dash, Ink, Rgb, Stroke};

/// Okabe and Ito's palette (Color Universal Design, 2008) without its yellow, which is lost on white.
pub(crate) const BLUE: Rgb = Rgb(0x00, 0x72, 0xb2);
pub(crate) const VERMILLION: Rgb = Rgb(0xd5, 0x5e, 0x00);
pub(crate) const GREEN: Rgb = Rgb(0x00, 0x9e, 0x73);
pub(crate) const ORANGE: Rgb = Rgb(0xe6, 0x9f, 0x00);
pub(crate) const PURPLE: Rgb = Rgb(0xcc, 0x79, 0xa7);
pub(crate) const SKY: Rgb = Rgb(0x56, 0xb4, 0xe9);
pub(crate) const GREY: Rgb = Rgb(0x8a, 0x91, 0x99);

/// The stroke of the `index`-th series: colour and dash both change from one to the next, and since their numbers
/// are coprime, the first 28 series differ.
pub(crate) fn series(index: usize) -> Stroke {
    const INKS: [Ink; 7] = [
        Ink::Fixed(BLUE),
        Ink::Fixed(VERMILLION),
        Ink::Fixed(GREEN),
        Ink::Text,
        Ink::Fixed(PURPLE),
        Ink::Fixed(ORANGE),
        Ink::Fixed(SKY),
    ];
    const DASHES: [Dash; 4] = [Dash::Solid, Dash::Dashed, Dash::Mixed, Dash::Dotted];
    Stroke { ink: INKS[index % INKS.len()], width: 2.0, dash: DASHES[index % DASHES.len()] }
}

/// Steps of the colour map of loads.
pub(crate) const LEVELS: u8 = 64;

/// The level of a load between 0 and 1; what is not a number counts as 0.
pub(crate) fn level(load: f64) -> u8 {
    let load = if load.is_finite() { load.clamp(0.0, 1.0) } else { 0.0 };
    (load * f64::from(LEVELS - 1)).round() as u8
}

/// The colour of a level: viridis, which is perceptually uniform and reads in grey too.
pub(crate) fn level_color(level: u8) -> Rgb {
    use plotters::style::colors::colormaps::ColorMap as _;
    let color = ViridisRGB.get_color(f64::from(level) / f64::from(LEVELS - 1));
    Rgb(color.0, color.1, color.2)
}
