//! What the buyer gets.

use serde::{Deserialize, Serialize};

use super::money::{Amount, BasisPoints, Currency};

/// A promotion's discount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", try_from = "BenefitBody")]
pub enum Benefit {
    /// A share of the eligible lines, taken once over all of them.
    PercentOff {
        /// The share.
        percent: BasisPoints,
        /// The most it may come to, in minor units.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_discount: Option<Amount>,
    },
    /// A fixed amount, but never more than the eligible lines cost.
    AmountOff {
        /// The amount, in minor units; at least 1.
        amount: Amount,
    },
}

impl Benefit {
    /// The discount in a word, as buyers read it: `10%` or `¥500`.
    pub fn display(&self, currency: Currency) -> String {
        match self {
            Self::PercentOff { percent, .. } => format!("{percent}%"),
            Self::AmountOff { amount } => amount.display(currency),
        }
    }
}

/// A benefit as it is written in JSON, so that a wrong field is pointed at instead of the whole benefit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BenefitBody {
    #[serde(rename = "type")]
    kind: BenefitKind,
    percent: Option<BasisPoints>,
    max_discount: Option<Amount>,
    amount: Option<Amount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum BenefitKind {
    PercentOff,
    AmountOff,
}

/// The benefit's fields do not go together.
#[derive(Debug, thiserror::Error)]
enum InvalidBenefit {
    #[error("missing field `{0}`")]
    Missing(&'static str),
    #[error("`{field}` does not belong to a benefit of type `{kind}`")]
    Foreign {
        field: &'static str,
        kind: &'static str,
    },
    #[error("`{0}` must be at least 1")]
    Zero(&'static str),
}

impl TryFrom<BenefitBody> for Benefit {
    type Error = InvalidBenefit;

    fn try_from(body: BenefitBody) -> Result<Self, InvalidBenefit> {
        match body.kind {
            BenefitKind::PercentOff => {
                absent(body.amount.as_ref(), "amount", "percent_off")?;
                let percent = body.percent.ok_or(InvalidBenefit::Missing("percent"))?;
                if body.max_discount == Some(Amount::ZERO) {
                    return Err(InvalidBenefit::Zero("max_discount"));
                }
                Ok(Self::PercentOff {
                    percent,
                    max_discount: body.max_discount,
                })
            }
            BenefitKind::AmountOff => {
                absent(body.percent.as_ref(), "percent", "amount_off")?;
                absent(body.max_discount.as_ref(), "max_discount", "amount_off")?;
                match body.amount.ok_or(InvalidBenefit::Missing("amount"))? {
                    Amount::ZERO => Err(InvalidBenefit::Zero("amount")),
                    amount => Ok(Self::AmountOff { amount }),
                }
            }
        }
    }
}

fn absent<T>(
    value: Option<&T>,
    field: &'static str,
    kind: &'static str,
) -> Result<(), InvalidBenefit> {
    match value {
        None => Ok(()),
        Some(_) => Err(InvalidBenefit::Foreign { field, kind }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_benefit_with_missing_or_foreign_fields_is_refused() {
        for json in [
            r#"{"type":"percent_off"}"#,
            r#"{"type":"percent_off","percent":10,"amount":5}"#,
            r#"{"type":"percent_off","percent":10,"max_discount":0}"#,
            r#"{"type":"percent_off","percent":10.123}"#,
            r#"{"type":"amount_off","percent":10}"#,
            r#"{"type":"amount_off","amount":0}"#,
            r#"{"type":"amount_off","amount":5,"extra":1}"#,
            r#"{"type":"half_off"}"#,
        ] {
            assert!(serde_json::from_str::<Benefit>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_benefit_is_written_as_it_was_read() {
        for json in [
            r#"{"type":"percent_off","percent":12.5,"max_discount":3000}"#,
            r#"{"type":"percent_off","percent":10}"#,
            r#"{"type":"amount_off","amount":500}"#,
        ] {
            let benefit: Benefit = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&benefit).unwrap(), json);
        }
    }
}
