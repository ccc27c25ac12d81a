//! How long the rules take by themselves: pricing, codes, mails. `cargo bench -p shared`; figures are in `docs/speed.md`.

use std::error::Error;
use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::Criterion;
use serde_json::{Value, json};
use shared::domain::cart::Cart;
use shared::domain::code::{CodeKey, PromotionId, Serial, TypedCode};
use shared::domain::pricing::price;
use shared::domain::promotion::{KeyRef, Promotion};

#[expect(
    dead_code,
    reason = "only the rules compare mails with what they were made of"
)]
#[path = "../src/mailer/rules/cases.rs"]
mod cases;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    pricing(&mut criterion)?;
    codes(&mut criterion)?;
    mails(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn pricing(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let ten = promotions(10)?;
    let all: Vec<&Promotion> = ten.iter().collect();
    let one: Vec<&Promotion> = ten.iter().take(1).collect();
    let (three, hundred) = (cart(3)?, cart(100)?);
    let cases = [
        ("price 3 lines, 1 code", &three, &one),
        ("price 3 lines, 10 codes", &three, &all),
        ("price 100 lines, 10 codes", &hundred, &all),
    ];
    for (name, cart, promotions) in cases {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| price(black_box(cart), black_box(promotions)));
        });
    }
    Ok(())
}

/// Promotions that apply together, of all kinds in turn.
fn promotions(count: u32) -> Result<Vec<Promotion>, Box<dyn Error>> {
    let benefits = [
        json!({"type": "percent_off", "percent": 7.5}),
        json!({"type": "amount_off", "amount": 500}),
        json!({"type": "buy_x_get_y", "buy": 2, "get": 1, "percent": 50}),
        json!({"type": "tiered_percent_off", "tiers": [{"min_subtotal": 1000, "percent": 3}, {"min_subtotal": 5000, "percent": 5}]}),
        json!({"type": "free_shipping"}),
    ];
    let created_at: DateTime<Utc> = "2026-11-22T00:00:00Z".parse()?;
    let ids = (0..count).map(|number| format!("T{number:03}"));
    ids.zip(benefits.iter().cycle())
        .map(|(id, benefit)| {
            let terms = json!({"name": "x", "currency": "JPY", "combinability": "unrestricted", "benefit": benefit});
            let keys = KeyRef {
                salt: [9; 16],
                master_key_version: 1,
                word_list: 1,
            };
            let id = PromotionId::try_from(id)?;
            let terms = serde_json::from_value(terms)?;
            Ok(Promotion::new(id, terms, keys, created_at, TimeDelta::zero()))
        })
        .collect()
}

fn cart(lines: u64) -> Result<Cart, serde_json::Error> {
    let line = |number: u64| json!({"sku": format!("TEA-{number:03}"), "quantity": number % 3 + 1, "unit_price": 980 + number * 17});
    let lines: Vec<Value> = (0..lines).map(line).collect();
    serde_json::from_value(json!({"currency": "JPY", "shipping": 500, "lines": lines}))
}

fn codes(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let promotion = PromotionId::try_from("THX9".to_owned())?;
    let key = CodeKey::derive(&[7; 32], &[9; 16], promotion.clone(), 1);
    let mut serials = (0..Serial::BATCH_END).cycle();
    criterion.bench_function("seal a code", |bencher| {
        bencher.iter(|| {
            serials
                .next()
                .and_then(|number| Serial::try_from(number).ok())
                .map(|serial| key.seal(serial))
        });
    });
    let sealed = key.seal(Serial::try_from(123_456)?);
    criterion.bench_function("open a code", |bencher| {
        bencher.iter(|| key.open(black_box(&sealed)));
    });
    let typed = sealed.reveal().to_lowercase().replace('-', " ");
    criterion.bench_function("read what was typed", |bencher| {
        bencher.iter(|| TypedCode::read(black_box(&typed)));
    });
    criterion.bench_function("derive a promotion's key", |bencher| {
        bencher.iter(|| CodeKey::derive(black_box(&[7; 32]), &[9; 16], promotion.clone(), 1));
    });
    Ok(())
}

fn mails(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    for (name, reminder) in [
        ("render a thank-you mail", false),
        ("render a reminder", true),
    ] {
        for language in ["ja", "en"] {
            // Shows once that it renders at all.
            rendered(reminder, language)?;
            criterion.bench_function(&format!("{name} ({language})"), |bencher| {
                bencher.iter(|| rendered(black_box(reminder), language).is_ok());
            });
        }
    }
    Ok(())
}

/// With the first of the offers, to a buyer who gave a name.
fn rendered(reminder: bool, language: &'static str) -> Result<cases::Case, Box<dyn Error>> {
    let [offer, ..] = cases::OFFERS;
    cases::case(reminder, language, offer, cases::NAMED)
}
