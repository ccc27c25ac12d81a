//! Looks each quarter of an hour at what staff should hear of, says each new thing once in its log, and puts how all of it stands
//! into metrics, on which the alarms rest.
//!
//! It decides nothing: what it keeps is only what was told already, so that a second run beside it, or a lost answer, costs a
//! repeated line at most.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::code::PromotionId;
use shared::domain::money::Amount;
use shared::domain::promotion::{Limits, Status};
use shared::domain::sending::{PauseReason, sum};
use shared::domain::watching::{Told, is_nearly_spent};
use shared::env::{Env, StartError};
use shared::metrics::Metrics;
use shared::store::{MAX_LISTED, Shard, Store, StoreError, Wanted};

/// What a run needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<Store>,
    metrics: Metrics,
    clock: Clock,
}

impl State {
    /// Reads `TABLE_NAME` and `METRICS_NAMESPACE` and prepares the client.
    ///
    /// # Errors
    /// [`StartError`] naming the variable that is missing.
    #[expect(
        clippy::unused_async,
        reason = "every function's state is loaded alike, and others fetch secrets"
    )]
    pub async fn load(env: &Env, clock: Clock) -> Result<Self, StartError> {
        let aws = Aws::from_env(env)?;
        Ok(Self {
            store: Arc::new(Store::connect(env, &aws)?),
            metrics: Metrics::from_env(env),
            clock,
        })
    }
}

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Sources of orders that sent daily and have been silent for 24 hours.
    pub silent_sources: BTreeSet<String>,
    /// Live promotions of whose budget or uses at least 90 % are spent.
    pub nearly_spent: BTreeSet<String>,
    /// Which of both were not told before this run.
    pub news: BTreeSet<String>,
    /// Mails that bounced for good in the last days, in ten-thousandths; zero while there are too few to judge.
    pub bounce_rate: u64,
    /// The same for mails that were complained of.
    pub complaint_rate: u64,
    /// Why no mail is sent at present, if none is.
    pub mail_paused: Option<PauseReason>,
}

/// Looks at everything once.
///
/// # Errors
/// If the table does not answer: the next run looks again.
pub async fn handle(state: &State) -> Result<Report, lambda_runtime::Error> {
    let now = state.clock.now();
    let store = &state.store;
    let sources = store.sources().await?.into_iter();
    let silent = sources.filter(|record| record.is_silent_at(now));
    let sending = store.sending_state(now).await?;
    let (bounce_rate, complaint_rate) = sum(&sending.days).rates();
    let mut report = Report {
        silent_sources: silent.map(|record| record.source.into()).collect(),
        nearly_spent: nearly_spent(store, now).await?,
        news: BTreeSet::new(),
        bounce_rate,
        complaint_rate,
        mail_paused: sending.pause.map(|pause| pause.reason),
    };
    let told = store.told().await?;
    report.news = log_news(&told, &report);
    let next = told.after(report.nearly_spent.clone(), report.silent_sources.clone());
    if let Some(next) = next
        && !store.tell(&next).await?
    {
        tracing::info!("another run told the same at this moment");
    }
    put_metrics(&state.metrics, &report, now);
    Ok(report)
}

/// Names what was not told yet.
fn log_news(told: &Told, report: &Report) -> BTreeSet<String> {
    let silent = report.silent_sources.difference(&told.silent);
    let spent = report.nearly_spent.difference(&told.nearly_spent);
    for source in silent.clone() {
        tracing::warn!(
            order.source = source,
            "a source that sent orders daily has sent none for 24 hours: see whether its webhook still stands"
        );
    }
    for promotion in spent.clone() {
        tracing::warn!(
            promotion.id = promotion,
            "at least 90% of a promotion's budget or uses are spent"
        );
    }
    silent.chain(spent).cloned().collect()
}

fn put_metrics(metrics: &Metrics, report: &Report, now: DateTime<Utc>) {
    let count = |list: &BTreeSet<String>| u64::try_from(list.len()).unwrap_or(u64::MAX);
    let gauges = [
        ("SilentSources", count(&report.silent_sources)),
        ("BudgetsNearlySpent", count(&report.nearly_spent)),
        ("BounceRate", report.bounce_rate),
        ("ComplaintRate", report.complaint_rate),
        ("MailPaused", u64::from(report.mail_paused.is_some())),
    ];
    metrics.gauges(now, &gauges);
}

/// The live promotions of whose budget or uses at least 90 % are spent, among the newest 500 promotions.
async fn nearly_spent(store: &Store, now: DateTime<Utc>) -> Result<BTreeSet<String>, StoreError> {
    let newest = store.list_promotions(None, MAX_LISTED).await?.promotions;
    let limited: Vec<(&PromotionId, Limits)> = newest
        .iter()
        .filter(|promotion| promotion.status_at(now) == Status::Active)
        .map(|promotion| (&promotion.id, promotion.terms.limits))
        .filter(|(_, limits)| limits.shard_count() > 0)
        .collect();
    let wanted = Wanted {
        promotions: &limited,
        ..Wanted::default()
    };
    let observed = store.observe(wanted).await?;
    let spent = limited.iter().filter(|(id, limits)| {
        let left = observed.shards.get(*id).copied().unwrap_or_default();
        is_near_its_end(*limits, left)
    });
    Ok(spent.map(|(id, _)| id.to_string()).collect())
}

fn is_near_its_end(limits: Limits, left: Shard) -> bool {
    let near = |limit: Option<u64>, left: Option<u64>| {
        limit.is_some_and(|limit| is_nearly_spent(limit, left.unwrap_or_default()))
    };
    near(limits.budget.map(Amount::minor), left.budget_left)
        || near(limits.redemptions.map(u64::from), left.uses_left)
}
