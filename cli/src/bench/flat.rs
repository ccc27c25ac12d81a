//! Whether a redemption costs the same however many codes are minted and however many were redeemed before.

use std::fmt::Write as _;
use std::io::Write as _;

use axum::http::Method;
use serde_json::json;

use super::load::{FUNCTION, fill};
use super::shop::{Codes, Shop, order};
use super::times::{Times, hundredths, millis_of};
use super::{build, plot, told};
use crate::args::Bench;
use crate::local::Usage;
use crate::{CliError, Said};

/// Redemptions measured at each point, after as many that are not.
const MEASURED: u64 = 40;
/// How often a point is measured again if its redemptions met something else: terms that are read anew each 10 s, or a machine too
/// busy to answer in time.
const ROUNDS: u64 = 3;
/// Requests that a point may have beyond one for each redemption: promotion and its counter, read anew once.
const READ_ANEW: u64 = 2;
/// Callers that make the earlier redemptions.
const FILLERS: u32 = 16;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growing {
    /// Codes minted.
    Minted,
    /// Redemptions of the same promotion.
    Redeemed,
}

/// What was measured at one point.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) growing: Growing,
    /// How many codes or earlier redemptions.
    pub(super) at: u64,
    /// Over all [`MEASURED`] redemptions.
    pub(super) usage: Usage,
    /// Half of the redemptions took no longer, in microseconds.
    pub(super) median: u64,
    worst: u64,
}

impl Point {
    /// Hundredths of requests, read units and write units of one redemption.
    pub(super) fn each(&self) -> [u64; 3] {
        let of = |sum: u64, parts: u64| {
            sum.saturating_mul(100)
                .div_euclid(MEASURED.saturating_mul(parts))
        };
        let Usage {
            requests,
            half_reads,
            half_writes,
            ..
        } = self.usage;
        [of(requests, 1), of(half_reads, 2), of(half_writes, 2)]
    }
}

/// Measures, draws if asked, and fails if the cost is not flat.
pub(super) async fn run(shop: &Shop, args: &Bench) -> Said {
    let mut points = Vec::new();
    for minted in powers(1_000, args.most_codes) {
        points.push(with_minted(shop, minted).await?);
    }
    for redeemed in powers(1, args.most_redemptions) {
        points.push(with_redeemed(shop, redeemed).await?);
    }
    if let Some(path) = &args.plot {
        let drawn = std::fs::write(path, plot::svg(&points));
        drawn.map_err(|error| told(format!("{} cannot be written: {error}", path.display())))?;
    }
    let table = table(&points);
    let first = points.first().map(|point| point.usage.half_writes);
    let flat = |point: &Point| {
        Some(point.usage.half_writes) == first
            && point.usage.requests <= MEASURED.saturating_add(READ_ANEW)
    };
    if points.iter().all(flat) {
        Ok(format!(
            "{table}\nFlat: each redemption asked the same of the table.\n"
        ))
    } else {
        Err(told(format!(
            "{table}\nNot flat: redemptions asked different things of the table."
        )))
    }
}

/// Powers of ten from `first` to `last`.
fn powers(first: u64, last: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(first), |number| number.checked_mul(10))
        .take_while(move |number| *number <= last)
}

/// Redeems the last codes of a promotion of so many.
async fn with_minted(shop: &Shop, minted: u64) -> Result<Point, CliError> {
    let own = MEASURED.saturating_mul(ROUNDS.saturating_add(1));
    let promotion = limited(shop).await?;
    shop.mint(&promotion, minted.saturating_sub(own)).await?;
    let batch = shop.mint(&promotion, own).await?;
    let codes = Codes::open(shop, &promotion, &batch).await?;
    fill(shop, &codes, MEASURED, 1).await?;
    measure(shop, &codes, Growing::Minted, minted).await
}

/// Redeems codes of a promotion of which so many were redeemed before.
async fn with_redeemed(shop: &Shop, redeemed: u64) -> Result<Point, CliError> {
    let promotion = limited(shop).await?;
    let all = redeemed.saturating_add(MEASURED.saturating_mul(ROUNDS));
    let batch = shop.mint(&promotion, all).await?;
    let codes = Codes::open(shop, &promotion, &batch).await?;
    fill(shop, &codes, redeemed, FILLERS).await?;
    measure(shop, &codes, Growing::Redeemed, redeemed).await
}

/// A promotion with every limit, whose redemptions cost the most.
async fn limited(shop: &Shop) -> Result<String, CliError> {
    let limits = json!({"budget": 1_000_000_000_000_u64, "redemptions": 1_000_000_000, "per_customer": 1_000_000});
    shop.promotion("single_use", &limits).await
}

async fn measure(
    shop: &Shop,
    codes: &Codes<'_>,
    growing: Growing,
    at: u64,
) -> Result<Point, CliError> {
    shop.settled().await?;
    let mut round = 1;
    loop {
        let (times, usage) = redeem(shop, codes, &format!("{growing:?}-{at}-{round}")).await?;
        let answered = times.only(&[201]);
        if round < ROUNDS && !(answered && usage.requests == MEASURED) {
            round = round.saturating_add(1);
            continue;
        }
        if !answered {
            return Err(told(
                "redemptions were answered too late; run it on a quieter machine",
            ));
        }
        let point = Point {
            growing,
            at,
            usage,
            median: times.per_mille(500),
            worst: times.per_mille(990),
        };
        // Nothing is lost if standard error is closed: all of it comes again in the end.
        let _ = writeln!(std::io::stderr(), "{}", line(&point));
        return Ok(point);
    }
}

/// Redeems as many codes as are measured, one after the other.
async fn redeem(shop: &Shop, codes: &Codes<'_>, orders: &str) -> Result<(Times, Usage), CliError> {
    let mut bodies = Vec::new();
    for number in 0..MEASURED {
        bodies.push(order(&codes.next().await?, number));
    }
    // What is remembered for some seconds is remembered now.
    if let Some(body) = bodies.first() {
        shop.call(Method::POST, "/v1/quotes", body).await?;
    }
    let mut times = Times::default();
    let _ = shop.meter.take();
    for (number, body) in bodies.iter().enumerate() {
        let path = format!("/v1/redemptions/{orders}-{number}");
        let answer = shop.call(Method::PUT, &path, body).await?;
        times.note(answer.status, answer.took);
    }
    Ok((times, shop.meter.of(FUNCTION)))
}

/// The points as a Markdown table.
fn table(points: &[Point]) -> String {
    let mut text = format!(
        "{MEASURED} redemptions at each point, one after the other, {}; the promotion has a budget, a use limit and a limit per customer.\n\n\
        | with | requests | read units | write units | p50 ms | p99 ms |\n|---|---|---|---|---|---|\n",
        build()
    );
    for point in points {
        let _ = writeln!(text, "{}", line(point));
    }
    text
}

fn line(point: &Point) -> String {
    let with = match point.growing {
        Growing::Minted => "codes minted",
        Growing::Redeemed => "redeemed before",
    };
    let [requests, reads, writes] = point.each().map(hundredths);
    let (median, worst) = (millis_of(point.median), millis_of(point.worst));
    let at = thousands(point.at);
    format!("| {at} {with} | {requests} | {reads} | {writes} | {median} | {worst} |")
}

/// A number with commas.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_powers_of_ten_up_to_the_last() {
        assert_eq!(powers(1, 1_500).collect::<Vec<_>>(), [1, 10, 100, 1_000]);
        assert_eq!(powers(1_000, 1_000).count(), 1);
        assert_eq!([thousands(1), thousands(1_000_000)], ["1", "1,000,000"]);
    }
}
