//! Loads of a given time: redemptions, a mix of everything a checkout does, or one hot code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::Method;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::shop::{Codes, Shop, order};
use super::times::{HEAD, Times, hundredths};
use super::{build, told};
use crate::args::Bench;
use crate::progress::Progress;
use crate::{CliError, Said};

/// Codes minted for a load: more than it can use in an hour.
const CODES: u64 = 10_000_000;
/// A budget that no load spends, in minor units.
const BUDGET: u64 = 1_000_000_000_000_000;
/// The word of a hot promotion.
const WORD: &str = "HANAKO10";
/// The function that all of these call.
pub(super) const FUNCTION: &str = "redeem-code";

/// One thing a checkout does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Quote,
    Redeem,
    Hold,
    Confirm,
    Cancel,
    Return,
}

/// What callers of a mixed load do in turn: half are quotes, and each step after a redemption is about that one.
const MIX: [Step; 12] = [
    Step::Quote,
    Step::Redeem,
    Step::Quote,
    Step::Quote,
    Step::Hold,
    Step::Confirm,
    Step::Quote,
    Step::Quote,
    Step::Redeem,
    Step::Return,
    Step::Quote,
    Step::Cancel,
];

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Quote => "quote",
            Self::Redeem => "redeem",
            Self::Hold => "hold",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Return => "return",
        }
    }
}

/// Where codes come from.
enum Source<'a> {
    Single(Codes<'a>),
    Word,
}

impl Source<'_> {
    async fn next(&self) -> Result<String, CliError> {
        match self {
            Self::Single(codes) => codes.next().await,
            Self::Word => Ok(WORD.to_owned()),
        }
    }
}

/// A load under way.
struct Load<'a> {
    shop: &'a Shop,
    source: Source<'a>,
    steps: &'static [Step],
    orders: AtomicU64,
    until: Instant,
}

type Results = BTreeMap<&'static str, Times>;

/// Runs the load that was asked for.
pub(super) async fn run(shop: &Shop, args: &Bench) -> Said {
    let (source, steps): (_, &[Step]) = if args.load.hot {
        let limits = json!({"budget": BUDGET, "shards": args.shards});
        let promotion = shop.promotion("group", &limits).await?;
        shop.word(&promotion, WORD).await?;
        (Source::Word, &[Step::Redeem])
    } else {
        let promotion = shop.promotion("single_use", &json!({})).await?;
        let batch = shop.mint(&promotion, CODES).await?;
        let codes = Codes::open(shop, &promotion, &batch).await?;
        let steps: &[Step] = if args.load.mixed {
            &MIX
        } else {
            &[Step::Redeem]
        };
        (Source::Single(codes), steps)
    };
    let lasts = Duration::from_secs(args.seconds);
    let begun = Instant::now();
    let load = Load {
        shop,
        source,
        steps,
        orders: AtomicU64::new(0),
        until: begun + lasts,
    };
    let _ = shop.meter.take();
    let all = try_join_all((0..args.concurrency).map(|_| load.caller())).await?;
    let over = begun.elapsed();
    let mut results = Results::new();
    for (name, times) in all.into_iter().flatten() {
        results.entry(name).or_default().merge(times);
    }
    Ok(report(shop, args, &results, over))
}

impl Load<'_> {
    /// Makes one call after the other until time is up.
    async fn caller(&self) -> Result<Results, CliError> {
        let mut results = Results::new();
        let mut last = 0;
        for step in self.steps.iter().copied().cycle() {
            if Instant::now() >= self.until {
                break;
            }
            let answer = self.take(step, &mut last).await?;
            let times = results.entry(step.name()).or_default();
            times.note(answer.status, answer.took);
        }
        Ok(results)
    }

    async fn take(&self, step: Step, last: &mut u64) -> Result<super::shop::Answer, CliError> {
        let fresh = matches!(step, Step::Quote | Step::Redeem | Step::Hold);
        let body = if fresh {
            let number = self.orders.fetch_add(1, Ordering::Relaxed);
            if step != Step::Quote {
                *last = number;
            }
            order(&self.source.next().await?, number)
        } else {
            Value::Null
        };
        let path = format!("/v1/redemptions/bench-{last}");
        let (method, path, body) = match step {
            Step::Quote => (Method::POST, "/v1/quotes".to_owned(), body),
            Step::Redeem => (Method::PUT, path, body),
            Step::Hold => (Method::PUT, path, held(body)),
            Step::Confirm => (Method::POST, format!("{path}/confirm"), body),
            Step::Cancel => (Method::POST, format!("{path}/cancel"), body),
            Step::Return => {
                let lines = json!({"return_id": "r1", "lines": [{"line": 0, "quantity": 1}]});
                (Method::POST, format!("{path}/returns"), lines)
            }
        };
        self.shop.call(method, &path, &body).await
    }
}

fn held(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("hold_seconds".to_owned(), json!(600));
    }
    body
}

/// Redeems so many of `codes` as quickly as `concurrency` callers can.
pub(super) async fn fill(
    shop: &Shop,
    codes: &Codes<'_>,
    count: u64,
    concurrency: u32,
) -> Result<(), CliError> {
    let numbers = AtomicU64::new(0);
    let progress = Progress::start("redeemed beforehand", Some(count));
    let caller = async || -> Result<(), CliError> {
        loop {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            progress.at(number.min(count));
            if number >= count {
                return Ok(());
            }
            let body = order(&codes.next().await?, number);
            let path = format!("/v1/redemptions/{}-{number}", codes.promotion);
            // A table that does not answer in time decided nothing: the same request again can never count twice.
            let mut status = 503;
            while status == 503 {
                status = shop.call(Method::PUT, &path, &body).await?.status;
            }
            if !matches!(status, 200 | 201) {
                return Err(told(format!("a redemption was answered {status}")));
            }
        }
    };
    try_join_all((0..concurrency).map(|_| caller())).await?;
    Ok(())
}

fn report(shop: &Shop, args: &Bench, results: &Results, over: Duration) -> String {
    let mut text = format!(
        "{} callers for {} s, {}, everything on this machine: the API, the functions, the table and its counting.\n\n{HEAD}\n",
        args.concurrency,
        over.as_secs(),
        build()
    );
    let mut calls = 0_u64;
    for (name, times) in results {
        calls = calls.saturating_add(u64::try_from(times.count()).unwrap_or_default());
        let _ = writeln!(text, "{}", times.line(name, over));
    }
    let used = shop.meter.of(FUNCTION);
    let each = |sum: u64, parts: u64| {
        hundredths(
            sum.saturating_mul(100)
                .div_euclid(calls.saturating_mul(parts).max(1)),
        )
    };
    let _ = writeln!(
        text,
        "\nEach call asked {} requests of the table, {} read units and {} write units; {} requests were refused by a condition.",
        each(used.requests, 1),
        each(used.half_reads, 2),
        each(used.half_writes, 2),
        used.untold
    );
    text.push_str("The embedded engine does one write after the other: it never refuses for a conflict, as DynamoDB does, and is the limit here.\n");
    text
}
