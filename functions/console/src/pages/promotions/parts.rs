//! What several pages show of a promotion.

use maud::{Markup, html};
use shared::domain::code::PromotionId;
use shared::domain::promotion::{Products, Promotion, Restore};

use crate::figures::Spent;
use crate::format::{budget_used, end, money, money_in_words, number, time};
use crate::frame::{bar, views};
use crate::lang::Lang;
use crate::visit::Visit;
use crate::words::{self, plural};

/// The page of a promotion.
pub(super) fn path(id: &PromotionId) -> String {
    format!("/console/promotions/{id}")
}

/// How a promotion stands to its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In minor units.
    pub whole: u64,
    /// In minor units; never below zero.
    pub left: u64,
    /// In minor units.
    pub spent: u64,
}

impl Budget {
    /// A promotion's budget, if it has one.
    pub fn of(promotion: &Promotion, spent: Spent) -> Option<Self> {
        let whole = promotion.terms.limits.budget?.minor();
        Some(Self {
            whole,
            spent: spent.amount,
            left: whole.saturating_sub(spent.amount),
        })
    }

    /// Whether four fifths or more of it are used.
    pub fn is_nearly_used(self) -> bool {
        u128::from(self.spent) * 5 >= u128::from(self.whole) * 4
    }
}

/// A budget as bar, share and what is left; a dash without one.
pub fn budget_cell(promotion: &Promotion, spent: Spent, lang: Lang) -> Markup {
    let Some(budget) = Budget::of(promotion, spent) else {
        return html! { span .muted { (lang.pick("予算なし", "No budget")) } };
    };
    let currency = promotion.terms.currency;
    let used = budget_used(budget.spent, budget.whole);
    let left = money(i128::from(budget.left), currency);
    let name = lang.pick(
        format!("予算消化 {used}"),
        format!("{used} of the budget used"),
    );
    html! {
        div .budget {
            (bar(budget.spent, budget.whole, &name))
            span .line .note { span { (used) } span { (lang.pick("残額 ", "Left ")) (left) } }
        }
    }
}

/// When a promotion works: its first moment and its last.
pub(super) fn window(promotion: &Promotion, visit: &Visit) -> Markup {
    let (zone, lang) = (visit.zone(), visit.lang);
    html! {
        (time(promotion.effective_at, zone, lang)) " – "
        @match promotion.terms.ends_at {
            Some(ends_at) => (end(ends_at, zone, lang)),
            None => (lang.pick("終了日なし", "no end")),
        }
    }
}

/// The tabs of a promotion's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Results,
    Codes,
    Channels,
    Sales,
    Terms,
    History,
}

/// Links to all of them.
pub(super) fn tabs(id: &PromotionId, here: Tab, lang: Lang) -> Markup {
    let base = path(id);
    let item = |tab: Tab, end: &str, word: &str| {
        (format!("{base}{end}"), word.to_owned(), None, tab == here)
    };
    views(
        lang.pick("このプロモーションの表示", "Views of this promotion"),
        &[
            item(Tab::Results, "", lang.pick("実績", "Results")),
            item(Tab::Codes, "/codes", lang.pick("コード", "Codes")),
            item(
                Tab::Channels,
                "/channels",
                lang.pick("経路別", "By channel"),
            ),
            item(
                Tab::Sales,
                "/sales",
                lang.pick("商品の売れ行き", "Product sales"),
            ),
            item(Tab::Terms, "/terms", lang.pick("条件", "Terms")),
            item(Tab::History, "/history", lang.pick("履歴", "History")),
        ],
    )
}

/// All terms in plain sentences.
pub(super) fn sentences(promotion: &Promotion, visit: &Visit) -> Vec<Markup> {
    let (lang, terms) = (visit.lang, &promotion.terms);
    let currency = terms.currency;
    let words = |minor: u64| money_in_words(i128::from(minor), currency, lang);
    let mut all: Vec<Markup> = words::benefit_terms(&terms.benefit, currency, lang)
        .into_iter()
        .map(|line| html! { (line) })
        .collect();
    all.extend(
        products(&terms.products, lang)
            .into_iter()
            .map(|line| html! { (line) }),
    );
    all.extend(terms.minimum.subtotal.map(|least| {
        let least = words(least.minor());
        html! { (lang.pick(format!("対象商品の合計が{least}以上の注文"), format!("On orders of {least} or more of eligible products"))) }
    }));
    all.extend(terms.minimum.quantity.map(|least| {
        html! { (lang.pick(format!("対象商品が{}点以上の注文", number(least)), format!("On orders of {} or more", plural(least, "eligible unit", "eligible units")))) }
    }));
    all.push(html! { (lang.pick("有効期間：", "Works ")) (window(promotion, visit)) });
    all.push(html! { (words::claim_code(terms.claim_code, lang)) });
    all.push(html! { (combining(promotion, lang)) });
    all.extend(
        limits(promotion, lang)
            .into_iter()
            .map(|line| html! { (line) }),
    );
    if terms.restore == Restore::Never {
        all.push(html! { (lang.pick("注文が取り消されてもコードは戻りません", "A cancelled order does not give its code back")) });
    }
    if terms.restore_budget_on_return {
        all.push(html! { (lang.pick("返品された分の割引は予算に戻ります", "Returned goods give their discount back to the budget")) });
    }
    all
}

fn products(products: &Products, lang: Lang) -> Vec<String> {
    let count = |list: &Option<Vec<_>>| {
        list.as_ref()
            .map(|list| u64::try_from(list.len()).unwrap_or(u64::MAX))
    };
    let include = match count(&products.include) {
        None => lang
            .pick("すべての商品が対象", "All products are eligible")
            .to_owned(),
        Some(skus) => lang.pick(
            format!("対象商品は指定の{}件", number(skus)),
            format!(
                "{} eligible",
                plural(skus, "listed product is", "listed products are")
            ),
        ),
    };
    let exclude = count(&products.exclude)
        .filter(|skus| *skus > 0)
        .map(|skus| {
            lang.pick(
                format!("対象外商品は{}件", number(skus)),
                format!("{} excluded", plural(skus, "product is", "products are")),
            )
        });
    std::iter::once(include).chain(exclude).collect()
}

fn combining(promotion: &Promotion, lang: Lang) -> &'static str {
    use shared::domain::promotion::Combinability;
    match promotion.terms.combinability {
        Combinability::Exclusive => lang.pick(
            "ほかのコードとは併用できません",
            "Cannot be combined with other codes",
        ),
        Combinability::Preferential => lang.pick(
            "同じ種類のコードが重なったときは、最もお得な1つだけが使われます",
            "Of several such codes only the best for the buyer applies",
        ),
        Combinability::Unrestricted => lang.pick(
            "併用不可のコード以外と併用できます",
            "Can be combined with any code that is not exclusive",
        ),
    }
}

fn limits(promotion: &Promotion, lang: Lang) -> Vec<String> {
    let (limits, currency) = (promotion.terms.limits, promotion.terms.currency);
    let budget = limits.budget.map(|budget| {
        let budget = money_in_words(i128::from(budget.minor()), currency, lang);
        lang.pick(
            format!("予算（割引総額の上限）は{budget}"),
            format!("Budget: at most {budget} given away in total"),
        )
    });
    let uses = limits.redemptions.map(|uses| {
        lang.pick(
            format!("先着{}回まで", number(uses.into())),
            format!(
                "First come, first served: {}",
                plural(uses.into(), "order", "orders")
            ),
        )
    });
    let each = limits.per_customer.map(|uses| {
        lang.pick(
            format!("お一人様{}回まで", number(uses.into())),
            format!("{} per customer", plural(uses.into(), "order", "orders")),
        )
    });
    let units = limits.units_per_order.map(|units| {
        lang.pick(
            format!("割引は1注文につき{}点まで", number(units.into())),
            format!(
                "At most {} discounted per order",
                plural(units.into(), "unit", "units")
            ),
        )
    });
    let all: Vec<String> = [budget, uses, each, units].into_iter().flatten().collect();
    if all.is_empty() {
        vec![
            lang.pick("予算・回数の上限なし", "No budget and no limits")
                .to_owned(),
        ]
    } else {
        all
    }
}

/// The card of terms beside the tabs.
pub(super) fn summary_card(promotion: &Promotion, visit: &Visit) -> Markup {
    html! {
        aside .card .sticky aria-labelledby="terms-title" {
            h2 #terms-title { (visit.lang.pick("条件", "Terms")) }
            ul .terms { @for line in sentences(promotion, visit) { li { (line) } } }
        }
    }
}
