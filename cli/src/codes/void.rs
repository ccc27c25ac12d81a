//! `okaeri codes void`: takes back the codes of a list, as many to a request as the API takes.

mod list;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::code::{PromotionId, TypedCode};
use shared::domain::promotion::ClaimCode;

use super::api::{Api, Call, Failure};
use super::state::{Journal, beside};
use super::{Promotion, asked};
use crate::args::Void;
use crate::progress::Progress;
use crate::{CliError, Said};
use list::{Chunk, Chunks, Place};

/// Look-ups of a dry run that are on their way at a time.
const LOOKUPS_AT_ONCE: usize = 16;

/// What became of the codes so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
struct Totals {
    voided: u64,
    already_voided: u64,
    already_redeemed: u64,
    unknown: u64,
    /// Codes of other promotions, left alone, and the first line with one.
    others: u64,
    first_other: Option<u64>,
    /// Codes that the list has more than once, as far as that was noticed.
    repeated: u64,
}

/// How far the list is done.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Reached {
    place: Place,
    totals: Totals,
}

/// What the API answers a voiding.
#[derive(Deserialize)]
struct Answer {
    voided: Vec<String>,
    already_voided: Vec<String>,
    already_redeemed: Vec<String>,
    unknown: Vec<String>,
}

/// Runs the command.
pub(super) async fn run(args: Void) -> Said {
    let api = Api::open(&args.api)?;
    let promotion = Promotion::read(&api, &args.promotion).await?;
    let total = list::count_lines(&args.from)?;
    let scope = Scope::read(&api, &args.promotion, promotion.claim_code).await?;
    if args.dry_run {
        return dry_run(&api, &args, &scope, total).await;
    }
    let state = state_path(&args);
    let from = ("from", json!(args.from.display().to_string()));
    let asked = asked("codes void", &api, &args.promotion, [from]);
    let (mut journal, mut records) = Journal::open::<Reached>(&state, &asked)?;
    let reached = records.pop().unwrap_or_default();
    let before = reached.totals.already_voided;
    let progress = Progress::start("of the list done", total);
    match void(&api, &args, &scope, reached, &mut journal, &progress).await {
        Ok((totals, first)) => {
            let doubt = first.saturating_sub(before);
            let doubt = if journal.resumed() { doubt } else { 0 };
            journal.end()?;
            Ok(said(&args.promotion, &totals, doubt))
        }
        Err((failure, true)) if failure.refused_at_once() && !journal.resumed() => {
            journal.end()?;
            Err(failure.told("Nothing was voided."))
        }
        Err((failure, _)) => Err(failure.told(&format!(
            "What was voided stays voided; {} remembers how far it is. The same command goes on from there.",
            journal.path().display()
        ))),
    }
}

fn state_path(args: &Void) -> PathBuf {
    if args.from == Path::new("-") {
        PathBuf::from(format!("okaeri-void-{}.state", args.promotion))
    } else {
        beside(&args.from, ".void.state")
    }
}

/// Voids the rest of the list. Answers the totals, and the codes already voided when its first request was answered: a run
/// cut off before that answer may have voided those itself. With an error: whether no request was answered.
async fn void(
    api: &Api,
    args: &Void,
    scope: &Scope,
    mut reached: Reached,
    journal: &mut Journal,
    progress: &Progress,
) -> Result<(Totals, u64), (Failure, bool)> {
    let mut chunks = Chunks::open(&args.from, reached.place.clone());
    let mut first = None;
    let unanswered = |first: &Option<u64>| first.is_none();
    progress.from(reached.place.lines());
    while let Some(chunk) = chunks
        .next()
        .await
        .map_err(|error| (error.into(), unanswered(&first)))?
    {
        let codes = scope.sort(&chunk, &mut reached.totals);
        if !codes.is_empty() {
            let call = Call::post("/v1/codes/void", json!({"codes": codes}));
            let answer: Answer = api
                .json(&call, progress)
                .await
                .map_err(|failure| (failure, unanswered(&first)))?;
            reached.totals.add(&answer, codes.len());
            first.get_or_insert(reached.totals.already_voided);
        }
        reached.place = chunk.end;
        journal
            .keep(&reached)
            .map_err(|error| (error.into(), unanswered(&first)))?;
        progress.at(reached.place.lines());
    }
    Ok((reached.totals, first.unwrap_or_default()))
}

/// Which codes belong to the promotion.
struct Scope {
    promotion: PromotionId,
    /// Its words, by what makes them one word.
    words: std::collections::HashSet<String>,
}

impl Scope {
    async fn read(api: &Api, id: &PromotionId, claim: ClaimCode) -> Result<Self, CliError> {
        #[derive(Deserialize)]
        struct Page {
            codes: Vec<Row>,
        }
        #[derive(Deserialize)]
        struct Row {
            code: String,
        }
        let mut words = std::collections::HashSet::new();
        if claim == ClaimCode::Group {
            let path = format!("/v1/promotions/{id}/codes");
            let quiet = Progress::start("read", None);
            let page: Result<Page, Failure> = api.json(&Call::get(&path), &quiet).await;
            let page = page.map_err(|failure| failure.told("Nothing was done."))?;
            words = page
                .codes
                .iter()
                .map(|row| TypedCode::read(&row.code).identity())
                .collect();
        }
        Ok(Self {
            promotion: id.clone(),
            words,
        })
    }

    /// The codes to send, in canonical form and once each; counts the others.
    fn sort(&self, chunk: &Chunk, totals: &mut Totals) -> Vec<String> {
        let mut seen = std::collections::HashSet::new();
        let mut codes = Vec::new();
        for (line, text) in &chunk.codes {
            let typed = TypedCode::read(text);
            let ours = match &typed {
                TypedCode::Sealed(code) => code.promotion_id() == self.promotion,
                TypedCode::Word(_) => self.words.contains(&typed.identity()),
                TypedCode::Garbled(_) => {
                    totals.unknown = totals.unknown.saturating_add(1);
                    continue;
                }
            };
            if !ours {
                totals.others = totals.others.saturating_add(1);
                totals.first_other.get_or_insert(*line);
            } else if seen.insert(typed.identity()) {
                codes.push(typed.canonical());
            } else {
                totals.repeated = totals.repeated.saturating_add(1);
            }
        }
        codes
    }
}

impl Totals {
    fn add(&mut self, answer: &Answer, sent: usize) {
        let add = |total: &mut u64, count: usize| {
            *total = total.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        };
        add(&mut self.voided, answer.voided.len());
        add(&mut self.already_voided, answer.already_voided.len());
        add(&mut self.already_redeemed, answer.already_redeemed.len());
        add(&mut self.unknown, answer.unknown.len());
        let lists = [
            &answer.voided,
            &answer.already_voided,
            &answer.already_redeemed,
            &answer.unknown,
        ];
        let answered: usize = lists.iter().map(|list| list.len()).sum();
        add(&mut self.repeated, sent.saturating_sub(answered));
    }

    /// One total to a line, `first` being the word for what was or would be voided.
    fn lines(&self, first: &str) -> String {
        let mut lines = format!(
            "{first} {}\nalready_voided {}\nalready_redeemed {}\nunknown {}\n",
            self.voided, self.already_voided, self.already_redeemed, self.unknown
        );
        // Writing to a string cannot fail.
        if let Some(line) = self.first_other {
            let _ = writeln!(
                lines,
                "of_other_promotions {} (left alone; first on line {line})",
                self.others
            );
        }
        if self.repeated > 0 {
            let _ = writeln!(lines, "repeated {}", self.repeated);
        }
        lines
    }
}

fn said(promotion: &PromotionId, totals: &Totals, doubt: u64) -> String {
    let mut said = format!("Codes of {promotion}:\n{}", totals.lines("voided"));
    if doubt > 0 {
        let _ = writeln!(
            said,
            "Up to {doubt} of those already voided are this command's own, voided just before it was interrupted."
        );
    }
    said
}

/// Looks every code up and says what voiding them would do.
async fn dry_run(api: &Api, args: &Void, scope: &Scope, total: Option<u64>) -> Said {
    #[derive(Deserialize)]
    struct Facts {
        status: String,
    }
    let progress = Progress::start("looked up", total);
    let mut chunks = Chunks::open(&args.from, Place::default());
    let mut totals = Totals::default();
    while let Some(chunk) = chunks.next().await? {
        let codes = scope.sort(&chunk, &mut totals);
        let lookups = codes.iter().map(async |code| {
            let body: Value = json!({"code": code});
            let call = Call::post("/v1/codes/lookup", body);
            match api.json::<Facts>(&call, &progress).await {
                Ok(facts) => Ok(Some(facts.status)),
                Err(Failure::Refused { code, .. }) if code == "code-unknown" => Ok(None),
                Err(failure) => Err(failure),
            }
        });
        let found: Result<Vec<Option<String>>, Failure> = stream::iter(lookups)
            .buffer_unordered(LOOKUPS_AT_ONCE)
            .try_collect()
            .await;
        for status in found.map_err(|failure| failure.told("Nothing was voided."))? {
            let total = match status.as_deref() {
                None => &mut totals.unknown,
                Some("voided") => &mut totals.already_voided,
                Some("redeemed" | "held") => &mut totals.already_redeemed,
                Some(_) => &mut totals.voided,
            };
            *total = total.saturating_add(1);
        }
        progress.at(chunk.end.lines());
    }
    Ok(format!(
        "Nothing was voided. Codes of {}, as they are now:\n{}",
        args.promotion,
        totals.lines("would_be_voided")
    ))
}
