//! Codes of ours that an order lists: the shop took them itself, so they are redeemed under the order, no limit skipped.
//!
//! An order that has a redemption already is left alone: its checkout asked us. What cannot be redeemed is kept as unreconciled,
//! for staff to see. A redemption made here is taken back when the order is cancelled or refunded, since no checkout would.

use chrono::{DateTime, Utc};
use shared::checkout::{CheckoutError, Offered, Order, Resolved};
use shared::domain::cart::{Cart, CartLine, Sku};
use shared::domain::code::TypedCode;
use shared::domain::identity::Email;
use shared::domain::money::Amount;
use shared::domain::order::{OrderEvent, OrderId, OrderLine};
use shared::domain::redemption::MAX_CODES;
use shared::store::{Unreconciled, UnreconciledCode};

use crate::State;

/// Marks the records that are written here.
const WRITTEN_BY: &str = "order-event";

/// Redeems the codes of a completed order, or keeps why they cannot be.
///
/// # Errors
/// [`CheckoutError::Store`] or [`CheckoutError::Keys`]: the event is to come again.
pub(crate) async fn redeem(
    state: &State,
    order: &OrderEvent,
    now: DateTime<Utc>,
) -> Result<(), CheckoutError> {
    let (checkout, store) = (&state.checkout, &state.checkout.store);
    let known = known_codes(state, order, now).await?;
    if known.is_empty() || store.redemption(&order.order_id).await?.is_some() {
        return Ok(());
    }
    let codes: Vec<TypedCode> = known.iter().map(|(typed, _)| typed.clone()).collect();
    let Some(cart) = cart(order) else {
        let found = known.into_iter().map(|(_, resolved)| resolved).collect();
        return keep(state, &order.order_id, found, now).await;
    };
    let customer = &order.customer;
    let email = customer.email.as_ref().map(Email::as_str);
    let wanted = Order {
        order_id: &order.order_id,
        codes: &codes,
        offered: Offered::Codes,
        people: checkout
            .identity
            .people(customer.id.as_deref(), email, None),
        cart: &cart,
        hold: None,
        fingerprint: fingerprint(state, &order.order_id, &codes),
        written_by: WRITTEN_BY.to_owned(),
        now,
    };
    match checkout.redeem(&wanted).await {
        // Cancelled meanwhile: whoever did it wrote the tombstone before looking for a redemption, so one of the two sees the other.
        Ok(_) if store.tombstone(&order.order_id).await?.is_some() => {
            take_back(state, &order.order_id, now).await
        }
        Ok(_)
        | Err(CheckoutError::AlreadyRedeemed | CheckoutError::Cancelled | CheckoutError::Nothing) => {
            Ok(())
        }
        Err(CheckoutError::Refused(refused)) => keep(state, &order.order_id, refused, now).await,
        Err(error @ (CheckoutError::Store(_) | CheckoutError::Keys(_))) => Err(error),
    }
}

/// Takes a redemption back that was made here.
///
/// # Errors
/// [`CheckoutError::Store`]: the event is to come again.
pub(crate) async fn take_back(
    state: &State,
    order: &OrderId,
    now: DateTime<Utc>,
) -> Result<(), CheckoutError> {
    let store = &state.checkout.store;
    let record = store.redemption(order).await?;
    let redeemed = record.and_then(|record| record.redeemed);
    if redeemed.is_some_and(|redeemed| redeemed.written_by == WRITTEN_BY) {
        store.cancel(order, now).await?;
    }
    Ok(())
}

/// Those of the order's codes that are ours, each once, as many as an order can have.
async fn known_codes(
    state: &State,
    order: &OrderEvent,
    now: DateTime<Utc>,
) -> Result<Vec<(TypedCode, Resolved)>, CheckoutError> {
    let mut typed: Vec<TypedCode> = Vec::new();
    for code in order.codes.iter().map(|text| TypedCode::read(text)) {
        if !typed.contains(&code) {
            typed.push(code);
        }
    }
    typed.truncate(MAX_CODES);
    if typed.is_empty() {
        return Ok(Vec::new());
    }
    let resolved = state
        .checkout
        .resolve(&typed, Offered::Codes, &[], now)
        .await?;
    let ours = typed.into_iter().zip(resolved);
    Ok(ours
        .filter(|(_, resolved)| resolved.found.is_some())
        .collect())
}

/// The order's lines as a cart, or `None` if they cannot be one. What shipping cost is not told.
fn cart(order: &OrderEvent) -> Option<Cart> {
    let line = |line: &OrderLine| {
        Some(CartLine {
            sku: Sku::try_from(line.sku.clone()).ok()?,
            quantity: line.quantity,
            unit_price: line.unit_price,
        })
    };
    let lines: Option<Vec<CartLine>> = order.lines.iter().map(line).collect();
    let cart = Cart {
        currency: order.currency?,
        shipping: Amount::ZERO,
        lines: lines?,
    };
    cart.faults().is_empty().then_some(cart)
}

/// The same for every delivery of the event.
fn fingerprint(state: &State, order: &OrderId, codes: &[TypedCode]) -> String {
    let mut codes: Vec<String> = codes.iter().map(TypedCode::identity).collect();
    codes.sort_unstable();
    let told = format!("{WRITTEN_BY} {order} {}", codes.join(" "));
    state.checkout.identity.fingerprint(told.as_bytes())
}

async fn keep(
    state: &State,
    order: &OrderId,
    codes: Vec<Resolved>,
    at: DateTime<Utc>,
) -> Result<(), CheckoutError> {
    let codes = codes.into_iter().filter_map(|code| {
        Some(UnreconciledCode {
            promotion_id: code.found?.promotion.id.clone(),
            reason: code.verdict.err(),
        })
    });
    let unreconciled = Unreconciled {
        codes: codes.collect(),
        at,
    };
    tracing::warn!(order.id = %order, "an order's codes could not be redeemed under it");
    Ok(state
        .checkout
        .store
        .record_unreconciled(order, &unreconciled)
        .await?)
}
