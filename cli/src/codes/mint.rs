//! `okaeri codes mint`: batches of codes, each asked for under a name that is on disk first, so that none is minted twice.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::domain::promotion::ClaimCode;

use super::api::{Api, Call, Failure};
use super::export::{self, Reached, Source};
use super::state::{Asked, Journal, beside};
use super::{Promotion, asked};
use crate::args::Mint;
use crate::progress::Progress;
use crate::{CliError, Said};

/// Most batches of one command: every page of a listing reads all batches of its promotion.
const MAX_BATCHES: u64 = 1_000;

/// A batch as the API answers it.
#[derive(Debug, Deserialize, Serialize)]
struct Batch {
    batch_id: String,
    count: u64,
}

/// A step that is done.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Minted(Batch),
    Written(Reached),
}

/// Runs the command.
pub(super) async fn run(args: Mint) -> Said {
    let size = args.batch_size.unwrap_or(args.count);
    if args.count.div_ceil(size) > MAX_BATCHES {
        return Err(CliError::Told(format!(
            "{} codes in batches of {size} are more than {MAX_BATCHES} batches. Nothing was minted.\nChoose a larger --batch-size.",
            args.count
        )));
    }
    let api = Api::open(&args.api)?;
    let promotion = Promotion::read(&api, &args.promotion).await?;
    if promotion.claim_code != ClaimCode::SingleUse {
        return Err(CliError::Told(format!(
            "{} has no single-use codes. Nothing was minted.\nOnly promotions with \"claim_code\": \"single_use\" do.",
            args.promotion
        )));
    }
    let state = state_path(&args);
    if let Some(out) = &args.out {
        export::refuse_to_replace(out, &state)?;
    }
    let asked = asked_of(&args, &api);
    let (mut journal, records) = Journal::open::<Record>(&state, &asked)?;
    let (mut batches, reached) = done(records);
    if let Err(failure) = mint(&api, &args, &mut journal, &mut batches).await {
        if failure.refused_at_once() && batches.is_empty() && !journal.resumed() {
            journal.end()?;
            return Err(failure.told("Nothing was minted."));
        }
        return Err(failure.told(&kept(&args, &journal, &batches)));
    }
    if let Some(out) = &args.out {
        let source = Source {
            promotion: &args.promotion,
            batches: batches
                .iter()
                .map(|batch| Some(batch.batch_id.clone()))
                .collect(),
        };
        let progress = Progress::start("written", Some(args.count));
        let keep = |reached: &Reached| journal.keep(&Record::Written(reached.clone()));
        let written = export::write_file(&api, &source, out, reached, keep, &progress).await;
        written.map_err(|failure| failure.told(&kept(&args, &journal, &batches)))?;
    }
    journal.end()?;
    Ok(said(&args, &batches))
}

/// The batches minted, and how far they are written.
fn done(records: Vec<Record>) -> (Vec<Batch>, Reached) {
    let (mut batches, mut reached) = (Vec::new(), Reached::default());
    for record in records {
        match record {
            Record::Minted(batch) => batches.push(batch),
            Record::Written(further) => reached = further,
        }
    }
    (batches, reached)
}

fn asked_of(args: &Mint, api: &Api) -> Asked {
    let out = args.out.as_ref().map(|out| out.display().to_string());
    let more = [
        ("count", json!(args.count)),
        ("channel", json!(args.channel)),
        ("batch-size", json!(args.batch_size)),
        ("out", json!(out)),
        // Under another key the same names would mint again.
        ("API key", json!(api.key_check())),
    ];
    asked("codes mint", api, &args.promotion, more)
}

fn state_path(args: &Mint) -> PathBuf {
    match (&args.resume, &args.out) {
        (Some(state), _) => state.clone(),
        (None, Some(out)) => beside(out, ".state"),
        (None, None) => PathBuf::from(format!("okaeri-mint-{}.state", args.promotion)),
    }
}

/// Mints the batches that are missing.
async fn mint(
    api: &Api,
    args: &Mint,
    journal: &mut Journal,
    batches: &mut Vec<Batch>,
) -> Result<(), Failure> {
    let size = args.batch_size.unwrap_or(args.count);
    let path = format!("/v1/promotions/{}/codes", args.promotion);
    let minted = |batches: &[Batch]| batches.iter().map(|batch| batch.count).sum::<u64>();
    let progress = Progress::start("minted", Some(args.count));
    progress.from(minted(batches));
    loop {
        let left = args.count.saturating_sub(minted(batches));
        if left == 0 {
            return Ok(());
        }
        let count = left.min(size);
        let mut body = json!({"count": count});
        if let (Some(channel), Some(body)) = (&args.channel, body.as_object_mut()) {
            body.insert("channel".to_owned(), json!(channel));
        }
        let call = Call {
            idempotency_key: Some(format!("{}-{}", journal.id(), batches.len())),
            ..Call::post(&path, body)
        };
        let batch: Batch = api.json(&call, &progress).await?;
        if batch.count != count {
            let detail = format!("The stack minted {} codes instead of {count}.", batch.count);
            return Err(CliError::Told(detail).into());
        }
        let batch = Record::Minted(batch);
        journal.keep(&batch)?;
        if let Record::Minted(batch) = batch {
            batches.push(batch);
        }
        progress.at(minted(batches));
    }
}

fn kept(args: &Mint, journal: &Journal, batches: &[Batch]) -> String {
    let minted: u64 = batches.iter().map(|batch| batch.count).sum();
    format!(
        "At least {minted} of {} codes are minted; {} remembers which. The same command goes on from there, and mints none twice.",
        args.count,
        journal.path().display()
    )
}

fn said(args: &Mint, batches: &[Batch]) -> String {
    let mut said = format!("Minted {} codes of {}.\n", args.count, args.promotion);
    for batch in batches {
        // Writing to a string cannot fail.
        let _ = writeln!(said, "batch {}: {} codes", batch.batch_id, batch.count);
    }
    if let Some(out) = &args.out {
        let _ = writeln!(said, "They are in {}.", out.display());
    }
    said
}
