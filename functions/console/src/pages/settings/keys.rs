//! API keys: list, create (the key is shown once), revoke.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde_json::json;
use shared::domain::follow_up::random_symbols;
use shared::store::{ApiKey, CreateError, Created, Idempotency, NewApiKey, Scope};

use super::{Tab, tabs};
use crate::State;
use crate::confirm::{Confirm, Gravity};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::form::{Choice, Errors, Input, radios};
use crate::format::time;
use crate::frame::{Nav, Page, Weight, banner};
use crate::lang::Lang;
use crate::visit::Visit;

pub(super) const LIST: &str = "/console/settings/keys";
/// Longest name of a key, in characters. Ours.
const MAX_NAME_CHARS: usize = 100;
/// Digits of a key's digest by which addresses name it: 64 bits, which say nothing of the key.
const HANDLE_DIGITS: usize = 16;

pub(super) fn routes() -> Router<State> {
    Router::new().route(LIST, get(list).post(create)).route(
        "/console/settings/keys/{handle}/revoke",
        get(ask).post(revoke),
    )
}

fn handle(key: &ApiKey) -> &str {
    key.digest.get(..HANDLE_DIGITS).unwrap_or(&key.digest)
}

fn scope_word(scope: Scope, lang: Lang) -> &'static str {
    match scope {
        Scope::Admin => lang.pick("管理（すべて）", "Admin (everything)"),
        Scope::Checkout => lang.pick(
            "チェックアウト（見積もりと利用）",
            "Checkout (quotes and redemptions)",
        ),
    }
}

async fn list(visit: Visit, Shared(state): Shared<State>) -> Result<Response, Failure> {
    page(&visit, &state, &Fields::default(), &Errors::new(), None).await
}

/// What became of the form sent just now.
enum Made {
    /// A key, whose text is shown on this answer and never again.
    Now(NewApiKey),
    /// Nothing more: the same form had been sent before.
    Before,
}

async fn page(
    visit: &Visit,
    state: &State,
    fields: &Fields,
    errors: &Errors,
    made: Option<&Made>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let mut keys = state.store.list_api_keys().await?;
    keys.sort_by(|one, other| {
        (one.created_at, &one.digest).cmp(&(other.created_at, &other.digest))
    });
    let body = html! {
        (tabs(Tab::Keys, lang))
        (errors.summary(lang))
        @match made {
            Some(Made::Now(made)) => (shown_once(made, lang)),
            Some(Made::Before) => (made_before(lang)),
            None => {}
        }
        div .table { table .stacked {
            caption { (lang.pick("失効させたキーは1分以内に使えなくなります", "A revoked key stops working within a minute")) }
            thead { tr {
                th scope="col" { (lang.pick("名前", "Name")) }
                th scope="col" { (lang.pick("権限", "Scope")) }
                th scope="col" { (lang.pick("作成", "Created")) }
                th scope="col" { (lang.pick("操作", "Action")) }
            } }
            tbody { @for key in &keys { (row(visit, key)) } }
        } }
        section .card .narrow {
            h2 { (lang.pick("APIキーを作成", "Create a key")) }
            form .form method="post" action=(LIST) novalidate {
                (visit.token_field())
                input type="hidden" name="once" value=(once(fields));
                (Input::new("name", lang.pick("名前", "Name"), fields.get("name")).class("middle").maxlength(100)
                    .hint(html! { (lang.pick("使う場所がわかる名前。例：本店チェックアウト", "Where it is used, such as: shop checkout")) }).render(errors, lang))
                (radios(("scope", lang.pick("権限", "Scope")), match fields.get("scope") { "" => "checkout", given => given }, &scopes(lang), errors, lang))
                div .buttons { button .button .primary type="submit" { (lang.pick("キーを作成する", "Create the key")) } }
            }
        }
    };
    Ok(
        Page::new(visit, Nav::Settings, lang.pick("APIキー", "API keys"))
            .below_nav()
            .errors(errors.len())
            .render(&body),
    )
}

fn scopes(lang: Lang) -> [Choice<'static>; 2] {
    [
        Choice::new("checkout", scope_word(Scope::Checkout, lang))
            .note(lang.pick("ショップのサーバーに置くキー", "For the shop's server")),
        Choice::new("admin", scope_word(Scope::Admin, lang)).note(lang.pick(
            "このコンソールへのサインインにも使えます",
            "Also signs in here",
        )),
    ]
}

fn row(visit: &Visit, key: &ApiKey) -> Markup {
    let lang = visit.lang;
    let own = key.digest == visit.key.digest;
    html! { tr {
        th scope="row" { bdi { (key.name) } @if own { " " span .note { (lang.pick("（サインイン中）", "(signed in with it)")) } } }
        td data-label=(lang.pick("権限", "Scope")) { (scope_word(key.scope, lang)) }
        td data-label=(lang.pick("作成", "Created")) { (time(key.created_at, visit.zone(), lang)) }
        td data-label=(lang.pick("操作", "Action")) { a href=(format!("{LIST}/{}/revoke", handle(key))) {
            (lang.pick("失効させる", "Revoke")) span .hidden { " " (key.name) } } }
    } }
}

/// What names one filling of the form, so that sending it twice makes one key.
fn once(fields: &Fields) -> String {
    match fields.get("once") {
        "" => random_symbols(24),
        given => given.to_owned(),
    }
}

/// The form was sent again, by going back or loading its answer anew.
fn made_before(lang: Lang) -> Markup {
    banner(
        Weight::Warning,
        lang.pick(
            "このキーはすでに作成されています",
            "This key has been created already",
        ),
        &html! { p { (lang.pick(
            "同じフォームが再送信されたため、新しいキーは作成していません。控えていない場合は、下の一覧で失効させてから作り直してください。",
            "The same form was sent again, so no other key was made. If you did not keep it, revoke it below and create another.",
        )) } },
    )
}

/// A new key's text, on this one answer and never again.
fn shown_once(made: &NewApiKey, lang: Lang) -> Markup {
    banner(
        Weight::Info,
        lang.pick(
            "キーを作成しました。今すぐ控えてください",
            "The key is created. Keep it now",
        ),
        &html! {
            p { (lang.pick("このキーは二度と表示されません。", "You will not see it again.")) }
            p { span .code-box { code translate="no" data-copy { (made.text) } } }
            p .note { bdi { (made.stored.name) } " · " (scope_word(made.stored.scope, lang)) }
        },
    )
}

async fn create(
    visit: Visit,
    Shared(state): Shared<State>,
    fields: Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let mut errors = Errors::new();
    let name = fields.get("name");
    if name.is_empty()
        || name.chars().count() > MAX_NAME_CHARS
        || name.chars().any(char::is_control)
    {
        errors.add(
            "name",
            lang.pick(
                "名前を1〜100文字で入力してください",
                "Enter a name of 1 to 100 characters",
            ),
        );
    }
    let scope = match fields.get("scope") {
        "admin" => Some(Scope::Admin),
        "checkout" => Some(Scope::Checkout),
        _ => None,
    };
    let Some(scope) = scope.filter(|_| errors.is_empty()) else {
        if scope.is_none() {
            errors.add("scope", lang.pick("権限を選んでください", "Choose a scope"));
        }
        return page(&visit, &state, &fields, &errors, None).await;
    };
    let made = NewApiKey::random(name.to_owned(), scope, visit.now);
    let request = Idempotency::new(
        &visit.key.digest,
        &once(&fields),
        LIST,
        &json!({"name": name, "scope": scope}),
    );
    let made = match state.store.create_api_key(&made.stored, &request).await {
        Ok(Created::Now) => {
            let by = &visit.key.name;
            tracing::info!(key.name = name, ?scope, by, "created an API key");
            Made::Now(made)
        }
        Ok(Created::Before(_)) | Err(CreateError::KeyReused) => Made::Before,
        Err(error) => return Err(Failure::unavailable(&error)),
    };
    let (fields, errors) = (Fields::default(), Errors::new());
    page(&visit, &state, &fields, &errors, Some(&made)).await
}

async fn find(state: &State, wanted: &str) -> Result<ApiKey, Failure> {
    let keys = state.store.list_api_keys().await?;
    let found = keys.into_iter().find(|key| handle(key) == wanted);
    found.ok_or(Failure::NotFound)
}

fn question<'a>(visit: &Visit, key: &ApiKey) -> Confirm<'a> {
    let lang = visit.lang;
    let name = &key.name;
    let mut consequences = vec![
        lang.pick(
            "このキーを使う連携は1分以内に止まります。元に戻せません。",
            "Whatever uses this key stops within a minute. This cannot be undone.",
        )
        .to_owned(),
    ];
    if key.digest == visit.key.digest {
        consequences.insert(
            0,
            lang.pick(
                "今サインインに使っているキーです。失効させるとサインアウトされます。",
                "You are signed in with this key: revoking it signs you out.",
            )
            .to_owned(),
        );
    }
    Confirm {
        nav: Nav::Settings,
        title: lang.pick(
            format!("APIキー「{name}」を失効"),
            format!("Revoke the key “{name}”"),
        ),
        consequences,
        action: format!("{LIST}/{}/revoke", handle(key)),
        verb: lang.pick("失効させる", "Revoke"),
        back: LIST.to_owned(),
        gravity: Gravity::Final,
        carries: Vec::new(),
    }
}

async fn ask(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(handle): Path<String>,
) -> Result<Response, Failure> {
    let key = find(&state, &handle).await?;
    Ok(question(&visit, &key).page(&visit))
}

async fn revoke(
    visit: Visit,
    Shared(state): Shared<State>,
    Path(handle): Path<String>,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let key = find(&state, &handle).await?;
    let _ = state.store.revoke_api_key(&key.digest).await?;
    tracing::info!(key.name, by = visit.key.name, "revoked an API key");
    let said = lang.pick(
        format!("「{}」を失効させました。", key.name),
        format!("Revoked “{}”.", key.name),
    );
    Ok(visit.done(LIST, &said))
}
