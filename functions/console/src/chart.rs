//! Charts as SVG that follows the theme, each a figure with its numbers as a table.
//!
//! Widths are in percent, so that text keeps its size on a telephone; heights are in pixels. Everything is computed in integers.

use maud::{Markup, html};

use crate::lang::Lang;

/// Height of the plot, in pixels, without the labels of its axis.
const HEIGHT: i128 = 180;
/// Room above the plot for the topmost label, in pixels.
const ABOVE: i128 = 18;
/// Most days that get a mark of their own; of more, the latest are shown.
const MOST_POINTS: usize = 366;
/// Most rows of a chart of horizontal bars; more are a table only. Source: ux.md §2.
const MOST_ROWS: usize = 12;

/// What a chart says in words.
#[derive(Clone, Debug)]
pub struct Caption<'a> {
    /// Its id in the page, letters and hyphens.
    pub id: &'a str,
    /// The finding or the question.
    pub title: String,
    /// Unit and period.
    pub unit: String,
    /// What the first column of the table is.
    pub first: &'a str,
    /// What the second is.
    pub second: &'a str,
}

/// A value at a place of the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// As the table says it, such as a day.
    pub label: String,
    /// As the axis says it.
    pub tick: String,
    /// How much.
    pub value: i128,
    /// The same for people.
    pub text: String,
}

/// Bars side by side, one for each day.
pub fn bars(
    caption: &Caption<'_>,
    points: &[Point],
    axis: &impl Fn(i128) -> String,
    lang: Lang,
) -> Markup {
    let points = latest(points);
    let top = ceiling(points.iter().map(|point| point.value).max().unwrap_or(0));
    let slots = int(points.len()).max(1);
    let body = html! {
        (grid(top, axis))
        @for (index, point) in points.iter().enumerate() {
            @let height = scaled(point.value, top);
            @let slot = 100_000 / slots;
            // Two hundredths of a slot on either side, at least, are left empty.
            @let x = int(index) * 100_000 / slots + slot / 10;
            @if height > 0 {
                rect .bar-1 x=(percent(x)) y=(ABOVE + HEIGHT - height) width=(percent(slot * 8 / 10)) height=(height) rx="1" {
                    title { (point.label) ": " (point.text) }
                }
            }
        }
        (ticks(points))
    };
    figure(caption, &body, points, lang)
}

/// A line that climbs day by day, with its bound as a dashed line if there is one.
pub fn steps(
    caption: &Caption<'_>,
    points: &[Point],
    bound: Option<&(i128, String)>,
    axis: &impl Fn(i128) -> String,
    lang: Lang,
) -> Markup {
    let points = latest(points);
    let most = points.iter().map(|point| point.value).max().unwrap_or(0);
    let most = most.max(bound.map_or(0, |(value, _)| *value));
    let top = ceiling(most);
    let slots = int(points.len()).max(1);
    let y = |value: i128| ABOVE + HEIGHT - scaled(value, top);
    let before = |index: usize| {
        let index = index.checked_sub(1)?;
        points.get(index).map(|point| point.value)
    };
    let body = html! {
        (grid(top, axis))
        @for (index, point) in points.iter().enumerate() {
            @let from = int(index) * 100_000 / slots;
            @let to = (int(index) + 1) * 100_000 / slots;
            @let height = scaled(point.value, top);
            rect .area-1 x=(percent(from)) y=(y(point.value)) width=(percent(to - from)) height=(height) {
                title { (point.label) ": " (point.text) }
            }
            line .line-1 x1=(percent(from)) x2=(percent(to)) y1=(y(point.value)) y2=(y(point.value)) {}
            @if let Some(before) = before(index) {
                line .line-1 x1=(percent(from)) x2=(percent(from)) y1=(y(before)) y2=(y(point.value)) {}
            }
        }
        @if let Some((value, label)) = bound {
            line .bound x1="0%" x2="100%" y1=(y(*value)) y2=(y(*value)) {}
            text .label .end x="100%" y=(y(*value) - 5) { (label) }
        }
        (ticks(points))
    };
    figure(caption, &body, points, lang)
}

/// A named value with a remark beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub label: String,
    /// How much.
    pub value: i128,
    /// The same for people, with what else belongs beside it.
    pub text: String,
}

/// Horizontal bars in the order given; more than twelve are a table only.
pub fn horizontal(caption: &Caption<'_>, rows: &[Row], lang: Lang) -> Markup {
    let points: Vec<Point> = rows
        .iter()
        .map(|row| Point {
            label: row.label.clone(),
            tick: String::new(),
            value: row.value,
            text: row.text.clone(),
        })
        .collect();
    if rows.is_empty() || rows.len() > MOST_ROWS {
        return html! { figure .chart { (words(caption)) (table(caption, &points)) } };
    }
    let most = rows.iter().map(|row| row.value).max().unwrap_or(0).max(1);
    let height = int(rows.len()) * 44;
    html! {
        figure .chart {
            (words(caption))
            svg role="img" aria-labelledby=(format!("{0}-title {0}-unit", caption.id)) width="100%" height=(height) {
                @for (index, row) in rows.iter().enumerate() {
                    @let y = int(index) * 44;
                    @let width = row.value.max(0).saturating_mul(100_000) / most;
                    text .label x="0%" y=(y + 14) { (clipped(&row.label)) }
                    text .label .end .strong x="100%" y=(y + 14) { (row.text) }
                    rect .bar-ground x="0%" y=(y + 21) width="100%" height="12" rx="2" {}
                    @if width > 0 { rect .bar-1 x="0%" y=(y + 21) width=(percent(width.max(400))) height="12" rx="2" {} }
                }
            }
            (details(caption, &points, lang))
        }
    }
}

/// An arm's rate with its interval, in hundred-thousandths (`11_700` is 11.7 %).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The arm.
    pub label: String,
    /// Lower end.
    pub low: i128,
    /// The rate.
    pub rate: i128,
    /// Upper end.
    pub high: i128,
    /// All three for people.
    pub text: String,
    /// Whether it is the hold-out, with which the others are compared.
    pub holdout: bool,
}

/// Dots with 95 % intervals from zero, the hold-out first and as a vertical line.
pub fn intervals(caption: &Caption<'_>, arms: &[Interval], lang: Lang) -> Markup {
    let (first, others): (Vec<&Interval>, Vec<&Interval>) =
        arms.iter().partition(|arm| arm.holdout);
    let arms: Vec<&Interval> = first.into_iter().chain(others).collect();
    let points: Vec<Point> = arms
        .iter()
        .map(|arm| Point {
            label: arm.label.clone(),
            tick: String::new(),
            value: arm.rate,
            text: arm.text.clone(),
        })
        .collect();
    let most = arms.iter().map(|arm| arm.high).max().unwrap_or(0);
    // In steps of five points, at most all.
    let top = ((most / 5_000 + 1) * 5_000).clamp(5_000, 100_000);
    // The last twentieth stays free, so that no mark is cut off.
    let x = |value: i128| percent(value.clamp(0, top).saturating_mul(95_000) / top + 1_500);
    let height = int(arms.len()) * 52 + 24;
    let body = html! {
        @for step in 0..=4 {
            @let value = top * step / 4;
            line .grid x1=(x(value)) x2=(x(value)) y1="0" y2=(height - 20) {}
            text .tick .middle x=(x(value)) y=(height - 4) { (value / 1_000) "." (value % 1_000 / 100) "%" }
        }
        @if let Some(holdout) = arms.iter().find(|arm| arm.holdout) {
            line .reference x1=(x(holdout.rate)) x2=(x(holdout.rate)) y1="0" y2=(height - 20) {}
        }
        @for (index, arm) in arms.iter().enumerate() {
            @let y = int(index) * 52;
            @let class = if arm.holdout { "holdout".to_owned() } else { format!("series-{}", index.clamp(1, 4)) };
            text .label x="1.5%" y=(y + 14) { (clipped(&arm.label)) }
            text .label .end .strong x="100%" y=(y + 14) { (arm.text) }
            g .interval .(class) {
                line x1=(x(arm.low)) x2=(x(arm.high)) y1=(y + 32) y2=(y + 32) {}
                line x1=(x(arm.low)) x2=(x(arm.low)) y1=(y + 26) y2=(y + 38) {}
                line x1=(x(arm.high)) x2=(x(arm.high)) y1=(y + 26) y2=(y + 38) {}
                circle cx=(x(arm.rate)) cy=(y + 32) r="6" {}
            }
        }
    };
    html! {
        figure .chart {
            (words(caption))
            svg role="img" aria-labelledby=(format!("{0}-title {0}-unit", caption.id)) width="100%" height=(height) { (body) }
            (details(caption, &points, lang))
        }
    }
}

fn latest(points: &[Point]) -> &[Point] {
    let first = points.len().saturating_sub(MOST_POINTS);
    points.get(first..).unwrap_or_default()
}

fn int(count: usize) -> i128 {
    i128::try_from(count).unwrap_or(i128::MAX)
}

/// Thousandths of a percent as SVG writes it.
fn percent(thousandths: i128) -> String {
    format!("{}.{:03}%", thousandths / 1_000, thousandths % 1_000)
}

/// The height of a value, in pixels; what is there is seen.
fn scaled(value: i128, top: i128) -> i128 {
    let height = value.max(0).saturating_mul(HEIGHT) / top.max(1);
    if value > 0 {
        height.clamp(2, HEIGHT)
    } else {
        0
    }
}

/// The least of 1, 2, 4, 5, 8 times a power of ten that is no less, and can be halved twice or is small: four lines of the grid are whole numbers.
fn ceiling(most: i128) -> i128 {
    let mut scale: i128 = 1;
    loop {
        for step in [4, 8, 12, 20, 28] {
            let top = scale.saturating_mul(step);
            if top >= most {
                return top;
            }
        }
        if scale > i128::MAX / 1_000 {
            return i128::MAX / HEIGHT / 2;
        }
        scale = scale.saturating_mul(10);
    }
}

fn grid(top: i128, axis: &impl Fn(i128) -> String) -> Markup {
    html! {
        @for step in 0..=4_i128 {
            @let y = ABOVE + HEIGHT - HEIGHT * step / 4;
            line .grid x1="0%" x2="100%" y1=(y) y2=(y) {}
            @if step % 2 == 0 && step > 0 { text .tick x="0%" y=(y - 4) { (axis(top * step / 4)) } }
        }
    }
}

/// At most six labels below the axis, the first and the last among them.
fn ticks(points: &[Point]) -> Markup {
    let slots = int(points.len()).max(1);
    let every = (points.len().saturating_sub(1) / 5).max(1);
    let last = points.len().saturating_sub(1);
    let y = ABOVE + HEIGHT + 16;
    let shown = |index: usize| {
        index == last
            || (index.is_multiple_of(every)
                && last - index >= every.div_ceil(2)
                && index + every <= last + every / 2)
    };
    html! {
        @for (index, point) in points.iter().enumerate().filter(|(index, _)| shown(*index)) {
            @let class = if points.len() == 1 { "middle" } else if index == 0 { "" } else if index == last { "end" } else { "middle" };
            @let x = match class { "" => 0, "end" => 100_000, _ => (2 * int(index) + 1) * 50_000 / slots };
            text .tick .(class) x=(percent(x)) y=(y) { (point.tick) }
        }
    }
}

fn figure(caption: &Caption<'_>, body: &Markup, points: &[Point], lang: Lang) -> Markup {
    let height = ABOVE + HEIGHT + 22;
    html! {
        figure .chart {
            (words(caption))
            @if points.is_empty() {
                p .empty-chart { (lang.pick("まだデータがありません", "No data yet")) }
            } @else {
                svg role="img" aria-labelledby=(format!("{0}-title {0}-unit", caption.id)) width="100%" height=(height) { (body) }
                (details(caption, points, lang))
            }
        }
    }
}

fn words(caption: &Caption<'_>) -> Markup {
    html! {
        figcaption {
            span .chart-title #(format!("{}-title", caption.id)) { (caption.title) }
            span .chart-unit #(format!("{}-unit", caption.id)) { (caption.unit) }
        }
    }
}

fn details(caption: &Caption<'_>, points: &[Point], lang: Lang) -> Markup {
    html! {
        details { summary { (lang.pick("表で見る", "Show as table")) } (table(caption, points)) }
    }
}

fn table(caption: &Caption<'_>, points: &[Point]) -> Markup {
    html! {
        div .scroll tabindex="0" role="group" aria-label=(caption.title) {
            table .plain-table {
                caption .hidden { (caption.title) " (" (caption.unit) ")" }
                thead { tr { th scope="col" { (caption.first) } th .right scope="col" { (caption.second) } } }
                tbody { @for point in points {
                    tr { th scope="row" { bdi { (point.label) } } td .right { (point.text) } }
                } }
            }
        }
    }
}

/// A label that leaves room for the figure beside it; the table has it whole.
fn clipped(label: &str) -> String {
    const MOST: usize = 28;
    let mut symbols = label.chars();
    let short: String = symbols.by_ref().take(MOST).collect();
    if symbols.next().is_some() {
        format!("{short}…")
    } else {
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTION: Caption<'_> = Caption {
        id: "c",
        title: String::new(),
        unit: String::new(),
        first: "Day",
        second: "Count",
    };

    fn points(values: &[i128]) -> Vec<Point> {
        let all = values.iter().enumerate();
        all.map(|(index, value)| Point {
            label: format!("day {index}"),
            tick: format!("{index}"),
            value: *value,
            text: value.to_string(),
        })
        .collect()
    }

    fn count(markup: &Markup, what: &str) -> usize {
        markup.0.matches(what).count()
    }

    #[test]
    fn bars_are_drawn_for_what_is_there_from_none_to_a_year_and_a_table_says_the_same() {
        let axis = |value: i128| value.to_string();
        let none = bars(&CAPTION, &[], &axis, Lang::En);
        assert!(none.0.contains("No data yet") && !none.0.contains("<svg"));
        let zero = bars(&CAPTION, &points(&[0]), &axis, Lang::En);
        assert_eq!(
            (count(&zero, "bar-1"), count(&zero, "<th scope=\"row\"")),
            (0, 1)
        );
        let some = bars(&CAPTION, &points(&[1, 0, 1_000_000]), &axis, Lang::En);
        assert_eq!(count(&some, "bar-1"), 2);
        let many = bars(&CAPTION, &points(&[7; 500]), &axis, Lang::En);
        assert_eq!(count(&many, "bar-1"), MOST_POINTS);
        assert!(
            count(&many, "class=\"tick") <= 10,
            "{}",
            count(&many, "class=\"tick")
        );
    }

    #[test]
    fn a_line_climbs_to_its_bound_which_is_drawn_and_labelled() {
        let line = steps(
            &CAPTION,
            &points(&[10, 10, 50]),
            Some(&(100, "Budget".to_owned())),
            &|value: i128| value.to_string(),
            Lang::En,
        );
        assert_eq!(
            (count(&line, "line-1"), count(&line, "class=\"bound\"")),
            (5, 1)
        );
        assert!(line.0.contains(">Budget</text>"));
        let bare = steps(
            &CAPTION,
            &points(&[0]),
            None,
            &|value: i128| value.to_string(),
            Lang::En,
        );
        assert_eq!(count(&bare, "class=\"bound\""), 0);
    }

    #[test]
    fn many_rows_are_a_table_alone_and_hostile_labels_are_text() {
        let row = |value| Row {
            label: "<script>alert(1)</script>\u{202e}".to_owned(),
            value,
            text: "\"><b>".to_owned(),
        };
        let few = horizontal(&CAPTION, &[row(3), row(0)], Lang::En);
        assert_eq!(count(&few, "bar-1"), 1);
        assert!(!few.0.contains("<script") && !few.0.contains("<b>"));
        let many = horizontal(&CAPTION, &vec![row(1); 13], Lang::En);
        assert!(!many.0.contains("<svg") && many.0.contains("<table"));
        assert!(horizontal(&CAPTION, &[], Lang::En).0.contains("<table"));
    }

    #[test]
    fn the_holdout_stands_first_and_as_the_line_of_reference() {
        let arm = |label: &str, holdout| Interval {
            label: label.to_owned(),
            low: 8_900,
            rate: 11_700,
            high: 15_100,
            text: "11.7%".to_owned(),
            holdout,
        };
        let chart = intervals(&CAPTION, &[arm("mail", false), arm("none", true)], Lang::En);
        assert!(chart.0.find(">none<").unwrap() < chart.0.find(">mail<").unwrap());
        assert_eq!(count(&chart, "class=\"reference\""), 1);
        assert_eq!(count(&chart, "<circle"), 2);
        let _ = intervals(&CAPTION, &[], Lang::En);
    }

    #[test]
    fn the_top_of_the_grid_is_no_less_than_the_most_and_whole_in_quarters() {
        for most in [
            0,
            1,
            3,
            4,
            5,
            9,
            13,
            41,
            99,
            100,
            12_345,
            i128::from(u64::MAX),
        ] {
            let top = ceiling(most);
            assert!(top >= most && top % 4 == 0 && top > 0, "{most}: {top}");
            assert!(most < 4 || top <= most.saturating_mul(2), "{most}: {top}");
        }
        assert!(ceiling(i128::MAX) > 0);
    }
}
