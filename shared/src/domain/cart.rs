//! What a buyer is about to buy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fault::Fault;
use super::money::{Amount, Currency};

/// Most lines in a cart. Source: design.md §5.
pub const MAX_LINES: usize = 1_000;
/// Largest quantity of one line. Source: design.md §5.
pub const MAX_QUANTITY: u64 = 1_000_000;
/// Highest price of one unit, in minor units. Source: design.md §5.
pub const MAX_UNIT_PRICE: u64 = 1_000_000_000_000;

/// A stock-keeping unit or ASIN: 1 to 64 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sku(String);

/// The text cannot be a SKU.
#[derive(Debug, thiserror::Error)]
#[error("a SKU has 1 to 64 bytes and no control characters")]
pub struct InvalidSku;

impl Sku {
    /// The SKU's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sku {
    type Error = InvalidSku;

    fn try_from(text: String) -> Result<Self, InvalidSku> {
        let well_formed = (1..=64).contains(&text.len()) && !text.chars().any(char::is_control);
        if well_formed {
            Ok(Self(text))
        } else {
            Err(InvalidSku)
        }
    }
}

impl From<Sku> for String {
    fn from(sku: Sku) -> Self {
        sku.0
    }
}

/// A cart as a caller sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cart {
    /// Currency of every amount in it.
    pub currency: Currency,
    /// Shipping, in minor units.
    #[serde(default)]
    pub shipping: Amount,
    /// The lines; several may name the same SKU.
    #[schema(max_items = 1000)]
    pub lines: Vec<CartLine>,
}

/// One line of a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartLine {
    /// What.
    pub sku: Sku,
    /// How many, 1 to [`MAX_QUANTITY`].
    #[schema(minimum = 1, maximum = 1_000_000, example = 2)]
    pub quantity: u64,
    /// Price of one, 0 to [`MAX_UNIT_PRICE`] minor units.
    #[schema(value_type = u64, maximum = 1_000_000_000_000_i64, example = 1980)]
    pub unit_price: Amount,
}

impl CartLine {
    /// Quantity times price. Within bounds it is at most 10^18, so it never saturates.
    pub fn subtotal(&self) -> Amount {
        self.unit_price
            .checked_mul(self.quantity)
            .unwrap_or(Amount::MAX)
    }
}

impl Cart {
    /// Everything out of bounds, with pointers below `/cart`.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.lines.len() > MAX_LINES {
            faults.push(Fault::new(
                "/cart/lines",
                format!("a cart has at most {MAX_LINES} lines"),
            ));
            return faults;
        }
        for (index, line) in self.lines.iter().enumerate() {
            if !(1..=MAX_QUANTITY).contains(&line.quantity) {
                let detail = format!("a quantity is 1 to {MAX_QUANTITY}");
                faults.push(Fault::new(format!("/cart/lines/{index}/quantity"), detail));
            }
            if line.unit_price.minor() > MAX_UNIT_PRICE {
                let detail = format!("a unit price is 0 to {MAX_UNIT_PRICE} minor units");
                faults.push(Fault::new(
                    format!("/cart/lines/{index}/unit_price"),
                    detail,
                ));
            }
        }
        if faults.is_empty() && self.total().is_none() {
            faults.push(Fault::new(
                "/cart",
                "the cart comes to more than 10^18 minor units",
            ));
        }
        faults
    }

    /// Sum of all lines.
    pub fn subtotal(&self) -> Amount {
        let sum = self
            .lines
            .iter()
            .try_fold(Amount::ZERO, |sum, line| sum.checked_add(line.subtotal()));
        sum.unwrap_or(Amount::MAX)
    }

    /// Lines and shipping, or `None` above [`Amount::MAX`].
    fn total(&self) -> Option<Amount> {
        let lines = self.lines.iter().try_fold(Amount::ZERO, |sum, line| {
            sum.checked_add(line.unit_price.checked_mul(line.quantity)?)
        });
        lines?.checked_add(self.shipping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cart(lines: &[(u64, u64)]) -> Cart {
        let lines = lines.iter().map(|(quantity, unit_price)| CartLine {
            sku: Sku("A".to_owned()),
            quantity: *quantity,
            unit_price: Amount::try_from(*unit_price).unwrap(),
        });
        let currency = Currency::try_from("JPY".to_owned()).unwrap();
        Cart {
            currency,
            shipping: Amount::ZERO,
            lines: lines.collect(),
        }
    }

    #[test]
    fn every_bound_is_pointed_at() {
        let pointers = |cart: &Cart| {
            cart.faults()
                .into_iter()
                .map(|fault| fault.pointer)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            pointers(&cart(&[
                (0, 1),
                (1, MAX_UNIT_PRICE + 1),
                (MAX_QUANTITY + 1, 0)
            ])),
            [
                "/cart/lines/0/quantity",
                "/cart/lines/1/unit_price",
                "/cart/lines/2/quantity"
            ]
        );
        assert!(pointers(&cart(&[(MAX_QUANTITY, MAX_UNIT_PRICE)])).is_empty());
        assert_eq!(
            pointers(&cart(&[(MAX_QUANTITY, MAX_UNIT_PRICE), (1, 1)])),
            ["/cart"]
        );
        assert_eq!(
            pointers(&cart(&vec![(1, 1); MAX_LINES + 1])),
            ["/cart/lines"]
        );
    }
}
