//! The figures of `--flat` as a small SVG: what a redemption asks and takes, over how many there are, on a logarithmic axis.

use std::fmt::Write as _;

use super::flat::{Growing, Point};
use super::times::hundredths;

/// Places of a panel, in the drawing's units.
const LEFT: [u64; 2] = [60, 440];
const BOTTOM: u64 = 250;
const HEIGHT: u64 = 200;
/// From one power of ten to the next.
const STEP: u64 = 45;
/// The largest power of ten on the axis.
const POWERS: u64 = 6;

/// One line of a panel.
struct Series<'a> {
    name: &'a str,
    colour: &'a str,
    /// How many there are, and hundredths of what is shown.
    values: Vec<(u64, u64)>,
}

/// Both panels.
pub(super) fn svg(points: &[Point]) -> String {
    let of = |growing: Growing, value: &dyn Fn(&Point) -> u64| -> Vec<(u64, u64)> {
        let some = points.iter().filter(|point| point.growing == growing);
        some.map(|point| (point.at, value(point))).collect()
    };
    let requests = |point: &Point| point.each()[0];
    let writes = |point: &Point| point.each()[2];
    let median = |point: &Point| point.median.div_euclid(10);
    let (minted, redeemed) = (Growing::Minted, Growing::Redeemed);
    let series = |name, colour, values| Series {
        name,
        colour,
        values,
    };
    let asked = [
        series("write units, codes minted", "#b3541e", of(minted, &writes)),
        series(
            "write units, redeemed before",
            "#1f6f8b",
            of(redeemed, &writes),
        ),
        series("requests, codes minted", "#e0a458", of(minted, &requests)),
        series(
            "requests, redeemed before",
            "#7fb7be",
            of(redeemed, &requests),
        ),
    ];
    let took = [
        series("p50, codes minted", "#b3541e", of(minted, &median)),
        series("p50, redeemed before", "#1f6f8b", of(redeemed, &median)),
    ];
    let mut text = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 780 360\" font-family=\"sans-serif\" font-size=\"11\">\n\
        <rect width=\"780\" height=\"360\" fill=\"#fff\"/>\n",
    );
    let [left, right] = LEFT;
    panel(
        &mut text,
        left,
        "Asked of the table by one redemption",
        &asked,
    );
    panel(
        &mut text,
        right,
        "Milliseconds of one redemption, local stack",
        &took,
    );
    text.push_str("</svg>\n");
    text
}

fn panel(text: &mut String, left: u64, title: &str, series: &[Series<'_>]) {
    let values = series.iter().flat_map(|series| &series.values);
    let most = values.map(|(_, value)| *value).max().unwrap_or_default();
    // The axis ends at a whole number above everything.
    let top = most.div_euclid(100).saturating_add(1).saturating_mul(100);
    let y = |value: u64| BOTTOM.saturating_sub(value.saturating_mul(HEIGHT).div_euclid(top));
    let x = |power: u64| left.saturating_add(power.saturating_mul(STEP));
    let right = x(POWERS);
    let _ = writeln!(
        text,
        "<text x=\"{left}\" y=\"30\" font-size=\"13\">{title}</text>"
    );
    for quarter in 0..=4_u64 {
        let value = top.saturating_mul(quarter).div_euclid(4);
        let (at, label) = (y(value), hundredths(value));
        let _ = writeln!(
            text,
            "<path d=\"M{left} {at}H{right}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>",
            left.saturating_sub(6),
            at.saturating_add(4)
        );
    }
    for power in 0..=POWERS {
        let (at, below) = (x(power), BOTTOM.saturating_add(16));
        let _ = writeln!(
            text,
            "<text x=\"{at}\" y=\"{below}\" text-anchor=\"middle\">10<tspan dy=\"-4\" font-size=\"8\">{power}</tspan></text>"
        );
    }
    for (index, series) in (0_u64..).zip(series) {
        let colour = series.colour;
        let places = series.values.iter().map(|(at, value)| {
            let power = u64::from(at.checked_ilog10().unwrap_or_default());
            (x(power), y(*value))
        });
        let places: Vec<(u64, u64)> = places.collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (x, y) in places {
            let _ = writeln!(
                text,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>"
            );
        }
        let at = BOTTOM
            .saturating_add(40)
            .saturating_add(index.saturating_mul(16));
        let _ = writeln!(
            text,
            "<text x=\"{left}\" y=\"{at}\" fill=\"{colour}\">● {}</text>",
            series.name
        );
    }
}
