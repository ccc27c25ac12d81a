//! Mails by where they stand, and what stops them all.

pub(crate) mod one;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use shared::domain::outbox::OutboxMail;
use shared::domain::sending::{Outcomes, Resumption, SendingPause, clears_on, sum};
use shared::store::{IndexPlace, Lifted, MailView, SendingState};

use crate::State;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::form::{Errors, Input};
use crate::format::{day, number, relative, time, time_text};
use crate::frame::{Nav, Page, Weight, banner, nothing_yet, paging, views};
use crate::lang::Lang;
use crate::pages::follow_ups::Names;
use crate::query::Lenient;
use crate::reasons;
use crate::visit::Visit;

/// Mails on a page of the list.
const PER_PAGE: usize = 50;
/// Longest reason that is taken for lifting a pause, in characters.
const MAX_WHY_CHARS: usize = 500;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/console/mails", get(list))
        .route("/console/mails/resume", get(ask_to_resume).post(resume))
        .merge(one::routes())
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    view: String,
    after: Option<String>,
}

/// The views, by the name they have in addresses.
const VIEWS: [(&str, MailView); 5] = [
    ("waiting", MailView::Waiting),
    ("sent", MailView::Sent),
    ("undelivered", MailView::Undelivered),
    ("attention", MailView::Parked),
    ("withdrawn", MailView::Withdrawn),
];

fn view_word(view: MailView, lang: Lang) -> &'static str {
    match view {
        MailView::Waiting => lang.pick("配信予定", "Scheduled"),
        MailView::Sent => lang.pick("配信済み", "Sent"),
        MailView::Undelivered => lang.pick("不達", "Undelivered"),
        MailView::Parked => lang.pick("要確認", "Needs attention"),
        MailView::Withdrawn => lang.pick("取りやめ", "Withdrawn"),
    }
}

async fn list(
    visit: Visit,
    Shared(state): Shared<State>,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let known = VIEWS.iter().find(|(name, _)| *name == asked.view);
    let (name, view) = known.copied().unwrap_or(("waiting", MailView::Waiting));
    let after = asked.after.as_deref().map(str::parse::<IndexPlace>);
    let after = after.transpose().map_err(|_| Failure::NotFound)?;
    let page = state
        .store
        .list_mails(view, after.as_ref(), PER_PAGE)
        .await?;
    let people: Vec<_> = page.mails.iter().map(|mail| mail.person.clone()).collect();
    let contacts = state.store.contacts(&people, visit.now).await?;
    let names = Names::read(&state).await?;
    let items: Vec<_> = VIEWS
        .iter()
        .map(|(each, other)| {
            let path = format!("/console/mails?view={each}");
            (
                path,
                view_word(*other, lang).to_owned(),
                None,
                *each == name,
            )
        })
        .collect();
    let here = format!("/console/mails?view={name}");
    let next = page
        .next
        .as_ref()
        .map(|place| format!("{here}&after={place}"));
    let first = after.is_some().then_some(here.as_str());
    let body = html! {
        (standing(&visit, &state.store.sending_state(visit.now).await?))
        (sender_banner(&visit))
        (views(lang.pick("表示", "View"), &items))
        @if page.mails.is_empty() {
            (nothing_yet(nothing(view, lang), &html! {
                @if view == MailView::Waiting { a .button href="/console/follow-ups" { (lang.pick("フォローメールを見る", "See follow-ups")) } }
            }))
        } @else {
            div .table { table .stacked {
                caption { (order_of(view, lang)) }
                thead { tr {
                    th scope="col" { (lang.pick("宛先", "To")) }
                    th scope="col" { (lang.pick("フォローメール・パターン", "Follow-up and arm")) }
                    th scope="col" { (lang.pick("種類", "Kind")) }
                    th scope="col" { (lang.pick("状態", "State")) }
                    th .right scope="col" { (lang.pick("試行", "Attempts")) }
                    th scope="col" { (when_word(view, lang)) }
                } }
                tbody { @for mail in &page.mails {
                    @let address = contacts.get(&mail.person).map(|contact| contact.email.as_str());
                    (row(&visit, mail, address, &names, view))
                } }
            } }
            (paging(first, next.as_deref(), lang))
        }
    };
    Ok(Page::new(&visit, Nav::Mails, Nav::Mails.word(lang)).render(&body))
}

fn nothing(view: MailView, lang: Lang) -> &'static str {
    match view {
        MailView::Waiting => lang.pick("まだ配信予定はありません", "No mail is scheduled yet"),
        MailView::Sent => lang.pick("配信済みのメールはまだありません", "No mail was sent yet"),
        MailView::Undelivered => {
            lang.pick("不達のメールはありません", "No mail failed or came back")
        }
        MailView::Parked => lang.pick(
            "確認が必要なメールはありません",
            "No mail needs your attention",
        ),
        MailView::Withdrawn => lang.pick("取りやめたメールはありません", "No mail was withdrawn"),
    }
}

fn order_of(view: MailView, lang: Lang) -> &'static str {
    match view {
        MailView::Waiting => lang.pick("配信予定の早い順", "The next one first"),
        MailView::Sent | MailView::Undelivered | MailView::Parked | MailView::Withdrawn => {
            lang.pick("新しい順", "The latest first")
        }
    }
}

fn when_word(view: MailView, lang: Lang) -> &'static str {
    match view {
        MailView::Waiting => lang.pick("配信予定", "Due"),
        MailView::Sent => lang.pick("配信日時", "Sent"),
        MailView::Undelivered => lang.pick("判明した日時", "Known since"),
        MailView::Parked => lang.pick("保留した日時", "Parked"),
        MailView::Withdrawn => lang.pick("取りやめた日時", "Withdrawn"),
    }
}

fn row(
    visit: &Visit,
    mail: &OutboxMail,
    address: Option<&str>,
    names: &Names,
    view: MailView,
) -> Markup {
    let lang = visit.lang;
    let at = match view {
        MailView::Waiting => Some(mail.due_at),
        MailView::Sent => mail.mailed_at,
        MailView::Undelivered | MailView::Parked | MailView::Withdrawn => {
            mail.bounced_at.or(mail.ended_at)
        }
    };
    html! {
        tr {
            th scope="row" { a href=(one::path(&mail.id)) { bdi { (to(address, lang)) } } }
            td data-label=(lang.pick("フォローメール", "Follow-up")) { div { bdi { (names.of(&mail.follow_up_id, lang)) } div .note { bdi { (mail.variant) } } } }
            td data-label=(lang.pick("種類", "Kind")) { (kind(mail, lang)) }
            td data-label=(lang.pick("状態", "State")) { div { (reasons::state_and_reason(mail, lang)) } }
            td .right data-label=(lang.pick("試行", "Attempts")) { (mail.attempt) }
            td data-label=(when_word(view, lang)) { div {
                @if let Some(at) = at {
                    (time(at, visit.zone(), lang))
                    @if view == MailView::Waiting { div .note { (relative(at, visit.now, lang)) } }
                } @else { (crate::format::figure(None, lang)) }
            } }
        }
    }
}

/// To whom, without saying it: addresses are gone some time after the mail.
fn to(address: Option<&str>, lang: Lang) -> String {
    address.map_or_else(
        || {
            lang.pick("（宛先は消去済み）", "(address erased)")
                .to_owned()
        },
        reasons::masked,
    )
}

fn kind(mail: &OutboxMail, lang: Lang) -> &'static str {
    match mail.reminder_of {
        None => lang.pick("お礼", "Thank-you"),
        Some(_) => lang.pick("期限前のお知らせ", "Reminder"),
    }
}

/// That nothing is sent because the law asks for a sender; on every page about mail.
pub(crate) fn sender_banner(visit: &Visit) -> Markup {
    let lang = visit.lang;
    if visit.shop.sender.is_some() {
        return html! {};
    }
    banner(
        Weight::Danger,
        lang.pick(
            "差出人情報が未設定のため、メールは配信されません",
            "No mail is being sent: sender details are missing",
        ),
        &html! { p { (lang.pick(
            "法律により、差出人の名称・住所・連絡先の記載が必要です。独自の差出人を持つフォローメールは配信されます。",
            "The law asks for a sender's name, postal address and contact in every mail. Follow-ups with a sender of their own are sent.",
        )) " " a href="/console/settings#sender" { (lang.pick("設定を見る", "See settings")) } } },
    )
}

/// What stops all mail, if anything does.
fn standing(visit: &Visit, sending: &SendingState) -> Markup {
    let lang = visit.lang;
    let Some(pause) = &sending.pause else {
        return html! {};
    };
    banner(
        Weight::Danger,
        lang.pick(
            "現在、すべてのメール配信が止まっています",
            "No mail is being sent at present",
        ),
        &html! {
            p { (reasons::pause_reason(pause.reason, lang)) }
            p .note {
                (lang.pick("停止：", "Since ")) (time(pause.since, visit.zone(), lang)) " · "
                (lang.pick("次の確認：", "next look ")) (time(pause.probe_at, visit.zone(), lang))
            }
            (outlook(visit, pause, sending))
        },
    )
}

/// When a pause ends, as far as that is known.
fn outlook(visit: &Visit, pause: &SendingPause, sending: &SendingState) -> Markup {
    let lang = visit.lang;
    if pause.reason.resumption() != Resumption::Rates {
        return html! { p { (lang.pick(
            "SESがメールを受け付けるようになると自動で再開します。配信予定のメールは待機します。",
            "It ends by itself once SES takes mails again; what is due waits.",
        )) } };
    }
    let until = clears_on(&sending.days, visit.now.date_naive());
    html! {
        p { (counted(&sum(&sending.days), lang)) " "
            @match until {
                Some(until) => (lang.pick(format!("{}（UTC）に自動で再開する見込みです。", day(until, lang)), format!("It ends by itself on {} (UTC).", day(until, lang)))),
                None => (lang.pick("古い日が対象から外れると自動で再開します。", "It ends by itself as those days pass.")),
            }
        }
        p { a .button href="/console/mails/resume" { (lang.pick("配信を再開する", "Let mails go out again")) } }
    }
}

fn counted(counts: &Outcomes, lang: Lang) -> String {
    let share = |part: u64| {
        let percent = crate::format::percent(i128::from(part), i128::from(counts.known));
        percent.map_or_else(String::new, |percent| format!(" ({percent})"))
    };
    let (known, bounced, complained) = (
        number(counts.known),
        number(counts.bounced),
        number(counts.complained),
    );
    match lang {
        Lang::Ja => format!(
            "直近7日間の{known}通のうち、不達{bounced}通{}、迷惑メール報告{complained}件{}です。",
            share(counts.bounced),
            share(counts.complained),
        ),
        Lang::En => format!(
            "Of {known} mails of the last 7 days, {bounced} bounced{} and {complained} were complained of{}.",
            share(counts.bounced),
            share(counts.complained),
        ),
    }
}

async fn ask_to_resume(visit: Visit, Shared(state): Shared<State>) -> Result<Response, Failure> {
    let sending = state.store.sending_state(visit.now).await?;
    Ok(resume_page(&visit, &sending, "", &Errors::new()))
}

fn resume_page(visit: &Visit, sending: &SendingState, why: &str, errors: &Errors) -> Response {
    let lang = visit.lang;
    let body = html! {
        (errors.summary(lang))
        div .card .narrow {
            ul .consequences {
                @if let Some(pause) = &sending.pause { li { (reasons::pause_reason(pause.reason, lang)) } }
                li { (counted(&sum(&sending.days), lang)) }
                li { (lang.pick(
                    "再開すると、これまでの不達と報告は数えません。配信予定のメールは1分以内に出始めます。",
                    "What was counted until now counts no more. Mails that are due go out within a minute.",
                )) }
                li { (lang.pick(
                    "原因が残っていると、SESがアカウントの送信を停止することがあります。",
                    "If the cause is still there, SES may stop the whole account.",
                )) }
            }
            form .form method="post" action="/console/mails/resume" novalidate {
                (visit.token_field())
                (Input::new("why", lang.pick("再開する理由", "Why it may go on"), why)
                    .hint(html! { (lang.pick("記録に残ります。例：古い名簿を取り除いた", "Kept on record, such as: removed an old list")) })
                    .render(errors, lang))
                div .buttons {
                    button .button .danger type="submit" { (lang.pick("配信を再開する", "Let mails go out again")) }
                    a .button href="/console/mails" { (lang.pick("戻る", "Go back")) }
                }
            }
            @if !sending.liftings.is_empty() {
                h2 { (lang.pick("これまでの再開", "Earlier resumptions")) }
                ul { @for lifting in sending.liftings.iter().rev() {
                    li { (time_text(lifting.at, visit.zone(), lang)) " · " bdi { (lifting.by) } " · " bdi { (lifting.why) } }
                } }
            }
        }
    };
    Page::new(
        visit,
        Nav::Mails,
        lang.pick("メール配信を再開", "Let mails go out again"),
    )
    .below_nav()
    .errors(errors.len())
    .render(&body)
}

async fn resume(
    visit: Visit,
    Shared(state): Shared<State>,
    fields: Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let why = fields.get("why");
    let mut errors = Errors::new();
    if why.is_empty() || why.chars().count() > MAX_WHY_CHARS {
        errors.add(
            "why",
            lang.pick(
                "再開する理由を500文字以内で入力してください",
                "Say why in 500 characters at most",
            ),
        );
    } else {
        match state
            .store
            .lift_pause(&visit.key.name, why, visit.now)
            .await?
        {
            Lifted::Done(_) => {
                let said = lang.pick(
                    "配信を再開しました。1分以内に出始めます。",
                    "Mails go out again within a minute.",
                );
                return Ok(visit.done("/console/mails", said));
            }
            Lifted::NotPaused => {
                let said = lang.pick("配信は止まっていません。", "Nothing stops mails.");
                return Ok(visit.done("/console/mails", said));
            }
            Lifted::NotForStaff(_) => errors.add(
                "",
                lang.pick(
                    "この停止はここでは解除できません。SESがすべてのメールを拒否するためです。",
                    "This cannot be lifted here, since SES would refuse every mail.",
                ),
            ),
        }
    }
    let sending = state.store.sending_state(visit.now).await?;
    Ok(resume_page(&visit, &sending, why, &errors))
}
