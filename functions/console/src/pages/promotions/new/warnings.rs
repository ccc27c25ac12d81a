//! What is allowed but may hurt, said while a promotion is being made. Nothing here stands in anybody's way.

use maud::{Markup, html};
use shared::domain::benefit::Benefit;
use shared::domain::cart::Cart;
use shared::domain::code::GroupWord;
use shared::domain::guessable::is_guessable;
use shared::domain::money::Amount;
use shared::domain::pricing::price;
use shared::domain::promotion::{ClaimCode, Combinability, Promotion, Status};

use crate::State;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::figures::newest;
use crate::format::{money, money_in_words, number};
use crate::frame::{Weight, banner};
use crate::lang::Lang;
use crate::visit::Visit;

/// The most that a promotion can give away in all, in a sentence.
pub(super) fn worst_case(draft: &Promotion, lang: Lang) -> String {
    let (limits, currency) = (draft.terms.limits, draft.terms.currency);
    let words = |amount: Amount| money_in_words(amount.minor().into(), currency, lang);
    let most = most_off(&draft.terms.benefit);
    let by_uses = limits
        .redemptions
        .zip(most)
        .and_then(|(uses, most)| most.checked_mul(u64::from(uses)));
    let bound = match (limits.budget, by_uses) {
        (Some(budget), Some(uses)) => Some(budget.min(uses)),
        (budget, uses) => budget.or(uses),
    };
    if let Some(bound) = bound {
        let bound = words(bound);
        return lang.pick(
            format!("最悪の場合の割引総額：最大{bound}"),
            format!("Worst case: up to {bound} given away"),
        );
    }
    match (limits.redemptions, most) {
        (Some(uses), None) => {
            let uses = number(uses.into());
            lang.pick(
                format!("最悪の場合：{uses}回の注文すべてに割引（1注文あたりの上限額なし）"),
                format!("Worst case: {uses} orders, each without an upper bound"),
            )
        }
        (None, Some(most)) => {
            let most = words(most);
            lang.pick(
                format!("最悪の場合：1注文につき{most}（合計の上限なし）"),
                format!("Worst case: {most} per order, without a total bound"),
            )
        }
        (None, None) | (Some(_), Some(_)) => lang
            .pick(
                "最悪の場合：割引総額に上限がありません",
                "Worst case: nothing bounds what is given away",
            )
            .to_owned(),
    }
}

/// The most that one order can get, if the benefit bounds it.
fn most_off(benefit: &Benefit) -> Option<Amount> {
    match benefit {
        Benefit::AmountOff { amount } => Some(*amount),
        Benefit::PercentOff { max_discount, .. } => *max_discount,
        Benefit::TieredPercentOff { .. } | Benefit::BuyXGetY { .. } | Benefit::FreeShipping => None,
    }
}

/// A warning's title and sentence.
type Warning = (String, String);

fn warning(lang: Lang, ja: (&str, &str), en: (&str, &str)) -> Warning {
    let (title, text) = lang.pick(ja, en);
    (title.to_owned(), text.to_owned())
}

/// Title and sentence of each warning that needs nothing but the form itself.
pub(super) fn of_draft(
    visit: &Visit,
    draft: &Promotion,
    fields: &Fields,
    cart: &Cart,
) -> Vec<Warning> {
    let mut all = of_terms(draft, visit.lang);
    all.extend(of_price(draft, cart, visit.lang));
    if draft.terms.claim_code == ClaimCode::Group {
        all.extend(of_word(&fields.get("word").to_uppercase(), visit.lang));
    }
    all
}

fn of_terms(draft: &Promotion, lang: Lang) -> Vec<Warning> {
    let terms = &draft.terms;
    let mut all = Vec::new();
    let shared = terms.claim_code != ClaimCode::SingleUse;
    if shared && terms.limits.budget.is_none() && terms.limits.redemptions.is_none() {
        all.push(warning(
            lang,
            (
                "予算も利用上限もありません",
                "多くの人が使える割引です。上限は開始後は追加できません。",
            ),
            (
                "No budget and no usage limit",
                "Anybody may use it, and limits cannot be added after the start.",
            ),
        ));
    }
    if terms.ends_at.is_some_and(|end| end <= draft.effective_at) {
        all.push(warning(
            lang,
            ("一度も使えません", "反映される前に終了日時が来ます。"),
            ("It can never be used", "It ends before it takes effect."),
        ));
    }
    let most = most_off(&terms.benefit);
    if terms
        .limits
        .budget
        .zip(most)
        .is_some_and(|(budget, most)| budget < most)
    {
        all.push(warning(
            lang,
            (
                "予算が1回分の割引より少ない",
                "1回の注文で予算を超えることがあり、その注文は断られます。",
            ),
            (
                "The budget is below one discount",
                "An order may need more than the budget, and is then refused.",
            ),
        ));
    }
    all
}

fn of_price(draft: &Promotion, cart: &Cart, lang: Lang) -> Option<Warning> {
    let free =
        cart.subtotal() > Amount::ZERO && price(cart, &[draft]).discount() == cart.subtotal();
    free.then(|| {
        warning(
            lang,
            (
                "サンプルの商品代がゼロになります",
                "割引がサンプルの価格以上です。最低購入金額や上限額を確認してください。",
            ),
            (
                "The sample cart costs nothing",
                "The discount is as large as its price. Check the minimum and the cap.",
            ),
        )
    })
}

fn of_word(word: &str, lang: Lang) -> Vec<Warning> {
    let mut all = Vec::new();
    if word.contains(['O', '0', 'I', '1', 'L']) {
        all.push(warning(
            lang,
            (
                "読み間違えやすい文字があります",
                "O と 0、I・L と 1 は同じ文字として扱われるため、どちらで入力されても使えます。",
            ),
            (
                "Some symbols are easily confused",
                "O and 0, and I, L and 1, count as the same, so either spelling works.",
            ),
        ));
    }
    if GroupWord::try_from(word.to_owned()).is_ok_and(|word| is_guessable(&word)) {
        all.push(warning(
            lang,
            (
                "推測されやすいコードです",
                "関係のない人が試す言葉です。利用上限を付けるか、数文字足してください。",
            ),
            (
                "Easily guessed",
                "Strangers may well try this word. Limit its uses, or add a few symbols.",
            ),
        ));
    }
    all
}

/// What may come together in one order with other promotions that run: the real worst case on the sample cart.
pub(super) async fn of_others(
    state: &State,
    visit: &Visit,
    draft: &Promotion,
    cart: &Cart,
) -> Result<Markup, Failure> {
    let lang = visit.lang;
    if draft.terms.combinability != Combinability::Unrestricted || cart.lines.is_empty() {
        return Ok(html! {});
    }
    let found = newest(state).await?;
    let others: Vec<&Promotion> = found
        .promotions
        .iter()
        .map(AsRef::as_ref)
        .filter(|other: &&Promotion| other.terms.combinability == Combinability::Unrestricted)
        .filter(|other| {
            other.terms.currency == draft.terms.currency
                && other.status_at(visit.now) != Status::Ended
        })
        .take(9)
        .collect();
    if others.is_empty() {
        return Ok(html! {});
    }
    let all: Vec<&Promotion> = others.iter().copied().chain([draft]).collect();
    let together = money(price(cart, &all).saved().minor().into(), cart.currency);
    let alone = money(price(cart, &[draft]).saved().minor().into(), cart.currency);
    let names: Vec<&str> = others
        .iter()
        .take(3)
        .map(|other| other.terms.name.as_str())
        .collect();
    let names = names.join(lang.pick("」「", "”, “"));
    let text = lang.pick(
        format!("「{names}」などと同時に使うと、サンプルの割引は{alone}ではなく最大{together}になります。"),
        format!("Used together with “{names}” the sample cart gets up to {together} off instead of {alone}."),
    );
    let title = lang.pick(
        "ほかの併用可のプロモーションと重なります",
        "Others can be combined with it",
    );
    Ok(banner(
        Weight::Warning,
        title,
        &html! { p .note { (text) } },
    ))
}
