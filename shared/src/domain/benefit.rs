//! What the buyer gets.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cart::{MAX_QUANTITY, Sku};
use super::money::{Amount, BasisPoints, Currency};
use super::promotion::MAX_SKUS;

/// Most tiers of a tiered discount. Source: design.md §7.
pub const MAX_TIERS: usize = 9;

/// A promotion's discount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// A share that grows with what the eligible lines come to.
    TieredPercentOff {
        /// The shares and from where on each holds.
        tiers: Tiers,
    },
    /// A share of some units for whoever buys others with them, as many times as the cart completes a set.
    BuyXGetY {
        /// Units of a set that keep their price.
        buy: SetUnits,
        /// Units of a set that are discounted.
        get: SetUnits,
        /// Their discount.
        percent: BasisPoints,
        /// What the discounted units must be; without it, any eligible product.
        #[serde(skip_serializing_if = "Option::is_none")]
        get_products: Option<GetProducts>,
    },
    /// All of the shipping, and nothing of the lines.
    FreeShipping,
}

impl Benefit {
    /// The discount in a word: `10%`, `¥500`, `5–15%`, `2+1`; `free shipping`.
    pub fn display(&self, currency: Currency) -> String {
        match self {
            Self::PercentOff { percent, .. } => format!("{percent}%"),
            Self::AmountOff { amount } => amount.display(currency),
            Self::TieredPercentOff { tiers } => match tiers.range() {
                (lowest, highest) if lowest == highest => format!("{highest}%"),
                (lowest, highest) => format!("{lowest}–{highest}%"),
            },
            Self::BuyXGetY { buy, get, .. } => format!("{}+{}", buy.get(), get.get()),
            Self::FreeShipping => "free shipping".to_owned(),
        }
    }
}

/// A share and from where on it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Least price of the eligible lines before discounts, in minor units.
    pub min_subtotal: Amount,
    /// The share.
    pub percent: BasisPoints,
}

/// 1 to [`MAX_TIERS`] tiers, each beginning above the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Tier>", into = "Vec<Tier>")]
pub struct Tiers {
    first: Tier,
    rest: Vec<Tier>,
}

/// The tiers are no ascending list.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTiers {
    /// None, or too many.
    #[error("there are 1 to {MAX_TIERS} tiers")]
    Count,
    /// One does not begin above the one before.
    #[error("each tier's `min_subtotal` is above that of the tier before")]
    Order,
}

impl Tiers {
    /// The tier that eligible lines of `subtotal` reach: the last whose `min_subtotal` is no more.
    pub fn reached(&self, subtotal: Amount) -> Option<Tier> {
        let mut all = std::iter::once(&self.first).chain(&self.rest).rev();
        all.find(|tier| tier.min_subtotal <= subtotal).copied()
    }

    /// Where the first tier begins, in minor units.
    pub fn least(&self) -> Amount {
        self.first.min_subtotal
    }

    /// The smallest and the largest share. A later tier may well be the smaller one.
    pub fn range(&self) -> (BasisPoints, BasisPoints) {
        let first = (self.first.percent, self.first.percent);
        self.rest.iter().fold(first, |(lowest, highest), tier| {
            (lowest.min(tier.percent), highest.max(tier.percent))
        })
    }
}

impl TryFrom<Vec<Tier>> for Tiers {
    type Error = InvalidTiers;

    fn try_from(tiers: Vec<Tier>) -> Result<Self, InvalidTiers> {
        if tiers.len() > MAX_TIERS {
            return Err(InvalidTiers::Count);
        }
        if !tiers.is_sorted_by(|one, next| one.min_subtotal < next.min_subtotal) {
            return Err(InvalidTiers::Order);
        }
        let mut tiers = tiers.into_iter();
        let first = tiers.next().ok_or(InvalidTiers::Count)?;
        Ok(Self {
            first,
            rest: tiers.collect(),
        })
    }
}

impl From<Tiers> for Vec<Tier> {
    fn from(tiers: Tiers) -> Self {
        let mut all = vec![tiers.first];
        all.extend(tiers.rest);
        all
    }
}

/// Units of one kind in a set: 1 to [`MAX_QUANTITY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct SetUnits(u64);

/// No such number of units can make a set.
#[derive(Debug, thiserror::Error)]
#[error("a set has 1 to {MAX_QUANTITY} units of each kind")]
pub struct InvalidSetUnits;

impl SetUnits {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for SetUnits {
    type Error = InvalidSetUnits;

    fn try_from(units: u64) -> Result<Self, InvalidSetUnits> {
        if (1..=MAX_QUANTITY).contains(&units) {
            Ok(Self(units))
        } else {
            Err(InvalidSetUnits)
        }
    }
}

impl From<SetUnits> for u64 {
    fn from(units: SetUnits) -> Self {
        units.0
    }
}

/// 1 to [`MAX_SKUS`] SKUs or ASINs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Sku>", into = "Vec<Sku>")]
pub struct GetProducts(Vec<Sku>);

/// The list is empty or too long.
#[derive(Debug, thiserror::Error)]
#[error("`get_products` has 1 to {MAX_SKUS} SKUs; leave it out for any eligible product")]
pub struct InvalidGetProducts;

impl GetProducts {
    /// The list.
    pub fn skus(&self) -> &[Sku] {
        &self.0
    }
}

impl TryFrom<Vec<Sku>> for GetProducts {
    type Error = InvalidGetProducts;

    fn try_from(skus: Vec<Sku>) -> Result<Self, InvalidGetProducts> {
        if (1..=MAX_SKUS).contains(&skus.len()) {
            Ok(Self(skus))
        } else {
            Err(InvalidGetProducts)
        }
    }
}

impl From<GetProducts> for Vec<Sku> {
    fn from(products: GetProducts) -> Self {
        products.0
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
    tiers: Option<Tiers>,
    buy: Option<SetUnits>,
    get: Option<SetUnits>,
    get_products: Option<GetProducts>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BenefitKind {
    PercentOff,
    AmountOff,
    TieredPercentOff,
    BuyXGetY,
    FreeShipping,
}

impl BenefitKind {
    /// Its name and the fields it may have.
    fn form(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::PercentOff => ("percent_off", &["percent", "max_discount"]),
            Self::AmountOff => ("amount_off", &["amount"]),
            Self::TieredPercentOff => ("tiered_percent_off", &["tiers"]),
            Self::BuyXGetY => ("buy_x_get_y", &["buy", "get", "percent", "get_products"]),
            Self::FreeShipping => ("free_shipping", &[]),
        }
    }
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

impl BenefitBody {
    fn refuse_foreign_fields(&self) -> Result<(), InvalidBenefit> {
        let (kind, fields) = self.kind.form();
        let given = [
            ("percent", self.percent.is_some()),
            ("max_discount", self.max_discount.is_some()),
            ("amount", self.amount.is_some()),
            ("tiers", self.tiers.is_some()),
            ("buy", self.buy.is_some()),
            ("get", self.get.is_some()),
            ("get_products", self.get_products.is_some()),
        ];
        let mut given = given.into_iter().filter(|(_, given)| *given);
        match given.find(|(field, _)| !fields.contains(field)) {
            None => Ok(()),
            Some((field, _)) => Err(InvalidBenefit::Foreign { field, kind }),
        }
    }
}

impl TryFrom<BenefitBody> for Benefit {
    type Error = InvalidBenefit;

    fn try_from(body: BenefitBody) -> Result<Self, InvalidBenefit> {
        body.refuse_foreign_fields()?;
        match body.kind {
            BenefitKind::PercentOff => {
                let percent = required(body.percent, "percent")?;
                if body.max_discount == Some(Amount::ZERO) {
                    return Err(InvalidBenefit::Zero("max_discount"));
                }
                Ok(Self::PercentOff {
                    percent,
                    max_discount: body.max_discount,
                })
            }
            BenefitKind::AmountOff => match required(body.amount, "amount")? {
                Amount::ZERO => Err(InvalidBenefit::Zero("amount")),
                amount => Ok(Self::AmountOff { amount }),
            },
            BenefitKind::TieredPercentOff => Ok(Self::TieredPercentOff {
                tiers: required(body.tiers, "tiers")?,
            }),
            BenefitKind::BuyXGetY => Ok(Self::BuyXGetY {
                buy: required(body.buy, "buy")?,
                get: required(body.get, "get")?,
                percent: required(body.percent, "percent")?,
                get_products: body.get_products,
            }),
            BenefitKind::FreeShipping => Ok(Self::FreeShipping),
        }
    }
}

fn required<T>(value: Option<T>, field: &'static str) -> Result<T, InvalidBenefit> {
    value.ok_or(InvalidBenefit::Missing(field))
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
            r#"{"type":"tiered_percent_off"}"#,
            r#"{"type":"tiered_percent_off","percent":5,"tiers":[{"min_subtotal":1,"percent":5}]}"#,
            r#"{"type":"buy_x_get_y","buy":1,"get":1}"#,
            r#"{"type":"buy_x_get_y","buy":1,"percent":100}"#,
            r#"{"type":"buy_x_get_y","buy":1,"get":0,"percent":100}"#,
            r#"{"type":"buy_x_get_y","buy":1000001,"get":1,"percent":100}"#,
            r#"{"type":"buy_x_get_y","buy":1,"get":1,"percent":100.01}"#,
            r#"{"type":"buy_x_get_y","buy":1,"get":1,"percent":100,"get_products":[]}"#,
            r#"{"type":"buy_x_get_y","buy":1,"get":1,"percent":100,"max_discount":5}"#,
            r#"{"type":"free_shipping","amount":500}"#,
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
            r#"{"type":"tiered_percent_off","tiers":[{"min_subtotal":5000,"percent":5},{"min_subtotal":9000,"percent":7.5}]}"#,
            r#"{"type":"buy_x_get_y","buy":2,"get":1,"percent":100}"#,
            r#"{"type":"buy_x_get_y","buy":2,"get":1,"percent":50,"get_products":["A","B"]}"#,
            r#"{"type":"free_shipping"}"#,
        ] {
            let benefit: Benefit = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&benefit).unwrap(), json);
        }
    }

    #[test]
    fn there_are_one_to_nine_tiers_each_above_the_one_before() {
        let tiers = |starts: &[u64]| {
            let tiers: Vec<_> = starts
                .iter()
                .map(|start| serde_json::json!({"min_subtotal": start, "percent": 5}))
                .collect();
            serde_json::from_value::<Tiers>(tiers.into())
        };
        assert!(tiers(&[0]).is_ok());
        assert!(tiers(&[1, 2, 3, 4, 5, 6, 7, 8, 9]).is_ok());
        for wrong in [&[][..], &[1, 1], &[2, 1], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
            assert!(tiers(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_tier_reached_is_the_last_that_begins_at_or_below_the_subtotal() {
        let tiers: Tiers = serde_json::from_str(
            r#"[{"min_subtotal":1000,"percent":5},{"min_subtotal":2000,"percent":10}]"#,
        )
        .unwrap();
        let reached = |subtotal: u64| {
            let tier = tiers.reached(Amount::try_from(subtotal).unwrap());
            tier.map(|tier| tier.percent.to_string())
        };
        assert_eq!(reached(999), None);
        assert_eq!(reached(1000).as_deref(), Some("5"));
        assert_eq!(reached(1999).as_deref(), Some("5"));
        assert_eq!(reached(2000).as_deref(), Some("10"));
    }
}
