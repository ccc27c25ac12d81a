//! The form of five sections, with terms in words and the price of a sample cart beside it.

use axum::response::Response;
use maud::{Markup, html};
use shared::domain::promotion::ClaimCode;

use super::terms::{TIERS, claim_code, sign, sku_list};
use super::{currency_of, known_kind, preview, price, yen};
use crate::State;
use crate::fields::Fields;
use crate::form::{Choice, Errors, Input, checkbox, radios, select};
use crate::format::{number, time};
use crate::frame::{Nav, Page};
use crate::lang::Lang;
use crate::visit::Visit;
use crate::words;

/// Currencies the form offers; the API takes any.
const CURRENCIES: [&str; 9] = [
    "JPY", "USD", "EUR", "GBP", "AUD", "CAD", "CNY", "KRW", "TWD",
];

/// The whole page.
pub(super) fn page(
    state: &State,
    visit: &Visit,
    kind: &'static str,
    fields: &Fields,
    errors: &Errors,
) -> Response {
    let lang = visit.lang;
    let Ok((_, ja, en)) = known_kind(kind) else {
        return axum::response::IntoResponse::into_response(crate::failure::Failure::NotFound);
    };
    let [kind_name, ..] = lang.pick(ja, en);
    let action = format!("/console/promotions/new/{kind}");
    let body = html! {
        (errors.summary(lang))
        form .columns method="post" action=(action) novalidate data-preview=(format!("{action}/price")) {
            (visit.token_field())
            input type="hidden" name="once" value=(fields.get("once"));
            // Enter in a field goes on to the review, not to the button that stands first.
            button .hidden type="submit" name="step" value="review" tabindex="-1" aria-hidden="true" { }
            div .form {
                (benefit(kind, kind_name, fields, errors, lang))
                (products(fields, errors, lang))
                (period(state, visit, fields, errors))
                (codes(fields, errors, lang))
                (limits(kind, fields, errors, lang))
                div .buttons {
                    button .button .primary type="submit" name="step" value="review" { (lang.pick("確認画面へ進む", "Review promotion")) }
                    a .button href="/console/promotions/new" { (lang.pick("戻る", "Go back")) }
                }
            }
            (aside(state, visit, kind, fields, lang))
        }
    };
    Page::new(
        visit,
        Nav::Promotions,
        lang.pick(
            format!("プロモーションを作成：{kind_name}"),
            format!("New promotion: {kind_name}"),
        ),
    )
    .crumb(
        "/console/promotions/new",
        lang.pick("種類を選ぶ", "Choose a kind"),
    )
    .errors(errors.len())
    .render(&body)
}

fn section(number: u8, title: &str, body: &Markup) -> Markup {
    html! {
        section .card .form-section {
            h2 { span .step-number aria-hidden="true" { (number) } (title) }
            (body)
        }
    }
}

/// The sign of the currency chosen.
fn unit(fields: &Fields) -> String {
    currency_of(fields)
        .or_else(yen)
        .map(sign)
        .unwrap_or_default()
}

fn benefit(kind: &str, kind_name: &str, fields: &Fields, errors: &Errors, lang: Lang) -> Markup {
    let unit = unit(fields);
    let field = |name: &'static str, ja: &'static str, en: &'static str| {
        Input::new(name, lang.pick(ja, en), fields.get(name))
    };
    let value = match kind {
        "percent_off" => html! {
            (field("percent", "割引率", "Percent off").numeric().after("%").render(errors, lang))
            (field("max_discount", "割引上限額", "Maximum discount").numeric().optional().before(unit)
                .hint(html! { (lang.pick("1注文で割り引く金額の上限です。", "The most that one order gets.")) }).render(errors, lang))
        },
        "amount_off" => field("amount", "値引き額", "Amount off")
            .numeric()
            .before(unit)
            .render(errors, lang),
        "tiered_percent_off" => tiers(fields, errors, lang),
        "buy_x_get_y" => html! {
            div .row {
                (field("buy", "購入点数", "Buy").numeric().after(lang.pick("点", "units")).render(errors, lang))
                (field("get", "割引になる点数", "Get").numeric().after(lang.pick("点", "units")).render(errors, lang))
                (field("get_percent", "その割引率", "At percent off").numeric().after("%").hint(html! { (lang.pick("100で無料", "100 is free")) }).render(errors, lang))
            }
            (field("get_skus", "割引になる商品のSKU", "SKUs of the discounted units").rows(3).optional()
                .hint(html! { (lang.pick("空なら、対象商品のうち安いものから割引します。", "Left empty, the cheapest eligible units are discounted.")) }).render(errors, lang))
        },
        _ => {
            html! { p { (lang.pick("送料をすべて無料にします。", "Takes off all of the shipping.")) } }
        }
    };
    let currencies: Vec<Choice<'_>> = CURRENCIES
        .iter()
        .map(|code| Choice::new(code, *code))
        .collect();
    let title = lang.pick(
        format!("割引内容：{kind_name}"),
        format!("Benefit: {kind_name}"),
    );
    section(
        1,
        &title,
        &html! {
            (field("name", "名前", "Name").maxlength(200).autocomplete("off")
                .hint(html! { (lang.pick("社内で使う名前です。お客様には表示されません。", "For staff only; buyers do not see it.")) }).render(errors, lang))
            (value)
            (select(("currency", lang.pick("通貨", "Currency")), fields.get("currency"), &currencies, errors, lang))
        },
    )
}

fn tiers(fields: &Fields, errors: &Errors, lang: Lang) -> Markup {
    let unit = unit(fields);
    html! {
        p .hint { (lang.pick("金額の低い順に入力します。使わない段は空のままにします。", "From the lowest amount up; leave unused rows empty.")) }
        @for index in 1..=TIERS {
            @let (least, percent) = (format!("tier_min_{index}"), format!("tier_percent_{index}"));
            @let from = lang.pick(format!("{index}段目：購入金額"), format!("Tier {index}: from"));
            div .row {
                (Input::new(&least, &from, fields.get(&least)).numeric().before(unit.clone()).render(errors, lang))
                (Input::new(&percent, lang.pick("割引率", "Percent off"), fields.get(&percent)).numeric().after("%").render(errors, lang))
            }
        }
    }
}

fn products(fields: &Fields, errors: &Errors, lang: Lang) -> Markup {
    let unit = unit(fields);
    let choices = [
        Choice::new("all", lang.pick("すべての商品", "All products")),
        Choice::new(
            "list",
            lang.pick("指定した商品だけ", "Only the products listed"),
        ),
    ];
    section(
        2,
        lang.pick("対象商品と最低条件", "Products and minimum"),
        &html! {
            (radios(("products", lang.pick("対象商品", "Eligible products")), fields.get("products"), &choices, errors, lang))
            (sku_field("skus", lang.pick("対象商品のSKU", "SKUs of eligible products"), fields, errors, lang))
            details open[!fields.get("exclude_skus").is_empty() || errors.of("exclude_skus").is_some()] {
                summary { (lang.pick("対象外の商品を指定する", "Exclude products")) }
                (sku_field("exclude_skus", lang.pick("対象外商品のSKU", "SKUs of excluded products"), fields, errors, lang))
            }
            div .row {
                (Input::new("min_subtotal", lang.pick("最低購入金額", "Minimum spend"), fields.get("min_subtotal")).numeric().optional().before(unit).render(errors, lang))
                (Input::new("min_quantity", lang.pick("最低購入点数", "Minimum quantity"), fields.get("min_quantity")).numeric().optional()
                    .after(lang.pick("点", "units")).render(errors, lang))
            }
        },
    )
}

fn sku_field(
    name: &'static str,
    label: &str,
    fields: &Fields,
    errors: &Errors,
    lang: Lang,
) -> Markup {
    let text = fields.get(name);
    let list = sku_list(text);
    let as_number = |count: usize| number(u64::try_from(count).unwrap_or(u64::MAX));
    let (known, doubles) = (as_number(list.skus.len()), as_number(list.doubles));
    let said = lang.pick(
        format!("{known}件を認識、重複{doubles}件。"),
        format!("{known} recognised, {doubles} duplicates. "),
    );
    let hint = html! {
        @if !text.is_empty() { strong { (said) } }
        (lang.pick("1行に1つ、またはカンマ区切りで貼り付けます（4,000件まで）。", "One a line or separated by commas, 4,000 at most."))
    };
    html! {
        (Input::new(name, label, text).rows(3).hint(hint).render(errors, lang))
        div .field data-script hidden {
            label for=(format!("file-{name}")) { (lang.pick("ファイルから読み込む", "Read from a file")) }
            input #(format!("file-{name}")) type="file" accept=".csv,.txt,text/plain,text/csv" data-into=(crate::form::id(name));
        }
    }
}

fn period(state: &State, visit: &Visit, fields: &Fields, errors: &Errors) -> Markup {
    let lang = visit.lang;
    let lead = state.lead_time > chrono::TimeDelta::zero();
    section(
        3,
        lang.pick("期間", "Period"),
        &html! {
            div .row {
                (Input::new("starts", lang.pick("開始日", "First day"), fields.get("starts")).kind("date").optional()
                    .hint(html! { (lang.pick("空なら作成と同時", "Empty: at once")) }).render(errors, lang))
                (Input::new("starts_time", lang.pick("開始時刻", "From"), fields.get("starts_time")).kind("time").optional()
                    .hint(html! { (lang.pick("空なら00:00", "Empty: 00:00")) }).render(errors, lang))
            }
            div .row {
                (Input::new("ends", lang.pick("終了日", "Last day"), fields.get("ends")).kind("date").optional()
                    .hint(html! { (lang.pick("空なら終了日なし", "Empty: no end")) }).render(errors, lang))
                (Input::new("ends_time", lang.pick("終了時刻", "Until"), fields.get("ends_time")).kind("time").optional()
                    .hint(html! { (lang.pick("空なら23:59まで", "Empty: 23:59")) }).render(errors, lang))
            }
            @if lead {
                p .notice { (lang.pick("今作成した場合の反映予定：", "If created now, it takes effect ")) (time(visit.now + state.lead_time, visit.zone(), lang))
                    (lang.pick("。間違いに気づいたときに取り消せるよう、時間を置いて反映されます。", ", so that a slip can still be undone.")) }
            }
        },
    )
}

fn codes(fields: &Fields, errors: &Errors, lang: Lang) -> Markup {
    let kind = |kind: ClaimCode| words::claim_code(kind, lang);
    let kinds = [
        Choice::new("single_use", kind(ClaimCode::SingleUse)).note(lang.pick(
            "1つのコードは1回の注文でだけ使えます。",
            "Each code serves one order.",
        )),
        Choice::new("group", kind(ClaimCode::Group)).note(lang.pick(
            "HANAKO10 のような言葉を、多くの人が使えます。",
            "A word such as HANAKO10 that many buyers share.",
        )),
        Choice::new("none", kind(ClaimCode::None)).note(lang.pick(
            "条件に合う注文すべてに自動で適用されます。",
            "It applies to every order that meets its terms.",
        )),
    ];
    let rules = [
        Choice::new("exclusive", lang.pick("併用不可", "Exclusive")).note(lang.pick(
            "例：このコードを使うと、ほかのコードは使えません。",
            "With this code no other can be used.",
        )),
        Choice::new(
            "preferential",
            lang.pick("優先（最もお得な1つのみ）", "Preferential"),
        )
        .note(lang.pick(
            "例：10%OFFと15%OFFが重なると、15%OFFだけが使われます。",
            "Of 10% off and 15% off only the 15% apply.",
        )),
        Choice::new("unrestricted", lang.pick("併用可", "Unrestricted")).note(lang.pick(
            "例：10%OFFと送料無料を一緒に使えます。",
            "10% off can be used together with free shipping.",
        )),
    ];
    let chosen = claim_code(fields);
    section(
        4,
        lang.pick("コード", "Codes"),
        &html! {
            (radios(("claim_code", lang.pick("コードの種類", "Code kind")), words_of(chosen), &kinds, errors, lang))
            (Input::new("count", lang.pick("最初に発行する枚数（1回限りのコード）", "Codes to issue right away (single-use)"), fields.get("count")).numeric().optional()
                .after(lang.pick("件", "codes")).hint(html! { (lang.pick("あとからいくつでも追加できます。", "More can be issued at any time.")) }).render(errors, lang))
            (Input::new("word", lang.pick("最初の言葉（共通コード）", "First word (shared code)"), fields.get("word")).class("middle").optional().autocomplete("off")
                .hint(html! { (lang.pick("半角英数字3〜20文字（16文字を除く）。例：", "3 to 20 letters and digits, but not 16, such as ")) code { "HANAKO10" } }).render(errors, lang))
            (Input::new("channel", lang.pick("配布経路", "Channel"), fields.get("channel")).class("middle").optional().autocomplete("off")
                .hint(html! { (lang.pick("どこで配るか。例：", "Where they are handed out, such as ")) code { "influencer/hanako" } }).render(errors, lang))
            (radios(("combinability", lang.pick("併用可否", "Combinability")), fields.get("combinability"), &rules, errors, lang))
        },
    )
}

fn words_of(kind: ClaimCode) -> &'static str {
    match kind {
        ClaimCode::SingleUse => "single_use",
        ClaimCode::Group => "group",
        ClaimCode::None => "none",
    }
}

fn limits(kind: &str, fields: &Fields, errors: &Errors, lang: Lang) -> Markup {
    let unit = unit(fields);
    let orders = lang.pick("回", "orders");
    section(
        5,
        lang.pick("上限", "Limits"),
        &html! {
            (Input::new("budget", lang.pick("予算（割引総額の上限）", "Budget"), fields.get("budget")).numeric().optional().before(unit)
                .hint(html! { (lang.pick("使い切ると自動的に使えなくなります。開始後は追加できません。", "It stops by itself when used up. It cannot be added after the start.")) }).render(errors, lang))
            (Input::new("redemptions", lang.pick("利用上限（先着）", "Usage limit"), fields.get("redemptions")).numeric().optional().after(orders).render(errors, lang))
            (Input::new("per_customer", lang.pick("お一人様の上限", "Per customer"), fields.get("per_customer")).numeric().optional().after(orders).render(errors, lang))
            @if kind != "free_shipping" {
                (Input::new("units_per_order", lang.pick("1注文で割引する点数の上限", "Units discounted per order"), fields.get("units_per_order")).numeric().optional()
                    .after(lang.pick("点", "units")).render(errors, lang))
            }
            (checkbox("never_restore", lang.pick("注文が取り消されてもコードを戻さない", "A cancelled order does not give its code back"), fields.has("never_restore"), None))
            (checkbox("restore_budget", lang.pick("返品された分の割引を予算に戻す", "Returned goods give their discount back to the budget"), fields.has("restore_budget"), None))
        },
    )
}

fn aside(state: &State, visit: &Visit, kind: &str, fields: &Fields, lang: Lang) -> Markup {
    let unit = unit(fields);
    let none = Errors::new();
    html! {
        aside .card .sticky .preview aria-labelledby="preview-title" {
            h2 #preview-title { (lang.pick("価格プレビュー", "Price preview")) }
            p .note { (lang.pick("サンプルのカートを書き換えて試せます。", "Change the sample cart to try it.")) }
            @for line in 1..=price::LINES {
                @let (quantity, unit_price) = (format!("cart_quantity_{line}"), format!("cart_price_{line}"));
                div .row {
                    (Input::new(&unit_price, &lang.pick(format!("商品{line}の単価"), format!("Price of product {line}")), fields.get(&unit_price)).numeric().before(unit.clone()).render(&none, lang))
                    (Input::new(&quantity, lang.pick("数量", "Quantity"), fields.get(&quantity)).numeric().render(&none, lang))
                }
            }
            (Input::new("cart_shipping", lang.pick("送料", "Shipping"), fields.get("cart_shipping")).numeric().before(unit).render(&none, lang))
            div { button .button type="submit" name="step" value="price" { (lang.pick("料金を再計算", "Price it again")) } }
            div .preview data-preview-into aria-live="polite" { (preview(state, visit, kind, fields)) }
        }
    }
}
