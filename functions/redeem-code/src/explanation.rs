//! A quote's explanation: the steps of its pricing in sentences.

use serde::Serialize;
use shared::checkout::Resolved;
use shared::domain::code::PromotionId;
use shared::domain::money::Currency;
use shared::domain::pricing::Allocation;
use shared::domain::redemption::Reason;
use utoipa::ToSchema;

/// One step of a quote.
#[derive(Serialize, ToSchema)]
#[schema(as = QuoteStep)]
pub(crate) struct Explained {
    /// The code it is about; none for a promotion that applies by itself, and for the cart as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The promotion it is about, if that applies by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    promotion_id: Option<PromotionId>,
    /// Its kind.
    step: &'static str,
    /// It in a sentence.
    detail: String,
}

impl Explained {
    fn about(code: Option<&Resolved>, step: &'static str, detail: String) -> Self {
        let promotion_id = code.and_then(Resolved::automatic_id).cloned();
        let code = code.filter(|_| promotion_id.is_none());
        Self {
            code: code.map(|code| code.text.clone()),
            promotion_id,
            step,
            detail,
        }
    }
}

/// First the codes that were not priced at all, then the steps of pricing in their order.
pub(crate) fn explain_all(
    resolved: &[Resolved],
    allocation: &Allocation,
    currency: Currency,
) -> Vec<Explained> {
    let priced: Vec<usize> = allocation
        .trace
        .iter()
        .filter_map(|traced| traced.promotion)
        .collect();
    let unpriced = resolved
        .iter()
        .enumerate()
        .filter(|(place, _)| !priced.contains(place))
        .filter_map(|(_, code)| {
            let detail = refused(code.verdict.err()?);
            Some(Explained::about(Some(code), "refused", detail))
        });
    let steps = allocation.trace.iter().map(|traced| {
        let code = traced.promotion.and_then(|place| resolved.get(place));
        Explained::about(code, traced.step.name(), traced.step.sentence(currency))
    });
    unpriced.chain(steps).collect()
}

/// Why a code was not even priced; `reason` in the code's own answer says which it is.
fn refused(reason: Reason) -> String {
    let slug = serde_json::to_value(reason).unwrap_or_default();
    format!(
        "Was not priced, because of its state or its limits: {}.",
        slug.as_str().unwrap_or_default()
    )
}
