//! How long a million codes take to become CSV, past the table: sealed and written by the code of the export's pages.
//! `cargo bench -p create-promotion`; figures are in `docs/speed.md`.

use std::error::Error;
use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use create_promotion::csv_of;
use criterion::Criterion;
use serde_json::json;
use shared::domain::channel::Channel;
use shared::domain::code::{CodeKey, InvalidSerial, PromotionId, Serial};
use shared::domain::promotion::{KeyRef, Promotion};
use shared::store::ListedCode;

/// What is exported.
const CODES: u64 = 1_000_000;
/// Codes on a page. Source: design.md §7.
const PAGE: u64 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let id = PromotionId::try_from("THX9".to_owned())?;
    let keys = KeyRef {
        salt: [9; 16],
        master_key_version: 1,
        word_list: 1,
    };
    let terms =
        json!({"name": "x", "currency": "JPY", "benefit": {"type": "percent_off", "percent": 10}});
    let now: DateTime<Utc> = "2026-11-22T00:00:00Z".parse()?;
    let promotion = Promotion::new(
        id.clone(),
        serde_json::from_value(terms)?,
        keys,
        now,
        TimeDelta::zero(),
    );
    let key = CodeKey::derive(&[7; 32], &keys.salt, id, keys.word_list);
    let channel = Channel::try_from("ad/google-nov".to_owned())?;
    let page = |first: u64| -> Result<Vec<ListedCode>, InvalidSerial> {
        let listed = |number| {
            Ok(ListedCode {
                serial: Serial::try_from(number)?,
                channel: Some(channel.clone()),
                item: None,
            })
        };
        (first..first.saturating_add(PAGE)).map(listed).collect()
    };
    let export = || -> Result<usize, InvalidSerial> {
        let mut bytes = 0_usize;
        for first in (0..CODES).step_by(usize::try_from(PAGE).unwrap_or(1)) {
            let text = csv_of(&key, &promotion, page(first)?, now);
            bytes = bytes.saturating_add(black_box(text).len());
        }
        Ok(bytes)
    };
    export()?;
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    criterion.bench_function("a million codes to CSV", |bencher| bencher.iter(&export));
    criterion.final_summary();
    Ok(())
}
