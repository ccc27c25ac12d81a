//! `POST /v1/redemptions/{order_id}/…`: confirm a hold, cancel, return lines. Each answers with the order as it then stands.

use axum::extract::{Path, State as Shared};
use chrono::{DateTime, Utc};
use shared::domain::order::OrderId;
use shared::domain::redemption::Redemption;
use shared::domain::returns::ReturnRequest;
use shared::http::{Body, FieldError, NoBody, Problem};

use crate::State;
use crate::answer::RedemptionAnswer;

/// Make a hold final
///
/// Confirming what is redeemed already changes nothing.
#[utoipa::path(
    post,
    path = "/v1/redemptions/{order_id}/confirm",
    operation_id = "confirm_redemption",
    tag = "Checkout",
    params(("order_id" = OrderId, Path, description = "The shop's own id of the order.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "The order as it then stands.", body = RedemptionAnswer),
        (status = 404, description = "There is no redemption under this order id."),
        (status = 409, description = "The hold is over, or the order was cancelled."),
    )
)]
pub(crate) async fn confirm(
    Shared(state): Shared<State>,
    Path(order_id): Path<String>,
    _: NoBody,
) -> Result<Body<RedemptionAnswer>, Problem> {
    let (order_id, now) = (known(order_id)?, state.clock.now());
    let record = state.checkout.store.confirm(&order_id, now).await?;
    answer(&state, &record, now).await
}

/// Cancel a redemption for good
///
/// Codes, budget and uses are given back once, and the order id can never redeem again, even if it never did.
#[utoipa::path(
    post,
    path = "/v1/redemptions/{order_id}/cancel",
    operation_id = "cancel_redemption",
    tag = "Checkout",
    params(("order_id" = OrderId, Path, description = "The shop's own id of the order.")),
    request_body = NoBody,
    responses(
        (status = 200, description = "The order as it then stands.", body = RedemptionAnswer),
        (status = 400, description = "The path names no possible order id."),
    )
)]
pub(crate) async fn cancel(
    Shared(state): Shared<State>,
    Path(order_id): Path<String>,
    _: NoBody,
) -> Result<Body<RedemptionAnswer>, Problem> {
    // An order id never seen is cancelled too, so it must be one.
    let order_id = OrderId::try_from(order_id).map_err(|error| {
        Problem::invalid_body(vec![FieldError::new("/order_id", error.to_string())])
    })?;
    let now = state.clock.now();
    let record = state.checkout.store.cancel(&order_id, now).await?;
    answer(&state, &record, now).await
}

/// Return lines of an order
///
/// The lines' share of the discount comes back, once for each `return_id`.
#[utoipa::path(
    post,
    path = "/v1/redemptions/{order_id}/returns",
    operation_id = "return_lines",
    tag = "Checkout",
    params(("order_id" = OrderId, Path, description = "The shop's own id of the order.")),
    request_body(content = ReturnRequest, example = json!({"return_id": "r1", "lines": [{"line": 0, "quantity": 1}]})),
    responses(
        (status = 200, description = "The order as it then stands.", body = RedemptionAnswer),
        (status = 404, description = "There is no redemption under this order id."),
        (status = 409, description = "The hold is over, or the order was cancelled."),
        (status = 422, description = "The order is only held, or the `return_id` came with other lines before."),
    )
)]
pub(crate) async fn returns(
    Shared(state): Shared<State>,
    Path(order_id): Path<String>,
    Body(request): Body<ReturnRequest>,
) -> Result<Body<RedemptionAnswer>, Problem> {
    let (order_id, now) = (known(order_id)?, state.clock.now());
    let record = state
        .checkout
        .store
        .return_lines(&order_id, &request, now)
        .await?;
    answer(&state, &record, now).await
}

/// The order a path names; text that is no order id names none.
fn known(order_id: String) -> Result<OrderId, Problem> {
    OrderId::try_from(order_id).map_err(|_| Problem::not_found("redemption"))
}

async fn answer(
    state: &State,
    record: &Redemption,
    now: DateTime<Utc>,
) -> Result<Body<RedemptionAnswer>, Problem> {
    RedemptionAnswer::render(state, record, now).await.map(Body)
}
