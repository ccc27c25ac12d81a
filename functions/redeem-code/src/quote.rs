//! `POST /v1/quotes`: what codes are worth for a cart. Writes nothing.

use axum::extract::State as Shared;
use serde::Serialize;
use shared::domain::redemption::{AutomaticAnswer, CodeAnswer, Priced};
use shared::http::{Body, Problem};

use crate::State;
use crate::attempts;
use crate::explanation::{Explained, explain_all};
use crate::request::QuoteBody;
use crate::resolve::{
    Buyer, automatic_answers, code_answers, judge_items, observe, price_within_limits, resolve,
};

#[derive(Serialize)]
pub(crate) struct QuoteAnswer {
    #[serde(flatten)]
    priced: Priced,
    codes: Vec<CodeAnswer>,
    /// What applies without a code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    automatic: Vec<AutomaticAnswer>,
    /// Only if the caller asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Vec<Explained>>,
}

pub(crate) async fn quote(
    Shared(state): Shared<State>,
    Body(body): Body<QuoteBody>,
) -> Result<Body<QuoteAnswer>, Problem> {
    let explain = body.explain;
    let request = body.check()?;
    let now = state.clock.now();
    let people = request.people(&state.identity);
    let mut resolved = resolve(&state, &request.codes, &people, now).await?;
    let observed = observe(&state, &resolved, &people).await?;
    let buyer = match people.as_slice() {
        [] => Buyer::Skipped,
        people => Buyer::People(people),
    };
    judge_items(&mut resolved, &observed, buyer, now);
    attempts::count(&state, &request, &resolved, now).await?;
    let allocation = price_within_limits(&request.cart, &mut resolved, &observed);
    let priced = Priced::new(&request.cart, &allocation);
    let explanation = explain.then(|| explain_all(&resolved, &allocation, request.cart.currency));
    Ok(Body(QuoteAnswer {
        priced,
        explanation,
        codes: code_answers(&resolved),
        automatic: automatic_answers(&resolved),
    }))
}
