//! Promotions: the terms of a discount and when they hold.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::benefit::{Benefit, GetProducts};
use super::cart::Sku;
use super::code::{CodeKey, PromotionId};
use super::fault::Fault;
use super::money::{Amount, Currency};

/// Most SKUs in each of `products.include` and `products.exclude`. Source: design.md §7.
pub const MAX_SKUS: usize = 4_000;
/// Most bytes of all SKUs a promotion lists. An item of the table has at most 400 KB, the other terms and a byte between two SKUs
/// included. Source: quotas in the DynamoDB Developer Guide.
pub const MAX_SKU_BYTES: usize = 300_000;
/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// A promotion as staff write it: the body of `POST /v1/promotions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromotionTerms {
    /// What staff call it, 1 to [`MAX_NAME_CHARS`] characters.
    #[schema(min_length = 1, max_length = 200, example = "Next time 10% off")]
    pub name: String,
    /// Currency of all its amounts; carts in another one get nothing.
    pub currency: Currency,
    /// What the buyer gets.
    pub benefit: Benefit,
    /// Which lines it is for.
    #[serde(default, skip_serializing_if = "Products::is_everything")]
    pub products: Products,
    /// What the eligible lines must come to, before discounts.
    #[serde(default, skip_serializing_if = "Minimum::is_nothing")]
    pub minimum: Minimum,
    /// First moment of its window; its creation if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<DateTime<Utc>>,
    /// First moment after its window; open-ended if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// How buyers claim it.
    #[serde(default)]
    pub claim_code: ClaimCode,
    /// With what else it may be used in one order.
    #[serde(default)]
    pub combinability: Combinability,
    /// How much it may give away, how often, and to one person.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// Whether a cancelled order gives its code back.
    #[serde(default)]
    pub restore: Restore,
    /// Whether returned lines give their discount back to the budget. Uses never come back by a return.
    #[serde(default)]
    pub restore_budget_on_return: bool,
}

/// Most promotions of a shop that apply by themselves and are not over, because every cart is priced under all of them.
pub const MAX_AUTOMATIC: usize = 25;

/// Most shards over which a promotion's budget and uses are spread. Source: design.md §5.
pub const MAX_SHARDS: u8 = 64;

/// What a promotion may give away. An absent bound is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most it may give away in total, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Amount>,
    /// Most orders that may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub redemptions: Option<u32>,
    /// Most orders of one person that may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub per_customer: Option<u32>,
    /// Items over which budget and uses are spread (more of them take more redemptions at a time), 1 to [`MAX_SHARDS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 64)]
    pub shards: Option<u8>,
    /// Most units discounted in one order, the cheapest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub units_per_order: Option<u32>,
}

impl Limits {
    /// Items that budget and uses are kept in; none without either limit.
    pub fn shard_count(self) -> u8 {
        if self.budget.is_none() && self.redemptions.is_none() {
            0
        } else {
            self.shards.unwrap_or(1)
        }
    }

    /// What shard `index` holds at the start. Equal parts; what cannot be split goes to the first shards.
    pub fn share(self, index: u8) -> (Option<u64>, Option<u64>) {
        let shards = u64::from(self.shard_count().max(1));
        let part = |whole: u64| whole / shards + u64::from(u64::from(index) < whole % shards);
        (
            self.budget.map(|budget| part(budget.minor())),
            self.redemptions.map(|uses| part(u64::from(uses))),
        )
    }

    fn faults(self) -> Vec<Fault> {
        let zero = [
            ("budget", self.budget == Some(Amount::ZERO)),
            ("redemptions", self.redemptions == Some(0)),
            ("per_customer", self.per_customer == Some(0)),
            ("units_per_order", self.units_per_order == Some(0)),
        ];
        let zero = zero.into_iter().filter(|(_, zero)| *zero);
        let mut faults: Vec<_> = zero
            .map(|(field, _)| {
                Fault::new(
                    format!("/limits/{field}"),
                    "a limit is at least 1; leave it out for none",
                )
            })
            .collect();
        if self
            .shards
            .is_some_and(|shards| !(1..=MAX_SHARDS).contains(&shards))
        {
            faults.push(Fault::new(
                "/limits/shards",
                format!("shards are 1 to {MAX_SHARDS}"),
            ));
        }
        faults
    }

    /// Whether there is no limit at all.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Which lines a promotion is for: those included (all, if the list is absent) and not excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Products {
    /// SKUs or ASINs; absent means every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 4000)]
    pub include: Option<Vec<Sku>>,
    /// SKUs or ASINs it is not for, whatever `include` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 4000)]
    pub exclude: Option<Vec<Sku>>,
}

impl Products {
    /// Which of `skus` the promotion is for, in their order. One pass over the lists, however long the cart.
    pub fn eligible(&self, skus: &[&Sku]) -> Vec<bool> {
        let wanted: HashSet<&Sku> = skus.iter().copied().collect();
        let named = |list: &Option<Vec<Sku>>| -> Option<HashSet<&Sku>> {
            let list = list.as_ref()?;
            Some(
                list.iter()
                    .filter_map(|sku| wanted.get(sku).copied())
                    .collect(),
            )
        };
        let (include, exclude) = (named(&self.include), named(&self.exclude));
        let listed =
            |list: &Option<HashSet<&Sku>>, sku| list.as_ref().map(|list| list.contains(sku));
        let eligible =
            |sku| listed(&include, sku).unwrap_or(true) && !listed(&exclude, sku).unwrap_or(false);
        skus.iter().map(|sku| eligible(*sku)).collect()
    }

    fn is_everything(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }
}

/// What the eligible lines must come to. An absent bound always holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Minimum {
    /// Least price of the eligible lines, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtotal: Option<Amount>,
    /// Least number of eligible units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u64>,
}

impl Minimum {
    /// Whether eligible lines that come to `subtotal` and `quantity` units reach it.
    pub fn is_met_by(self, subtotal: Amount, quantity: u64) -> bool {
        self.subtotal.is_none_or(|least| subtotal >= least)
            && self.quantity.is_none_or(|least| quantity >= least)
    }

    fn is_nothing(&self) -> bool {
        self.subtotal.is_none() && self.quantity.is_none()
    }
}

/// How buyers claim a promotion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimCode {
    /// With a code that one order can use, ever.
    #[default]
    SingleUse,
    /// With a word that many buyers share.
    Group,
    /// Not at all: it applies by itself to every cart that meets its terms.
    None,
}

/// With what else a promotion may be used in one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combinability {
    /// With nothing.
    #[default]
    Exclusive,
    /// With unrestricted ones; of several preferential ones only the best for the buyer applies.
    Preferential,
    /// With anything but an exclusive one.
    Unrestricted,
}

/// Whether a cancelled order gives its code back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Restore {
    /// The code can be used again.
    #[default]
    OnCancel,
    /// The code stays used.
    Never,
}

impl PromotionTerms {
    /// Everything in the terms that cannot be, beyond what their types refuse.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(1..=MAX_NAME_CHARS).contains(&self.name.trim().chars().count())
            || self.name.chars().any(char::is_control)
        {
            let detail =
                format!("a name has 1 to {MAX_NAME_CHARS} characters and no control characters");
            faults.push(Fault::new("/name", detail));
        }
        let lists = [
            ("include", &self.products.include),
            ("exclude", &self.products.exclude),
        ];
        for (field, list) in lists {
            if list.as_ref().is_some_and(|list| list.len() > MAX_SKUS) {
                faults.push(Fault::new(
                    format!("/products/{field}"),
                    format!("a list has at most {MAX_SKUS} SKUs"),
                ));
            }
        }
        if self.products.include.as_ref().is_some_and(Vec::is_empty) {
            faults.push(Fault::new(
                "/products/include",
                "an empty list includes nothing; leave it out to include everything",
            ));
        }
        if self.sku_bytes() > MAX_SKU_BYTES {
            faults.push(Fault::new(
                "/products",
                format!("all lists of SKUs together have at most {MAX_SKU_BYTES} bytes"),
            ));
        }
        faults.extend(self.limits.faults());
        if self.benefit == Benefit::FreeShipping && self.limits.units_per_order.is_some() {
            faults.push(Fault::new(
                "/limits/units_per_order",
                "free shipping discounts no units; leave this out",
            ));
        }
        if let (Some(starts_at), Some(ends_at)) = (self.starts_at, self.ends_at)
            && ends_at <= starts_at
        {
            faults.push(Fault::new(
                "/ends_at",
                "the end must be later than the start",
            ));
        }
        faults
    }
}

impl PromotionTerms {
    /// Bytes of all SKUs it lists.
    fn sku_bytes(&self) -> usize {
        let got = match &self.benefit {
            Benefit::BuyXGetY { get_products, .. } => get_products.as_ref(),
            Benefit::PercentOff { .. }
            | Benefit::AmountOff { .. }
            | Benefit::TieredPercentOff { .. }
            | Benefit::FreeShipping => None,
        };
        let lists = [&self.products.include, &self.products.exclude];
        let lists = lists.into_iter().flatten().map(Vec::as_slice);
        let skus = lists.chain(got.map(GetProducts::skus)).flatten();
        skus.map(|sku| sku.as_str().len()).sum()
    }
}

/// What staff have switched a promotion to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// It works within its window.
    On,
    /// It does not work until it is resumed.
    Paused,
    /// It never works again.
    Ended,
}

/// What a promotion is at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its window or lead time has not begun.
    Scheduled,
    /// Its codes work.
    Active,
    /// Staff paused it.
    Paused,
    /// Its window is over, or staff ended it.
    Ended,
}

/// A stored promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// Its id, the front part of its codes.
    pub id: PromotionId,
    /// Counts the changes, from 1.
    pub version: u64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// From when on it can work: the later of its start and its creation plus the lead time.
    pub effective_at: DateTime<Utc>,
    /// What staff switched it to.
    pub switch: Switch,
    /// Random salt of its code key.
    pub salt: [u8; 16],
    /// Version of the master key its code key is derived from.
    pub master_key_version: u32,
    /// Version of the word list its codes avoid.
    pub word_list: u32,
    /// The terms.
    pub terms: PromotionTerms,
    /// Random mark of the last change of its terms, so that a caller whose reply was lost knows its own write.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub changed_by: String,
}

/// Why a promotion gives nothing at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Too early.
    NotStarted,
    /// Staff paused it.
    Paused,
    /// Staff ended it.
    Ended,
    /// Its window is over.
    Expired,
}

impl Promotion {
    /// A new promotion, effective after `lead_time` at the earliest.
    pub fn new(
        id: PromotionId,
        terms: PromotionTerms,
        keys: KeyRef,
        now: DateTime<Utc>,
        lead_time: TimeDelta,
    ) -> Self {
        let earliest = now + lead_time;
        Self {
            id,
            version: 1,
            created_at: now,
            effective_at: terms
                .starts_at
                .map_or(earliest, |starts_at| starts_at.max(earliest)),
            switch: Switch::On,
            salt: keys.salt,
            master_key_version: keys.master_key_version,
            word_list: keys.word_list,
            terms,
            changed_by: String::new(),
        }
    }

    /// Why it gives nothing at `now`, if it does not. The window is half-open: `effective_at <= now < ends_at`.
    pub fn closed_at(&self, now: DateTime<Utc>) -> Option<Closed> {
        match self.switch {
            Switch::Ended => Some(Closed::Ended),
            _ if self.terms.ends_at.is_some_and(|ends_at| ends_at <= now) => Some(Closed::Expired),
            Switch::Paused => Some(Closed::Paused),
            Switch::On if now < self.effective_at => Some(Closed::NotStarted),
            Switch::On => None,
        }
    }

    /// What it is at `now`.
    pub fn status_at(&self, now: DateTime<Utc>) -> Status {
        match self.closed_at(now) {
            None => Status::Active,
            Some(Closed::NotStarted) => Status::Scheduled,
            Some(Closed::Paused) => Status::Paused,
            Some(Closed::Ended | Closed::Expired) => Status::Ended,
        }
    }

    /// Whether it needs no code: it applies to every cart that meets its terms, and is never a reason to refuse an order.
    pub fn is_automatic(&self) -> bool {
        self.terms.claim_code == ClaimCode::None
    }

    /// The key that seals and opens its codes.
    pub fn code_key(&self, master_key: &[u8]) -> CodeKey {
        CodeKey::derive(master_key, &self.salt, self.id.clone(), self.word_list)
    }

    /// The place it has among others of its kind: older first, then by id.
    pub fn seniority(&self) -> (DateTime<Utc>, &PromotionId) {
        (self.created_at, &self.id)
    }
}

/// What a promotion's code key is derived from, besides its id.
#[derive(Clone, Copy, Debug)]
pub struct KeyRef {
    /// Random salt.
    pub salt: [u8; 16],
    /// Version of the master key.
    pub master_key_version: u32,
    /// Version of the word list.
    pub word_list: u32,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn terms(json: &serde_json::Value) -> PromotionTerms {
        let mut all = serde_json::json!({"name": "Test", "currency": "JPY", "benefit": {"type": "percent_off", "percent": 10}});
        for (field, value) in json.as_object().unwrap() {
            all[field] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    pub(crate) fn promotion(id: &str, json: &serde_json::Value) -> Promotion {
        let keys = KeyRef {
            salt: [0; 16],
            master_key_version: 1,
            word_list: 1,
        };
        let id = PromotionId::try_from(id.to_owned()).unwrap();
        Promotion::new(
            id,
            terms(json),
            keys,
            at("2026-12-01T00:00:00Z"),
            TimeDelta::zero(),
        )
    }

    pub(crate) fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_promotion_takes_effect_at_its_start_or_after_the_lead_time_whichever_is_later() {
        let keys = KeyRef {
            salt: [0; 16],
            master_key_version: 1,
            word_list: 1,
        };
        let effective = |starts_at: serde_json::Value| {
            let id = PromotionId::random();
            let terms = terms(&serde_json::json!({"starts_at": starts_at}));
            Promotion::new(
                id,
                terms,
                keys,
                at("2026-12-01T00:00:00Z"),
                TimeDelta::hours(4),
            )
            .effective_at
        };
        assert_eq!(
            effective(serde_json::Value::Null),
            at("2026-12-01T04:00:00Z")
        );
        assert_eq!(
            effective("2026-12-01T09:00:00+09:00".into()),
            at("2026-12-01T04:00:00Z")
        );
        assert_eq!(
            effective("2026-12-02T00:00:00Z".into()),
            at("2026-12-02T00:00:00Z")
        );
    }

    #[test]
    fn windows_are_half_open_and_ending_beats_pausing() {
        let window = serde_json::json!({"starts_at": "2026-12-02T00:00:00Z", "ends_at": "2026-12-03T00:00:00Z"});
        let mut promotion = promotion("THX9", &window);
        assert_eq!(
            promotion.status_at(at("2026-12-01T23:59:59.999Z")),
            Status::Scheduled
        );
        assert_eq!(
            promotion.status_at(at("2026-12-02T00:00:00Z")),
            Status::Active
        );
        assert_eq!(
            promotion.status_at(at("2026-12-02T23:59:59.999Z")),
            Status::Active
        );
        assert_eq!(
            promotion.status_at(at("2026-12-03T00:00:00Z")),
            Status::Ended
        );
        promotion.switch = Switch::Paused;
        assert_eq!(
            promotion.closed_at(at("2026-12-02T12:00:00Z")),
            Some(Closed::Paused)
        );
        assert_eq!(
            promotion.closed_at(at("2026-12-03T00:00:00Z")),
            Some(Closed::Expired)
        );
        promotion.switch = Switch::Ended;
        assert_eq!(
            promotion.closed_at(at("2026-12-02T12:00:00Z")),
            Some(Closed::Ended)
        );
    }

    #[test]
    fn terms_that_cannot_be_are_pointed_at() {
        let pointers = |json: serde_json::Value| {
            terms(&json)
                .faults()
                .into_iter()
                .map(|fault| fault.pointer)
                .collect::<Vec<_>>()
        };
        assert_eq!(pointers(serde_json::json!({"name": " "})), ["/name"]);
        assert_eq!(
            pointers(serde_json::json!({"products": {"include": []}})),
            ["/products/include"]
        );
        assert_eq!(
            pointers(serde_json::json!({"products": {"exclude": vec!["A"; MAX_SKUS + 1]}})),
            ["/products/exclude"]
        );
        let reversed = serde_json::json!({"starts_at": "2026-12-02T00:00:00Z", "ends_at": "2026-12-02T00:00:00Z"});
        assert_eq!(pointers(reversed), ["/ends_at"]);
        let long: Vec<String> = (0..3_000).map(|number| format!("{number:064}")).collect();
        let lists = serde_json::json!({"products": {"include": long, "exclude": long}});
        assert_eq!(pointers(lists), ["/products"]);
        let units = serde_json::json!({"benefit": {"type": "free_shipping"}, "limits": {"units_per_order": 1}});
        assert_eq!(pointers(units), ["/limits/units_per_order"]);
        assert!(pointers(serde_json::json!({})).is_empty());
    }
}
