//! `GET /v1/follow-ups/{id}/results`: what each arm of a follow-up's present experiment brought, and whether that says anything.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::routing::get;
use serde::Serialize;
use shared::domain::experiment::{ArmCounts, Judgement, Verdict, judge};
use shared::domain::follow_up::{Arm, FollowUpId, FollowUpTerms};
use shared::domain::money::{Amount, Currency};
use shared::domain::results::ArmFigures;
use shared::http::{Body, Problem};
use utoipa::ToSchema;

use crate::State;
use crate::follow_ups::{named, unknown};
use crate::stats::{amount, count, rounded};

pub(crate) fn routes() -> Router<State> {
    Router::new().route("/v1/follow-ups/{id}/results", get(results))
}

/// What the arms of a follow-up's present experiment brought, counted within seconds of what happened.
#[derive(Serialize, ToSchema)]
#[schema(as = Results)]
pub(crate) struct Answer {
    follow_up_id: FollowUpId,
    /// The version with which the experiment began: variants, weights and hold-out stand since then.
    experiment: u64,
    /// Currency of all amounts, which are in minor units: that of the variants' promotions.
    #[schema(required)]
    currency: Option<Currency>,
    /// The variants in their order, and last the hold-out, if there is one; also those that nothing is known of yet.
    arms: Vec<ArmResults>,
}

/// One arm.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ArmResults {
    /// The variant's name, or `holdout`.
    pub name: String,
    /// Whether it gets nothing, to compare with.
    pub holdout: bool,
    /// Buyers (people, not orders) who fell into it. They stay in it also if the order by which they did was cancelled, so that
    /// nobody drops out of one arm rather than another.
    pub assigned: u64,
    /// First mails sent; reminders are not counted.
    pub mailed: u64,
    /// Of these, delivered and not bounced later.
    pub delivered: u64,
    /// Of these, bounced for good.
    pub bounced: u64,
    /// Orders that redeemed a code of the arm, without cancelled ones.
    pub redeemed: u64,
    /// Buyers who completed another order that arrived after the one by which they fell into it, and that was neither cancelled
    /// nor refunded in full. A buyer's first 100 orders are looked at.
    pub repeat_buyers: u64,
    /// `repeat_buyers / assigned`; null without buyers.
    #[schema(required)]
    pub repeat_rate: Option<f64>,
    /// Where the true rate lies, with probability 95 % (Wilson's interval): its lower and its upper end; null without buyers.
    #[schema(required)]
    pub interval: Option<[f64; 2]>,
    /// What these later orders came to; those in other currencies are left out.
    pub revenue: Amount,
    /// What codes of the arm took off in orders that were not cancelled, without what came back with returned lines.
    pub discount: Amount,
    /// `revenue / assigned`, rounded half up to the minor unit; null without buyers.
    #[schema(required)]
    pub revenue_per_buyer: Option<Amount>,
    /// `discount / assigned`, rounded half up to the minor unit; null without buyers.
    #[schema(required)]
    pub discount_per_buyer: Option<Amount>,
    /// How much larger the rate is than the hold-out's: 0.3 for 30 % more. Absent for the hold-out itself, without one, and while
    /// nobody of it came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift: Option<f64>,
    /// Where the true lift lies, with probability 95 % for all variants together and however often it is looked at; absent while
    /// that is unbounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift_interval: Option<[f64; 2]>,
    /// Whether it brings more buyers back than the hold-out. It may be looked at every day: all verdicts that an experiment ever
    /// shows are right with probability 95 % (a mixture sequential probability ratio test).
    pub verdict: Verdict,
}

/// What each arm of a follow-up brought
///
/// Of the present experiment: changed variants, weights or hold-out begin another one with zeros. Read from sums, so it takes the
/// same for a thousand orders and for a million.
#[utoipa::path(
    get,
    path = "/v1/follow-ups/{id}/results",
    operation_id = "read_follow_up_results",
    tag = "Follow-ups",
    params(("id" = FollowUpId, Path, description = "The follow-up.")),
    responses(
        (status = 200, description = "The results.", body = Answer),
        (status = 404, description = "There is no such follow-up."),
    )
)]
pub(crate) async fn results(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Body<Answer>, Problem> {
    let now = state.clock.now();
    let id = named(id).ok_or_else(unknown)?;
    let follow_up = state.store.follow_up(&id).await?.ok_or_else(unknown)?;
    let sums = state.store.results(&id, follow_up.experiment).await?;
    let currency = state.store.currency_of(&follow_up, now).await?;
    Ok(Body(Answer {
        arms: arms(&follow_up.terms, &sums),
        follow_up_id: follow_up.id,
        experiment: follow_up.experiment,
        currency,
    }))
}

/// What the arms of these terms brought, by the sums of their experiment: the variants in their order, and last the hold-out.
pub fn arms<S: std::hash::BuildHasher>(
    terms: &FollowUpTerms,
    sums: &HashMap<String, ArmFigures, S>,
) -> Vec<ArmResults> {
    let arms: Vec<(&str, ArmFigures, ArmCounts)> = terms
        .arms()
        .into_iter()
        .map(|(arm, weight)| {
            let figures = sums.get(arm.name()).copied().unwrap_or_default();
            let counts = ArmCounts {
                weight,
                holdout: arm == Arm::Holdout,
                assigned: count(figures.assigned),
                repeat_buyers: count(figures.repeat_buyers),
            };
            (arm.name(), figures, counts)
        })
        .collect();
    let counts: Vec<ArmCounts> = arms.iter().map(|(_, _, counts)| *counts).collect();
    let judged = arms.into_iter().zip(judge(&counts));
    judged
        .map(|((name, figures, counts), judgement)| arm(name, &figures, counts, &judgement))
        .collect()
}

fn arm(name: &str, figures: &ArmFigures, counts: ArmCounts, judgement: &Judgement) -> ArmResults {
    ArmResults {
        name: name.to_owned(),
        holdout: counts.holdout,
        assigned: counts.assigned,
        mailed: count(figures.mailed),
        delivered: count(figures.delivered),
        bounced: count(figures.bounced),
        redeemed: count(figures.redeemed),
        repeat_buyers: counts.repeat_buyers,
        repeat_rate: judgement.repeat_rate,
        interval: judgement.interval,
        revenue: amount(figures.revenue),
        discount: amount(figures.discount),
        revenue_per_buyer: per_buyer(figures.revenue, figures.assigned),
        discount_per_buyer: per_buyer(figures.discount, figures.assigned),
        lift: judgement.lift,
        lift_interval: judgement.lift_interval,
        verdict: judgement.verdict,
    }
}

/// Rounded half up to the minor unit.
fn per_buyer(sum: i128, assigned: i128) -> Option<Amount> {
    rounded(sum, assigned).map(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_per_buyer_is_rounded_half_up_and_unknown_without_buyers() {
        let minor = |sum, assigned| per_buyer(sum, assigned).map(Amount::minor);
        assert_eq!(minor(10, 0), None);
        assert_eq!(minor(10, 4), Some(3));
        assert_eq!(minor(9, 4), Some(2));
        assert_eq!(minor(0, 4), Some(0));
    }
}
