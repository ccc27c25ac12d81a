//! A stored redemption as callers see it, with the text of its codes rendered again.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::code::{PromotionId, Serial};
use shared::domain::order::OrderId;
use shared::domain::redemption::{
    AutomaticAnswer, CodeAnswer, CodeRef, Priced, RedeemedCode, Redemption, RedemptionStatus,
};
use shared::domain::returns::Return;
use shared::http::Problem;
use shared::store::Freshness;
use utoipa::ToSchema;

use crate::State;

/// What an order redeemed, under its current status. `total = subtotal − discount + shipping − shipping_discount`.
#[derive(Serialize, ToSchema)]
#[schema(as = Redemption)]
pub(crate) struct RedemptionAnswer {
    order_id: OrderId,
    status: RedemptionStatus,
    /// Absent for an order that was cancelled before it redeemed anything.
    #[serde(flatten)]
    priced: Option<Priced>,
    /// What became of each code, each once.
    #[serde(skip_serializing_if = "Option::is_none")]
    codes: Option<Vec<CodeAnswer>>,
    /// What applied without a code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    automatic: Vec<AutomaticAnswer>,
    /// Absent for a hold that was not confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    redeemed_at: Option<DateTime<Utc>>,
    /// When a hold ends, or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<DateTime<Utc>>,
    /// What came back, in that order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    returns: Vec<Return>,
}

impl RedemptionAnswer {
    /// The first answer's amounts under the current status.
    pub(crate) async fn render(
        state: &State,
        record: &Redemption,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let mut automatic = Vec::new();
        let codes = match &record.redeemed {
            None => None,
            Some(redeemed) => {
                let mut codes = Vec::with_capacity(redeemed.codes.len());
                for code in &redeemed.codes {
                    match (&code.code, code.discount) {
                        (CodeRef::Automatic, Some(discount)) => automatic.push(AutomaticAnswer {
                            promotion_id: code.promotion_id.clone(),
                            discount,
                        }),
                        (CodeRef::Automatic, None) => {}
                        (CodeRef::Word(word), _) => codes.push(answer(code, word.clone())),
                        (CodeRef::Serial(serial), _) => {
                            let text = seal(state, &code.promotion_id, *serial, now).await?;
                            codes.push(answer(code, text));
                        }
                    }
                }
                Some(codes)
            }
        };
        Ok(Self {
            order_id: record.order_id.clone(),
            status: record.status,
            priced: record
                .redeemed
                .as_ref()
                .map(|redeemed| redeemed.priced.clone()),
            codes,
            automatic,
            redeemed_at: record
                .redeemed
                .as_ref()
                .filter(|_| record.held_until.is_none())
                .map(|redeemed| redeemed.redeemed_at),
            held_until: record.held_until,
            cancelled_at: record.cancelled_at,
            returns: record.returns.clone(),
        })
    }
}

/// A single-use code's text again.
async fn seal(
    state: &State,
    promotion_id: &PromotionId,
    serial: Serial,
    now: DateTime<Utc>,
) -> Result<String, Problem> {
    let known = state
        .checkout
        .store
        .promotion(promotion_id, Freshness::Remembered, now)
        .await?;
    let missing = || {
        Problem::unavailable(&format!(
            "promotion {promotion_id} of a redemption is missing"
        ))
    };
    let promotion = known.ok_or_else(missing)?.promotion;
    let code_key = state.checkout.code_keys.of(&promotion).await?;
    Ok(code_key.seal(serial).reveal())
}

fn answer(code: &RedeemedCode, text: String) -> CodeAnswer {
    CodeAnswer {
        code: text,
        promotion_id: Some(code.promotion_id.clone()),
        applied: code.discount.is_some(),
        discount: code.discount,
        reason: code.reason,
    }
}
