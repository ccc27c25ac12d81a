//! The price preview: what a sample cart would cost under the promotion that a form describes.

use maud::{Markup, html};
use shared::domain::cart::{Cart, CartLine, MAX_QUANTITY, MAX_UNIT_PRICE, Sku};
use shared::domain::money::{Amount, Currency};
use shared::domain::pricing::{Unpriced, price};
use shared::domain::promotion::Promotion;

use super::warnings::{of_draft, worst_case};
use super::{currency_of, yen};
use crate::fields::{Fields, tidy_number};
use crate::form::Errors;
use crate::format::{money, number};
use crate::frame::{Weight, banner};
use crate::lang::Lang;
use crate::visit::Visit;
use crate::words;

/// Lines of the sample cart.
pub(super) const LINES: usize = 2;

/// The sample cart as the form has it; what cannot be read counts as nothing. Its products are eligible ones, if some are listed.
pub(super) fn cart_of(fields: &Fields, currency: Currency) -> Cart {
    let amount = |name: &str| {
        let amount =
            Amount::from_decimal(&tidy_number(fields.get(name)), currency).unwrap_or(Amount::ZERO);
        Amount::try_from(amount.minor().min(MAX_UNIT_PRICE)).unwrap_or(amount)
    };
    let listed = super::terms::sku_list(fields.get("skus")).skus;
    let got = super::terms::sku_list(fields.get("get_skus")).skus;
    let lines = (1..=LINES).filter_map(|line| {
        let quantity: u64 = tidy_number(fields.get(&format!("cart_quantity_{line}")))
            .parse()
            .unwrap_or(0);
        let own = Sku::try_from(format!("SAMPLE-{line}")).ok();
        // The second line stands for what a set discounts, where that is listed.
        let sku = if line == 2 {
            got.first().or(listed.get(1)).or(listed.first())
        } else {
            listed.first()
        };
        let sku = if fields.get("products") == "list" || (line == 2 && !got.is_empty()) {
            sku.cloned().or(own)
        } else {
            own
        };
        Some(CartLine {
            sku: sku?,
            quantity: quantity.min(MAX_QUANTITY),
            unit_price: amount(&format!("cart_price_{line}")),
        })
    });
    Cart {
        currency,
        shipping: amount("cart_shipping"),
        lines: lines.filter(|line| line.quantity > 0).collect(),
    }
}

/// All of it: price, worst case, warnings.
pub(super) fn markup(visit: &Visit, draft: Result<Promotion, Errors>, fields: &Fields) -> Markup {
    let lang = visit.lang;
    let Some(currency) = currency_of(fields).or_else(yen) else {
        return html! {};
    };
    let cart = cart_of(fields, currency);
    let draft = match draft {
        Ok(draft) => draft,
        Err(errors) => return missing(&cart, &errors, lang),
    };
    html! {
        p { strong { (words::benefit(&draft.terms.benefit, currency, lang)) } }
        (table(&cart, &draft, lang))
        p .note { (worst_case(&draft, lang)) }
        @for (title, text) in of_draft(visit, &draft, fields, &cart) {
            (banner(Weight::Warning, &title, &html! { p .note { (text) } }))
        }
    }
}

fn missing(cart: &Cart, errors: &Errors, lang: Lang) -> Markup {
    html! {
        p .muted { (lang.pick("次の項目を入力すると、割引後の価格を表示します。", "The price appears once these are filled in.")) }
        ul .terms .note { @for (_, message) in errors.iter() { li { (message) } } }
        p .note { (lang.pick("サンプルの定価：", "Sample cart: ")) (money(cart.subtotal().minor().into(), cart.currency)) }
    }
}

fn table(cart: &Cart, draft: &Promotion, lang: Lang) -> Markup {
    let currency = cart.currency;
    let allocation = price(cart, &[draft]);
    let show = |amount: Amount| money(amount.minor().into(), currency);
    let off = |amount: Amount| money(-i128::from(amount.minor()), currency);
    let discount = allocation.discount();
    let total = cart.subtotal().saturating_sub(discount);
    let shipping = cart.shipping.saturating_sub(allocation.shipping);
    let pays = total.checked_add(shipping).unwrap_or(Amount::MAX);
    let refused = allocation
        .promotions
        .first()
        .and_then(|outcome| outcome.err());
    html! {
        @if let Some(refused) = refused { p .notice { (reason(refused, lang)) } }
        table {
            caption .hidden { (lang.pick("サンプルの価格", "Price of the sample cart")) }
            tbody {
                @for (index, (line, off_line)) in cart.lines.iter().zip(&allocation.lines).enumerate() {
                    tr { th scope="row" { (lang.pick("商品", "Product ")) (index + 1) " × " (number(line.quantity)) }
                        td .right { (show(line.subtotal())) @if *off_line > Amount::ZERO { br; span .muted { (off(*off_line)) } } } }
                }
                tr { th scope="row" { (lang.pick("定価", "List price")) } td .right { (show(cart.subtotal())) } }
                tr { th scope="row" { (lang.pick("割引", "Discount")) } td .right { (off(discount)) } }
                tr { th scope="row" { (lang.pick("送料", "Shipping")) }
                    td .right { (show(shipping)) @if allocation.shipping > Amount::ZERO { br; span .muted { (off(allocation.shipping)) } } } }
                tr .total { th scope="row" { (lang.pick("お支払い", "To pay")) } td .right { (show(pays)) } }
            }
        }
    }
}

fn reason(refused: Unpriced, lang: Lang) -> &'static str {
    match refused {
        Unpriced::CurrencyMismatch => lang.pick(
            "サンプルの通貨が違います",
            "The sample cart is in another currency",
        ),
        Unpriced::NoEligibleProducts => lang.pick(
            "サンプルに対象商品がありません",
            "No product of the sample cart is eligible",
        ),
        Unpriced::MinimumNotMet => lang.pick(
            "サンプルは最低条件に達していないため、割引はありません",
            "The sample cart does not reach the minimum, so nothing is taken off",
        ),
        Unpriced::NotCombinable | Unpriced::BetterOneApplied => {
            lang.pick("ほかの割引が優先されます", "Another discount comes first")
        }
    }
}
