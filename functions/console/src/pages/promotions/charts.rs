//! The charts of a promotion's page.

use chrono::Days;
use maud::{Markup, html};
use shared::domain::promotion::Promotion;
use shared::domain::stats::Figures;

use super::parts::Budget;
use crate::chart::{self, Caption, Point};
use crate::figures::Sums;
use crate::format::{
    count, day, money, money_in_words, money_on_axis, number, rounded, short, short_day,
};
use crate::lang::Lang;
use crate::visit::Visit;

/// Days that charts show.
const CHART_DAYS: u64 = 30;
/// Days whose pace is carried on.
const PACE_DAYS: u64 = 7;

/// Days of the charts as points of one of their figures.
fn points(
    sums: &Sums,
    lang: Lang,
    value: impl Fn(&Figures) -> i128,
    text: impl Fn(i128) -> String,
) -> Vec<Point> {
    let days = sums.days(CHART_DAYS).into_iter();
    days.map(|(on, figures)| {
        let value = value(&figures);
        Point {
            label: day(on, lang),
            tick: short_day(on, lang),
            value,
            text: text(value),
        }
    })
    .collect()
}

pub(super) fn redemptions_chart(sums: &Sums, lang: Lang) -> Markup {
    let points = points(
        sums,
        lang,
        |figures| figures.redemptions,
        |value| number(count(value)),
    );
    let caption = Caption {
        id: "redemptions",
        title: lang
            .pick(
                "1日に何回使われていますか",
                "How often is it used each day?",
            )
            .to_owned(),
        unit: lang
            .pick(
                "利用回数（回／日・取消を含む）",
                "Redemptions per day, cancelled ones included",
            )
            .to_owned(),
        first: lang.pick("日", "Day"),
        second: lang.pick("利用回数", "Redemptions"),
    };
    chart::bars(&caption, &points, &|value| short(value, lang), lang)
}

pub(super) fn discount_chart(promotion: &Promotion, sums: &Sums, lang: Lang) -> Markup {
    let currency = promotion.terms.currency;
    let points = points(
        sums,
        lang,
        |figures| figures.discount,
        |value| money(value, currency),
    );
    let caption = Caption {
        id: "discount",
        title: lang
            .pick(
                "1日にいくら割り引いていますか",
                "How much is given away each day?",
            )
            .to_owned(),
        unit: lang.pick(
            format!("割引額（{}／日・取消を除く）", currency.code()),
            format!(
                "Discount in {} per day, without cancelled orders",
                currency.code()
            ),
        ),
        first: lang.pick("日", "Day"),
        second: lang.pick("割引額", "Discount"),
    };
    chart::bars(
        &caption,
        &points,
        &|value| money_on_axis(value, currency, lang),
        lang,
    )
}

pub(super) fn burn_chart(
    promotion: &Promotion,
    budget: Budget,
    sums: &Sums,
    visit: &Visit,
) -> Markup {
    let (lang, currency) = (visit.lang, promotion.terms.currency);
    let shown = sums.days(CHART_DAYS);
    let first = shown.first().map_or(sums.from, |(day, _)| *day);
    let mut sum = sums.total().discount - sums.since(first).discount;
    let points: Vec<Point> = shown
        .into_iter()
        .map(|(on, figures)| {
            sum += figures.discount;
            Point {
                label: day(on, lang),
                tick: short_day(on, lang),
                value: sum,
                text: money(sum, currency),
            }
        })
        .collect();
    let whole = money(budget.whole.into(), currency);
    let caption = Caption {
        id: "burn",
        title: lang
            .pick("予算は足りますか", "Will the budget last?")
            .to_owned(),
        unit: lang.pick(
            format!("割引総額の累計（{}・取消を除く）", currency.code()),
            format!(
                "Discount given so far, in {}, without cancelled orders",
                currency.code()
            ),
        ),
        first: lang.pick("日", "Day"),
        second: lang.pick("累計", "So far"),
    };
    let bound = (
        i128::from(budget.whole),
        lang.pick(format!("予算 {whole}"), format!("Budget {whole}")),
    );
    html! {
        p { (pace(promotion, budget, sums, visit)) }
        (chart::steps(&caption, &points, Some(&bound), &|value| money_on_axis(value, currency, lang), lang))
    }
}

/// How long the budget lasts, in a sentence.
fn pace(promotion: &Promotion, budget: Budget, sums: &Sums, visit: &Visit) -> String {
    let (lang, today) = (visit.lang, visit.today());
    if budget.left == 0 {
        return lang
            .pick("予算に到達しました。", "The budget is used up.")
            .to_owned();
    }
    let lately = sums.since(today - Days::new(PACE_DAYS - 1)).discount;
    let left = money_in_words(budget.left.into(), promotion.terms.currency, lang);
    let days = i128::from(budget.left)
        .checked_mul(i128::from(PACE_DAYS))
        .and_then(|left| rounded(left, lately))
        .and_then(|days| u64::try_from(days).ok())
        .filter(|days| *days < 3_650);
    let Some(days) = days else {
        return lang.pick(
            format!("残額は{left}です。直近7日間の利用から、いつまで持つかはまだ分かりません。"),
            format!("{left} are left. The last 7 days do not tell yet how long they last."),
        );
    };
    let until = today + Days::new(days);
    let before_end = promotion
        .terms
        .ends_at
        .is_some_and(|end| end.with_timezone(&visit.zone()).date_naive() <= until);
    if before_end {
        return lang.pick(
            format!("残額は{left}です。直近7日間のペースなら、終了日まで足ります。"),
            format!("{left} are left. At the pace of the last 7 days they last until the end."),
        );
    }
    let until = short_day(until, lang);
    lang.pick(
        format!("残額は{left}です。直近7日間のペースでは{until}ごろまで持ちます。"),
        format!("{left} are left. At the pace of the last 7 days they last until about {until}."),
    )
}
