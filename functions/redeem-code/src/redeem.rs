//! `/v1/redemptions/{order_id}`: redeem, or hold, and read.

use std::borrow::Cow;

use axum::extract::{Path, State as Shared};
use axum::response::Response;
use http::StatusCode;
use rand::RngExt;
use shared::checkout::{CheckoutError, Offered, Order};
use shared::domain::order::OrderId;
use shared::domain::redemption::Redemption;
use shared::http::body::json;
use shared::http::{Body, FieldError, Problem};

use crate::State;
use crate::answer::RedemptionAnswer;
use crate::attempts;
use crate::request::RedemptionBody;

/// Redeem codes for an order, or hold them
///
/// All or none. The same request again, however often, gets the first answer with 200; while it is unknown what became of a
/// request, send it again.
#[utoipa::path(
    put,
    path = "/v1/redemptions/{order_id}",
    operation_id = "redeem",
    tag = "Checkout",
    params(("order_id" = OrderId, Path, description = "The shop's own id of the order.")),
    request_body(content = RedemptionBody, example = json!({
        "codes": ["THX9-7K3M-9QXA-2F4T"], "customer": {"email": "hanako@example.jp"},
        "cart": {"currency": "JPY", "shipping": 500, "lines": [{"sku": "B0CHX1W1XY", "quantity": 2, "unit_price": 1980}]}
    })),
    responses(
        (status = 201, description = "The codes are used, or held.", body = RedemptionAnswer, links(
            ("read" = (operation_id = "read_redemption", parameters(("order_id" = "$request.path.order_id")))),
            ("confirm" = (operation_id = "confirm_redemption", parameters(("order_id" = "$request.path.order_id")))),
            ("return" = (operation_id = "return_lines", parameters(("order_id" = "$request.path.order_id")))),
            ("cancel" = (operation_id = "cancel_redemption", parameters(("order_id" = "$request.path.order_id")))),
        )),
        (status = 200, description = "The same request did it before.", body = RedemptionAnswer, links(
            ("read" = (operation_id = "read_redemption", parameters(("order_id" = "$request.path.order_id")))),
            ("confirm" = (operation_id = "confirm_redemption", parameters(("order_id" = "$request.path.order_id")))),
            ("return" = (operation_id = "return_lines", parameters(("order_id" = "$request.path.order_id")))),
            ("cancel" = (operation_id = "cancel_redemption", parameters(("order_id" = "$request.path.order_id")))),
        )),
        (status = 404, description = "There is no such code; nothing was redeemed."),
        (status = 409, description = "Another order has the code, or this order redeemed something else or was cancelled."),
        (status = 422, description = "A code does not apply; nothing was redeemed."),
        (status = 429, description = "Too many unknown codes were tried for this customer or address."),
    )
)]
pub(crate) async fn redeem(
    Shared(state): Shared<State>,
    Path(order_id): Path<String>,
    Body(body): Body<RedemptionBody>,
) -> Result<Response, Problem> {
    let order_id = OrderId::try_from(order_id).map_err(|error| {
        Problem::invalid_body(vec![FieldError::new("/order_id", error.to_string())])
    })?;
    let request = body.check()?;
    let identity = &state.checkout.identity;
    let order = Order {
        order_id: &order_id,
        codes: &request.codes,
        offered: Offered::CodesAndAutomatic,
        people: request.people(identity),
        cart: &request.cart,
        hold: request.hold,
        fingerprint: request
            .fingerprint(identity)
            .map_err(|error| Problem::unavailable(&error))?,
        written_by: format!("{:032x}", rand::rng().random::<u128>()),
        now: state.clock.now(),
    };
    let redeemed = state.checkout.redeem(&order).await;
    if let Some(outcome) = outcome(&redeemed, &order) {
        let by = Some(("Outcome", outcome.as_ref()));
        state.metrics.count(order.now, "Redemptions", 1, by);
    }
    let record = match redeemed {
        Err(CheckoutError::Refused(codes)) => {
            attempts::count(&state, &request, &codes, order.now).await?;
            return Err(CheckoutError::Refused(codes).into());
        }
        redeemed => redeemed?,
    };
    let status = if is_ours(&record, &order) {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(json(
        status,
        &RedemptionAnswer::render(&state, &record, order.now).await?,
    ))
}

/// Whether this very call made the redemption.
fn is_ours(record: &Redemption, order: &Order<'_>) -> bool {
    let redeemed = record.redeemed.as_ref();
    redeemed.is_some_and(|redeemed| redeemed.written_by == order.written_by)
}

/// The word under which a call counts: what it made, or the first reason against it; none for a repetition.
fn outcome(
    redeemed: &Result<Redemption, CheckoutError>,
    order: &Order<'_>,
) -> Option<Cow<'static, str>> {
    let word = match redeemed {
        Ok(record) if !is_ours(record, order) => return None,
        Ok(_) if order.hold.is_some() => "held",
        Ok(_) => "redeemed",
        Err(CheckoutError::Refused(codes)) => {
            let reason = codes.iter().find_map(|code| code.verdict.err())?;
            let word = serde_json::to_value(reason).ok()?;
            return word.as_str().map(|word| word.to_owned().into());
        }
        Err(CheckoutError::Nothing) => "nothing",
        Err(CheckoutError::AlreadyRedeemed) => "order-already-redeemed",
        Err(CheckoutError::Cancelled) => "order-cancelled",
        Err(CheckoutError::Store(_) | CheckoutError::Keys(_)) => "unavailable",
    };
    Some(word.into())
}

/// Read a redemption
#[utoipa::path(
    get,
    path = "/v1/redemptions/{order_id}",
    operation_id = "read_redemption",
    tag = "Checkout",
    params(("order_id" = OrderId, Path, description = "The shop's own id of the order.")),
    responses(
        (status = 200, description = "What the order redeemed, and what became of it.", body = RedemptionAnswer),
        (status = 404, description = "There is no redemption under this order id."),
    )
)]
pub(crate) async fn read(
    Shared(state): Shared<State>,
    Path(order_id): Path<String>,
) -> Result<Body<RedemptionAnswer>, Problem> {
    let unknown = || Problem::not_found("redemption");
    let order_id = OrderId::try_from(order_id).map_err(|_| unknown())?;
    let record = state
        .checkout
        .store
        .redemption(&order_id)
        .await?
        .ok_or_else(unknown)?;
    RedemptionAnswer::render(&state, &record, state.clock.now())
        .await
        .map(Body)
}
