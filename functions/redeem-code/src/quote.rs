//! `POST /v1/quotes`: what codes are worth for a cart. Writes nothing.

use axum::extract::State as Shared;
use serde::Serialize;
use shared::checkout::{
    Buyer, Offered, automatic_answers, code_answers, judge_items, price_within_limits,
};
use shared::domain::redemption::{AutomaticAnswer, CodeAnswer, Priced};
use shared::http::{Body, Problem};
use utoipa::ToSchema;

use crate::State;
use crate::attempts;
use crate::explanation::{Explained, explain_all};
use crate::request::QuoteBody;

/// What codes are worth for a cart. `total = subtotal − discount + shipping − shipping_discount`.
#[derive(Serialize, ToSchema)]
#[schema(as = Quote)]
pub(crate) struct QuoteAnswer {
    #[serde(flatten)]
    priced: Priced,
    /// What became of each code, each once.
    codes: Vec<CodeAnswer>,
    /// What applies without a code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    automatic: Vec<AutomaticAnswer>,
    /// How it came about, step by step; only if the caller asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Vec<Explained>>,
}

/// Quote codes for a cart
///
/// It writes nothing. Without `customer`, conditions on the customer are skipped.
#[utoipa::path(
    post,
    path = "/v1/quotes",
    operation_id = "quote",
    tag = "Checkout",
    request_body(content = QuoteBody, example = json!({
        "codes": ["THX9-7K3M-9QXA-2F4T"],
        "cart": {"currency": "JPY", "shipping": 500, "lines": [{"sku": "B0CHX1W1XY", "quantity": 2, "unit_price": 1980}]}
    })),
    responses(
        (status = 200, description = "What the codes are worth, and why those that do not apply do not.", body = QuoteAnswer),
        (status = 429, description = "Too many unknown codes were tried for this customer or address."),
    )
)]
pub(crate) async fn quote(
    Shared(state): Shared<State>,
    Body(body): Body<QuoteBody>,
) -> Result<Body<QuoteAnswer>, Problem> {
    let explain = body.explain;
    let request = body.check()?;
    let now = state.clock.now();
    let (checkout, offered) = (&state.checkout, Offered::CodesAndAutomatic);
    let people = request.people(&checkout.identity);
    let mut resolved = checkout
        .resolve(&request.codes, offered, &people, now)
        .await?;
    let observed = checkout.observe(&resolved, &people).await?;
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
