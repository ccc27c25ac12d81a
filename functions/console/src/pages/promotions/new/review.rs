//! The look over a new promotion before it is created, and what to do next after.

use axum::response::Response;
use maud::{Markup, html};
use shared::domain::promotion::{ClaimCode, Promotion};
use shared::store::Known;

use super::super::parts::{path, sentences};
use super::price::cart_of;
use super::warnings::{of_draft, of_others, worst_case};
use crate::State;
use crate::failure::Failure;
use crate::fields::{Fields, tidy_number};
use crate::format::{relative, time};
use crate::frame::{Nav, Page, Weight, banner};
use crate::visit::Visit;

/// Everything in sentences, with what can be changed later.
pub(super) async fn page(
    state: &State,
    visit: &Visit,
    (kind, draft): (&'static str, &Promotion),
    fields: &Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let cart = cart_of(fields, draft.terms.currency);
    let others = of_others(state, visit, draft, &cart).await?;
    let body = html! {
        div .stack .narrow {
            section .card {
                h2 { bdi { (draft.terms.name) } }
                ul .terms { @for line in sentences(draft, visit) { li { (line) } }
                    @if let Some(first) = first_codes(draft, fields, visit) { li { (first) } } }
                p { strong { (worst_case(draft, lang)) } }
            }
            @for (title, text) in of_draft(visit, draft, fields, &cart) { (banner(Weight::Warning, &title, &html! { p { (text) } })) }
            (others)
            p .note { (lang.pick(
                "あとから変更できるもの：名前、終了日時、上限の値。開始後に変更できないもの：それ以外のすべて。",
                "Can be changed later: name, end, limits. Cannot once it has started: everything else.",
            )) }
            form method="post" action=(format!("/console/promotions/new/{kind}")) {
                (visit.token_field())
                @for (name, value) in fields.pairs().filter(|(name, _)| !["token", "step"].contains(name)) {
                    input type="hidden" name=(name) value=(value);
                }
                div .buttons {
                    button .button .primary type="submit" name="step" value="create" { (lang.pick("この内容で作成する", "Create as shown")) }
                    button .button type="submit" name="step" value="edit" { (lang.pick("戻って修正", "Go back and change")) }
                }
            }
        }
    };
    Ok(
        Page::new(visit, Nav::Promotions, lang.pick("内容の確認", "Review"))
            .crumb(
                "/console/promotions/new",
                lang.pick("種類を選ぶ", "Choose a kind"),
            )
            .render(&body),
    )
}

fn first_codes(draft: &Promotion, fields: &Fields, visit: &Visit) -> Option<String> {
    let lang = visit.lang;
    let channel = fields.get("channel");
    let channel = if channel.is_empty() {
        String::new()
    } else {
        format!(" ({channel})")
    };
    let count = tidy_number(fields.get("count"));
    let word = fields.get("word").to_uppercase();
    match draft.terms.claim_code {
        ClaimCode::SingleUse if !count.is_empty() => Some(lang.pick(
            format!("作成と同時にコードを{count}件発行{channel}"),
            format!("{count} codes are issued right away{channel}"),
        )),
        ClaimCode::Group if !word.is_empty() => Some(lang.pick(
            format!("最初の共通コードは {word}{channel}"),
            format!("The first shared code is {word}{channel}"),
        )),
        ClaimCode::SingleUse | ClaimCode::Group | ClaimCode::None => None,
    }
}

/// What to do after a promotion was created.
pub(super) fn done(visit: &Visit, known: &Known) -> Response {
    let lang = visit.lang;
    let promotion = known.promotion.as_ref();
    let base = path(&promotion.id);
    let waits = promotion.effective_at > visit.now;
    let body = html! {
        section .card {
            p { @if waits {
                (lang.pick("反映予定：", "It takes effect ")) (time(promotion.effective_at, visit.zone(), lang))
                " (" (relative(promotion.effective_at, visit.now, lang)) ")"
            } @else { (lang.pick("すぐに使えます。", "It works from now on.")) } }
            h2 { (lang.pick("次にすること", "What next")) }
            (next_steps(promotion, &base, visit))
        }
    };
    let title = lang.pick(
        format!("「{}」を作成しました", promotion.terms.name),
        format!("“{}” was created", promotion.terms.name),
    );
    Page::new(visit, Nav::Promotions, title)
        .below_nav()
        .render(&body)
}

fn next_steps(promotion: &Promotion, base: &str, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        ol .steps {
            @match promotion.terms.claim_code {
                ClaimCode::SingleUse => { li { strong { (lang.pick("コードを配る", "Hand out codes")) }
                    span .note { (lang.pick("発行したコードをCSVでダウンロードするか、追加で発行します。", "Download the codes as CSV, or issue more.")) }
                    a .button .primary href=(format!("{base}/codes")) { (lang.pick("コードを見る", "See codes")) } } }
                ClaimCode::Group => { li { strong { (lang.pick("共通コードを渡す", "Hand out the shared code")) }
                    span .note { (lang.pick("インフルエンサーや広告ごとに言葉を分けると、成果を比べられます。", "One word for each influencer or ad lets you compare them.")) }
                    a .button .primary href=(format!("{base}/codes")) { (lang.pick("共通コードを見る", "See shared codes")) } } }
                ClaimCode::None => { li { strong { (lang.pick("実績を見る", "Watch it")) }
                    span .note { (lang.pick("コードは不要です。条件に合う注文に自動で適用されます。", "It needs no code and applies by itself.")) }
                    a .button .primary href=(base) { (lang.pick("実績を見る", "See results")) } } }
            }
            li { strong { (lang.pick("リンクを作る", "Make a link")) }
                span .note { (lang.pick("配布用リンクなら、訪問数と利用率も分かります。", "A landing link also counts visits and conversion.")) }
                a .button href=(format!("/console/channels/new?promotion={}", promotion.id)) { (lang.pick("リンクを作る", "Make a link")) } }
            li { strong { (lang.pick("お礼メールで送る", "Mail it")) }
                span .note { (lang.pick("購入後のお礼メールに、このプロモーションのコードを載せられます。", "A follow-up can mail its codes after an order.")) }
                a .button href=(Nav::FollowUps.path()) { (lang.pick("フォローメールへ", "Go to follow-ups")) } }
        }
    }
}
