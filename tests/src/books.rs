//! Adds up what the demo did, with nothing of the code that counts: from the ledger and the checkout's own answers to what pages must say.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use okaeri::local::demo::{Ledger, Mailed, Sale};
use serde_json::Value;

/// The arms of the demo's follow-ups, by the promotion whose codes each mails: follow-up and arm.
pub const ARMS: [(&str, &str, &str); 3] = [
    ("next10", "thanks", "10pct-3days"),
    ("next15", "thanks", "15pct-7days"),
    ("welcome", "welcome", "300yen-1day"),
];
/// What an order comes to at least that is thanked for, in yen.
const THANKED_FROM: u64 = 3_000;

/// What stands in a row of statistics, by the names of the API.
pub type Sums = BTreeMap<&'static str, u64>;

/// A buyer's first order of a promotion: when, which, and where it counts.
type FirstOrder<'a> = (DateTime<Utc>, &'a str, NaiveDate, Option<&'a str>);

/// What one promotion brought, by day in the shop's zone and by channel.
pub fn stats(ledger: &Ledger, promotion_id: &str) -> BTreeMap<(NaiveDate, Option<String>), Sums> {
    let mut rows: BTreeMap<(NaiveDate, Option<String>), Sums> = BTreeMap::new();
    let mut add = |day: NaiveDate, channel: Option<&str>, name, count| {
        let row = rows.entry((day, channel.map(str::to_owned))).or_default();
        *row.entry(name).or_default() += count;
    };
    let mut bought: BTreeMap<&str, FirstOrder<'_>> = BTreeMap::new();
    for sale in &ledger.sales {
        let Some((at, discount)) = redeemed(sale, promotion_id) else {
            continue;
        };
        let answer = sale
            .redemption
            .as_ref()
            .expect("what was redeemed was answered");
        let (day, channel) = (day(at), sale.channels.get(promotion_id).map(String::as_str));
        add(day, channel, "redemptions", 1);
        if answer["status"] == "cancelled" {
            add(day, channel, "cancelled", 1);
        } else {
            add(
                day,
                channel,
                "revenue",
                answer["total"].as_u64().expect("a total"),
            );
            add(day, channel, "discount", discount);
        }
        if let Some(returned) = returned(answer, promotion_id) {
            add(day, channel, "returned", 1);
            add(day, channel, "returned_discount", returned);
        }
        let this = (at, sale.order_id.as_str(), day, channel);
        let first = bought.entry(&sale.email).or_insert(this);
        *first = (*first).min(this);
    }
    for (_, _, day, channel) in bought.into_values() {
        add(day, channel, "buyers", 1);
    }
    let arm = ARMS
        .iter()
        .find(|(name, ..)| ledger.promotions[name] == promotion_id);
    for mail in ledger
        .mails
        .iter()
        .filter(|mail| mail.promotion_id == promotion_id)
    {
        let (_, _, arm) = arm.expect("only arms mail");
        add(day(mail.at), Some(&format!("thank-you/{arm}")), "mails", 1);
    }
    for visit in ledger
        .visits
        .iter()
        .filter(|visit| visit.promotion_id == promotion_id)
    {
        add(day(visit.at), Some(&visit.channel), "visits", visit.count);
    }
    rows
}

/// Units and sales that a period of a promotion's comparison must say: of its days, of the products the promotion includes, in orders
/// that stand and whose products are known. `None` if there is no such period yet.
pub fn sales(ledger: &Ledger, promotion: &Value, period: &Value) -> Option<(u64, u64)> {
    let end = |name: &str| period[name].as_str()?.parse::<NaiveDate>().ok();
    let days = end("from")?..=end("to")?;
    let included = promotion["products"]["include"].as_array();
    let counts = |sku: &str| {
        included.is_none_or(|skus| skus.iter().any(|included| included.as_str() == Some(sku)))
    };
    let bought = ledger.sales.iter().filter(|sale| !sale.undone);
    let orders = bought.filter_map(|sale| sale.completed.as_ref());
    let orders = orders.chain(&ledger.unasked);
    let within = orders.filter(|order| days.contains(&day(order.at)));
    let lines = within.flat_map(|order| &order.lines);
    let counted = lines.filter(|line| counts(&line.sku));
    Some(counted.fold((0, 0), |(units, sales), line| {
        (
            units + line.quantity,
            sales + line.quantity * line.unit_price,
        )
    }))
}

/// What a promotion has given away and not got back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// In yen.
    pub amount: u64,
    /// In orders.
    pub uses: u64,
}

/// What a promotion has given away: in orders that were kept, and in holds whose time is not over. With `on_return`, returned lines give
/// their discount back.
pub fn spent(ledger: &Ledger, promotion_id: &str, now: DateTime<Utc>, on_return: bool) -> Spent {
    let mut spent = Spent::default();
    for answer in ledger
        .sales
        .iter()
        .filter_map(|sale| sale.redemption.as_ref())
    {
        let held = answer["held_until"]
            .as_str()
            .and_then(|until| until.parse::<DateTime<Utc>>().ok());
        let stands = match answer["status"].as_str() {
            Some("redeemed") => true,
            Some("held") => held.is_some_and(|until| now < until),
            _ => false,
        };
        let found = discounts(answer)
            .into_iter()
            .find(|(id, _)| id == promotion_id);
        let Some((_, discount)) = found.filter(|_| stands) else {
            continue;
        };
        let back = if on_return {
            returned(answer, promotion_id).unwrap_or_default()
        } else {
            0
        };
        spent.amount += discount - back;
        spent.uses += 1;
    }
    spent
}

/// The sum of some rows.
pub fn total<'a>(rows: impl IntoIterator<Item = &'a Sums>) -> Sums {
    let mut total = Sums::new();
    for (name, count) in rows.into_iter().flatten() {
        *total.entry(name).or_default() += count;
    }
    total
}

/// What the arms of a follow-up brought, by arm.
pub fn results(ledger: &Ledger, follow_up: &str) -> BTreeMap<String, Sums> {
    let mut arms: BTreeMap<String, Sums> = BTreeMap::new();
    let mut add = |arm: &str, name, count| {
        let sums = arms.entry(arm.to_owned()).or_default();
        *sums.entry(name).or_default() += count;
    };
    count_buyers(ledger, follow_up, &mut add);
    for (promotion, _, arm) in ARMS.iter().filter(|(_, name, _)| *name == follow_up) {
        count_codes(ledger, &ledger.promotions[promotion], arm, &mut add);
    }
    arms
}

/// What a function of `results` adds to: arm, figure, how much.
type Add<'a> = &'a mut dyn FnMut(&str, &'static str, u64);

/// Buyers by the arm of their first order that is thanked for, and what they bought later.
fn count_buyers(ledger: &Ledger, follow_up: &str, add: Add<'_>) {
    for (email, buyer) in &ledger.buyers {
        let forgotten = ledger.forgotten.get(email);
        let of_buyer = ledger.sales.iter().filter(|sale| sale.email == *email);
        // Those completed before their buyer was forgotten: when, what they came to, and the sale.
        let mut orders: Vec<(DateTime<Utc>, u64, &Sale)> = of_buyer
            .filter_map(|sale| {
                let completed = sale.completed.as_ref()?;
                let known = forgotten.is_none_or(|at| completed.at < *at);
                known.then_some((completed.at, completed.total, sale))
            })
            .collect();
        orders.sort_by_key(|(at, _, sale)| (*at, sale.order_id.clone()));
        let thanked = orders.iter().position(|(_, total, _)| {
            buyer.consents && (follow_up == "welcome" || *total >= THANKED_FROM)
        });
        let Some(thanked) = thanked else { continue };
        let arm = if follow_up == "welcome" {
            "300yen-1day"
        } else {
            &buyer.arm
        };
        add(arm, "assigned", 1);
        let later = orders.iter().skip(thanked + 1);
        let later: Vec<_> = later.filter(|(_, _, sale)| !sale.undone).collect();
        add(arm, "repeat_buyers", u64::from(!later.is_empty()));
        add(
            arm,
            "revenue",
            later.iter().map(|(_, total, _)| *total).sum(),
        );
    }
}

/// Mails with the codes of one promotion, and what the codes were worth.
fn count_codes(ledger: &Ledger, id: &str, arm: &str, add: Add<'_>) {
    let mails = ledger.mails.iter();
    for mail in mails.filter(|mail| mail.promotion_id == *id && !mail.reminder) {
        add(arm, "mailed", 1);
        let end = if bounces(mail) {
            "bounced"
        } else {
            "delivered"
        };
        add(arm, end, 1);
    }
    for sale in &ledger.sales {
        let Some((_, discount)) = redeemed(sale, id) else {
            continue;
        };
        let answer = sale.redemption.as_ref();
        let answer = answer.expect("what was redeemed was answered");
        if answer["status"] != "cancelled" {
            add(arm, "redeemed", 1);
            let kept = discount - returned(answer, id).unwrap_or_default();
            add(arm, "discount", kept);
        }
    }
}

/// When an order redeemed this promotion, and for how much; none for holds and for what did not apply.
fn redeemed(sale: &Sale, promotion_id: &str) -> Option<(DateTime<Utc>, u64)> {
    let answer = sale.redemption.as_ref()?;
    let at = answer["redeemed_at"].as_str()?.parse().ok()?;
    let discount = discounts(answer)
        .into_iter()
        .find(|(id, _)| id == promotion_id)?
        .1;
    Some((at, discount))
}

/// What each promotion took off an order, in the order in which the record has them: codes, then what applies by itself.
fn discounts(answer: &Value) -> Vec<(String, u64)> {
    let lists = [&answer["codes"], &answer["automatic"]];
    let entries = lists.into_iter().filter_map(Value::as_array).flatten();
    entries
        .filter_map(|entry| {
            Some((
                entry["promotion_id"].as_str()?.to_owned(),
                entry["discount"].as_u64()?,
            ))
        })
        .collect()
}

/// This promotion's part of what came back with returned lines; none without returns. It is spread by largest remainder.
fn returned(answer: &Value, promotion_id: &str) -> Option<u64> {
    let returns = answer["returns"].as_array()?;
    let sum: u64 = returns
        .iter()
        .filter_map(|back| back["discount"].as_u64())
        .sum();
    let parts = discounts(answer);
    let whole: u64 = parts.iter().map(|(_, discount)| discount).sum();
    if whole == 0 {
        return Some(0);
    }
    let mut shares: Vec<(u64, u64)> = parts
        .iter()
        .map(|(_, discount)| (sum * discount / whole, sum * discount % whole))
        .collect();
    let given: u64 = shares.iter().map(|(share, _)| share).sum();
    let mut by_rest: Vec<usize> = (0..shares.len()).collect();
    by_rest.sort_by_key(|place| std::cmp::Reverse(shares[*place].1));
    for place in by_rest
        .into_iter()
        .take(usize::try_from(sum - given).expect("fewer than parts"))
    {
        shares[place].0 += 1;
    }
    let place = parts.iter().position(|(id, _)| id == promotion_id)?;
    Some(shares[place].0)
}

fn bounces(mail: &Mailed) -> bool {
    let bouncing: BTreeSet<&str> = ["bounce", "suppressionlist"].into();
    mail.email
        .strip_suffix("@simulator.amazonses.com")
        .is_some_and(|box_| bouncing.contains(box_))
}

/// The shop's day.
pub fn day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&chrono_tz::Asia::Tokyo).date_naive()
}
