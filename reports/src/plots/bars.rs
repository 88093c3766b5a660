//! Strategies against a bound: makespan and mean turnaround as bars.

use cloudai_sim::result::{Comparison, Metrics};

use super::axis::{self, Axis, Frame, Sample};
use super::palette::{BLUE, ORANGE, VERMILLION};
use super::scene::{Anchor, Area, Dash, Ink, Scene, Shape, Stroke, WIDTH};
use super::text::Fonts;
use crate::analysis;
use crate::format::{TimeUnit, decimals_for, fixed};

const ROW: f64 = 30.0;
const BAR: f64 = 18.0;
/// Space right of the longest bar for its value.
const VALUE_SPACE: f64 = 150.0;

/// What a chart of bars shows.
struct Subject {
    title: &'static str,
    quantity: &'static str,
    value: fn(&Metrics) -> Option<f64>,
    bound: fn(&Metrics) -> Option<f64>,
}

/// Makespans against their bound.
pub(crate) fn makespan(comparison: &Comparison, fonts: &Fonts) -> Scene {
    let subject = Subject {
        title: "Makespan against its lower bound",
        quantity: "Makespan",
        value: |metrics| metrics.makespan_s,
        bound: |metrics| metrics.lower_bound_s,
    };
    draw(comparison, &subject, fonts)
}

/// Mean turnarounds against their bound.
pub(crate) fn turnaround(comparison: &Comparison, fonts: &Fonts) -> Scene {
    let subject = Subject {
        title: "Mean turnaround against its lower bound",
        quantity: "Mean turnaround",
        value: |metrics| metrics.mean_turnaround_s,
        bound: |metrics| metrics.mean_turnaround_bound_s,
    };
    draw(comparison, &subject, fonts)
}

fn draw(comparison: &Comparison, subject: &Subject, fonts: &Fonts) -> Scene {
    let mut scene = Scene::new(format!("{}, one bar a strategy.", subject.title));
    let value = |metrics: &Metrics| (subject.value)(metrics).filter(|v| v.is_finite() && *v >= 0.0);
    let bound = analysis::bound(comparison, subject.bound);
    let baseline = analysis::baseline(comparison).map(|result| result.spec.as_str());

    let mut legend = vec![(Sample::Box(Ink::Fixed(BLUE)), "strategy".to_owned())];
    if let Some(spec) = baseline {
        legend.push((Sample::Box(Ink::Fixed(ORANGE)), format!("baseline ({spec})")));
    }
    let bound_stroke = Stroke { ink: Ink::Fixed(VERMILLION), width: 2.0, dash: Dash::Solid };
    if bound.is_some() {
        legend.push((Sample::Line(bound_stroke), "bound: no schedule can be below".to_owned()));
    }
    let frame = Frame {
        title: subject.title.to_owned(),
        subtitle: "Shorter is better; × is the multiple of the bound.".to_owned(),
        legend,
        fonts,
    };
    let top = frame.head(&mut scene);

    let widest = comparison.strategies.iter().map(|s| fonts.width(&s.spec, 12.0, false)).fold(0.0, f64::max);
    let left = (widest + 28.0).clamp(62.0, 250.0);
    let height = (comparison.strategies.len() as f64 * ROW).max(ROW * 2.0);
    let area = Area::new(left, top, WIDTH - left - VALUE_SPACE, height);
    let values = || comparison.strategies.iter().filter_map(|s| value(&s.metrics)).chain(bound);
    let x = Axis::time(0.0, values().fold(0.0, f64::max), subject.quantity, 6);
    axis::horizontal(&mut scene, area, &x, true);

    let unit = TimeUnit::for_all(values());
    let decimals = decimals_for(values().map(|v| v / unit.seconds()));
    for (i, result) in comparison.strategies.iter().enumerate() {
        let y = area.y + i as f64 * ROW;
        let middle = y + ROW / 2.0 + 4.0;
        let name = fonts.fitted(&result.spec, 12.0, left - 24.0);
        scene.text(left - 8.0, middle, name, Ink::Text, Anchor::End);
        let Some(value) = value(&result.metrics) else {
            scene.text(area.x + 6.0, middle, "not applicable", Ink::Muted, Anchor::Start);
            continue;
        };
        let length = x.share(value) * area.w;
        let fill = if Some(result.spec.as_str()) == baseline { ORANGE } else { BLUE };
        let place = Area::new(area.x, y + (ROW - BAR) / 2.0, length.max(0.7), BAR);
        scene.shapes.push(Shape::Rect { area: place, fill: Ink::Fixed(fill), border: None, note: None });
        let gap =
            bound.filter(|b| *b > 0.0).map_or_else(String::new, |b| format!(" · {}×", fixed(value / b, 2)));
        let text = format!("{} {}{gap}", fixed(value / unit.seconds(), decimals), unit.symbol());
        scene.text(area.x + length + 8.0, middle, text, Ink::Text, Anchor::Start);
    }
    if let Some(bound) = bound {
        let at = area.x + x.share(bound) * area.w;
        // A pale edge keeps the line apart from the bars it crosses.
        scene.line(vec![(at, area.y), (at, area.bottom())], Stroke::solid(Ink::Ground, 4.0));
        scene.line(vec![(at, area.y), (at, area.bottom())], bound_stroke);
    }
    scene.line(vec![(area.x, area.y), (area.x, area.bottom())], Stroke::solid(Ink::Muted, 0.8));
    scene
}
