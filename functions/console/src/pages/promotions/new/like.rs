//! The fields of a form for a promotion like another.

use shared::domain::benefit::{Benefit, GetProducts, Tier};
use shared::domain::cart::Sku;
use shared::domain::money::{Amount, Currency};
use shared::domain::promotion::{MAX_NAME_CHARS, Promotion, Restore};

use super::terms::{TIERS, decimal};
use crate::fields::Fields;
use crate::visit::Visit;

/// The form's fields for terms like those of a promotion, to begin a new one with.
pub(crate) fn fields_like(promotion: &Promotion, visit: &Visit) -> Fields {
    let terms = &promotion.terms;
    let plain = |amount: Option<Amount>| {
        amount
            .map(|amount| decimal(amount.minor(), terms.currency))
            .unwrap_or_default()
    };
    let text = |limit: Option<u32>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let lines = |list: &Option<Vec<Sku>>| {
        let list = list.as_deref().unwrap_or_default();
        list.iter().map(Sku::as_str).collect::<Vec<_>>().join("\n")
    };
    let name = visit.lang.pick(
        format!("{}（コピー）", terms.name),
        format!("{} (copy)", terms.name),
    );
    let name: String = name.chars().take(MAX_NAME_CHARS).collect();
    let mut fields = Fields::of([
        ("name", name),
        ("currency", terms.currency.code().to_owned()),
        (
            "products",
            if terms.products.include.is_some() {
                "list"
            } else {
                "all"
            }
            .to_owned(),
        ),
        ("skus", lines(&terms.products.include)),
        ("exclude_skus", lines(&terms.products.exclude)),
        ("min_subtotal", plain(terms.minimum.subtotal)),
        (
            "min_quantity",
            terms
                .minimum
                .quantity
                .map(|least| least.to_string())
                .unwrap_or_default(),
        ),
        ("claim_code", word_of(&terms.claim_code)),
        ("combinability", word_of(&terms.combinability)),
        ("budget", plain(terms.limits.budget)),
        ("redemptions", text(terms.limits.redemptions)),
        ("per_customer", text(terms.limits.per_customer)),
        ("units_per_order", text(terms.limits.units_per_order)),
    ]);
    if terms.restore == Restore::Never {
        fields.set("never_restore", "yes");
    }
    if terms.restore_budget_on_return {
        fields.set("restore_budget", "yes");
    }
    set_benefit(&mut fields, &terms.benefit, terms.currency);
    fields
}

/// An enum's name in the API.
fn word_of(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn set_benefit(fields: &mut Fields, benefit: &Benefit, currency: Currency) {
    let plain = |amount: Amount| decimal(amount.minor(), currency);
    match benefit {
        Benefit::PercentOff {
            percent,
            max_discount,
        } => {
            fields.set("percent", percent.to_string());
            fields.set("max_discount", max_discount.map(plain).unwrap_or_default());
        }
        Benefit::AmountOff { amount } => fields.set("amount", plain(*amount)),
        Benefit::TieredPercentOff { tiers } => {
            for (index, tier) in Vec::<Tier>::from(tiers.clone())
                .iter()
                .take(TIERS)
                .enumerate()
            {
                let number = index.saturating_add(1);
                fields.set(&format!("tier_min_{number}"), plain(tier.min_subtotal));
                fields.set(&format!("tier_percent_{number}"), tier.percent.to_string());
            }
        }
        Benefit::BuyXGetY {
            buy,
            get,
            percent,
            get_products,
        } => {
            fields.set("buy", buy.get().to_string());
            fields.set("get", get.get().to_string());
            fields.set("get_percent", percent.to_string());
            let skus = get_products.as_ref().map(GetProducts::skus);
            let skus: Vec<&str> = skus.unwrap_or_default().iter().map(Sku::as_str).collect();
            fields.set("get_skus", skus.join("\n"));
        }
        Benefit::FreeShipping => {}
    }
}

/// A benefit's kind, as it stands in addresses.
pub(crate) fn kind_of(benefit: &Benefit) -> &'static str {
    match benefit {
        Benefit::PercentOff { .. } => "percent_off",
        Benefit::AmountOff { .. } => "amount_off",
        Benefit::TieredPercentOff { .. } => "tiered_percent_off",
        Benefit::BuyXGetY { .. } => "buy_x_get_y",
        Benefit::FreeShipping => "free_shipping",
    }
}
