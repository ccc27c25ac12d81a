//! A quote's explanation: the steps of its pricing in sentences.

use serde::Serialize;
use shared::domain::money::Currency;
use shared::domain::pricing::Allocation;
use shared::domain::redemption::Reason;

use crate::resolve::Resolved;

/// One step of a quote.
#[derive(Serialize)]
pub(crate) struct Explained {
    /// The code it is about; none for the cart as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Its kind.
    step: &'static str,
    /// It in a sentence.
    detail: String,
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
            Some(Explained {
                code: Some(code.text.clone()),
                step: "refused",
                detail: refused(code.verdict.err()?),
            })
        });
    let steps = allocation.trace.iter().map(|traced| Explained {
        code: traced
            .promotion
            .and_then(|place| Some(resolved.get(place)?.text.clone())),
        step: traced.step.name(),
        detail: traced.step.sentence(currency),
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
