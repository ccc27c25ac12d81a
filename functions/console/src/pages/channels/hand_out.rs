//! "Hand out a code": one form that makes a word and a link for a channel.

use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;
use http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::domain::channel::Channel;
use shared::domain::follow_up::random_symbols;
use shared::domain::link::Slug;
use shared::domain::promotion::{ClaimCode, Promotion, Status};

use super::link::path;
use crate::State;
use crate::api::{Call, Refusal, text};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::figures::newest;
use crate::form::{Choice, Errors, Input, Place, radios, select};
use crate::frame::{Nav, Page};
use crate::pages::promotions::{Reader, find};
use crate::query::Lenient;
use crate::visit::Visit;
use crate::words;

/// Most promotions that the form offers, newest first.
const OFFERED: usize = 100;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/console/channels/new", get(ask).post(make))
}

/// For which promotion, if the form was opened from its page.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    promotion: String,
}

async fn ask(
    Shared(state): Shared<State>,
    visit: Visit,
    Lenient(asked): Lenient<Asked>,
) -> Result<Response, Failure> {
    let fields = Fields::of([
        ("once", random_symbols(24)),
        ("promotion", asked.promotion),
        ("kind", "influencer".to_owned()),
    ]);
    page(&state, &visit, &fields, &Errors::new()).await
}

async fn page(
    state: &State,
    visit: &Visit,
    fields: &Fields,
    errors: &Errors,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let found = newest(state).await?;
    let offered: Vec<&Promotion> = found
        .promotions
        .iter()
        .map(AsRef::as_ref)
        .filter(|promotion: &&Promotion| promotion.status_at(visit.now) != Status::Ended)
        .take(OFFERED)
        .collect();
    let body = if offered.is_empty() {
        crate::frame::nothing_yet(
            lang.pick(
                "コードを渡すには、先にプロモーションを作成します。",
                "Create a promotion first; then hand out its codes.",
            ),
            &html! { a .button .primary href="/console/promotions/new" { (lang.pick("プロモーションを作成", "Create promotion")) } },
        )
    } else {
        html! { (errors.summary(lang)) (form(&offered, visit, fields, errors)) }
    };
    Ok(Page::new(
        visit,
        Nav::Channels,
        lang.pick("コードを渡す", "Hand out a code"),
    )
    .below_nav()
    .errors(errors.len())
    .render(&body))
}

fn form(offered: &[&Promotion], visit: &Visit, fields: &Fields, errors: &Errors) -> Markup {
    let lang = visit.lang;
    let promotions: Vec<Choice<'_>> = offered
        .iter()
        .map(|promotion| {
            let terms = &promotion.terms;
            let benefit = words::benefit(&terms.benefit, terms.currency, lang);
            let kind = words::claim_code(terms.claim_code, lang);
            Choice::new(
                promotion.id.as_str(),
                format!("{} · {benefit} · {kind}", terms.name),
            )
        })
        .collect();
    let kinds = [
        Choice::new("influencer", lang.pick("インフルエンサー", "Influencer")),
        Choice::new("ad", lang.pick("広告", "Ad")),
        Choice::new("other", lang.pick("その他", "Other")),
    ];
    html! {
        form .form method="post" action="/console/channels/new" novalidate {
            (visit.token_field())
            input type="hidden" name="once" value=(fields.get("once"));
            section .card .form-section {
                (select(("promotion", lang.pick("プロモーション", "Promotion")), fields.get("promotion"), &promotions, errors, lang))
                (radios(("kind", lang.pick("渡す相手", "For")), fields.get("kind"), &kinds, errors, lang))
                (Input::new("name", lang.pick("名前", "Name"), fields.get("name")).class("middle").autocomplete("off").hint(html! {
                    (lang.pick("半角英数字と . _ - 。配布経路は ", "Letters, digits and . _ - ; the channel becomes ")) code { "influencer/hanako" }
                    (lang.pick(" のようになります。", "."))
                }).render(errors, lang))
                (Input::new("word", lang.pick("コード（共通コードのプロモーションのみ）", "Code (for promotions with shared codes)"), fields.get("word"))
                    .class("middle").autocomplete("off").optional().hint(html! {
                        (lang.pick("半角英数字3〜20文字（16文字を除く）。例：", "3 to 20 letters and digits, but not 16, such as ")) code { "HANAKO10" }
                    }).render(errors, lang))
                div .row {
                    (Input::new("redemptions", lang.pick("このコードの利用上限", "Usage limit of this code"), fields.get("redemptions")).numeric().optional()
                        .after(lang.pick("回", "orders")).render(errors, lang))
                    (Input::new("per_customer", lang.pick("お一人様の上限", "Per customer"), fields.get("per_customer")).numeric().optional()
                        .after(lang.pick("回", "orders")).render(errors, lang))
                }
                (Input::new("cost", lang.pick("広告費", "Ad cost"), fields.get("cost")).numeric().optional().hint(html! {
                    (lang.pick("この相手に支払う金額（プロモーションの通貨）。広告費用対効果の計算に使います。", "What you pay for it, in the promotion's currency, to reckon its return."))
                }).render(errors, lang))
                (Input::new("slug", lang.pick("リンクの末尾", "End of the link"), fields.get("slug")).class("middle").optional().autocomplete("off")
                    .before(format!("{}/l/", visit.shop.public_url)).hint(html! {
                        (lang.pick("半角の小文字・数字・- 。空なら自動で決まります。", "Lower-case letters, digits and -; left empty, one is drawn."))
                    }).render(errors, lang))
            }
            div .buttons {
                button .button .primary type="submit" { (lang.pick("コードとリンクを作る", "Make code and link")) }
                a .button href=(Nav::Channels.path()) { (lang.pick("戻る", "Go back")) }
            }
        }
    }
}

/// What the form asks the API for: the word, if there is one, and the link.
struct Wanted {
    word: Option<Value>,
    link: Value,
}

fn wanted(promotion: &Promotion, fields: &Fields, visit: &Visit) -> Result<Wanted, Errors> {
    let mut reader = Reader::new(fields, promotion.terms.currency, visit);
    let channel = channel_of(fields);
    if fields.get("name").is_empty() {
        reader.wrong("name", "名前を入力してください", "Enter a name");
    } else if Channel::try_from(channel.clone()).is_err() {
        reader.wrong(
            "name",
            "名前は半角英数字と . _ - で、50文字以内で入力してください",
            "A name has at most 50 letters, digits and . _ -",
        );
    }
    let word = fields.get("word").to_owned();
    if !word.is_empty() && promotion.terms.claim_code != ClaimCode::Group {
        reader.wrong(
            "word",
            "このプロモーションは共通コードを使いません。空にしてください",
            "This promotion has no shared codes; leave it empty",
        );
    }
    let limits = [
        ("redemptions", reader.limit("redemptions")),
        ("per_customer", reader.limit("per_customer")),
    ];
    let limits = limits.map(|(name, limit)| (name, limit.map(|limit| json!(limit))));
    let cost = reader.amount("cost");
    let slug = fields.get("slug").to_lowercase();
    if !slug.is_empty() && Slug::try_from(slug.clone()).is_err() {
        reader.wrong(
            "slug",
            "リンクの末尾は半角の小文字・数字・- で、3〜40文字で入力してください",
            "The end of a link has 3 to 40 lower-case letters, digits and -",
        );
    }
    let errors = reader.into_errors();
    if !errors.is_empty() {
        return Err(errors);
    }
    let some = |text: &str| (!text.is_empty()).then(|| json!(text));
    Ok(Wanted {
        word: (!word.is_empty()).then(|| {
            let limited = limits.iter().any(|(_, limit)| limit.is_some());
            let limits = limited.then(|| object(limits.clone()));
            object([
                ("code", some(&word)),
                ("channel", some(&channel)),
                ("limits", limits),
            ])
        }),
        link: object([
            ("promotion_id", Some(json!(promotion.id))),
            ("channel", some(&channel)),
            ("code", some(&word)),
            ("cost", cost.map(|cost| json!(cost))),
            ("slug", some(&slug)),
        ]),
    })
}

/// An object of what there is.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter();
    let there = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

/// The channel of a name, below the kind of whoever it is handed to.
fn channel_of(fields: &Fields) -> String {
    let name = fields.get("name");
    match fields.get("kind") {
        "ad" => format!("ad/{name}"),
        "other" => name.to_owned(),
        _ => format!("influencer/{name}"),
    }
}

async fn make(
    Shared(state): Shared<State>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Failure> {
    let lang = visit.lang;
    let Ok(known) = find(&state, &visit, fields.get("promotion").to_owned()).await else {
        let mut errors = Errors::new();
        errors.add(
            "promotion",
            lang.pick("プロモーションを選んでください", "Choose a promotion"),
        );
        return page(&state, &visit, &fields, &errors).await;
    };
    let made = match wanted(&known.promotion, &fields, &visit) {
        Err(errors) => Err(errors),
        Ok(wanted) => create(&state, &visit, &known.promotion, (&fields, wanted)).await,
    };
    match made {
        Err(errors) => page(&state, &visit, &fields, &errors).await,
        Ok(slug) => Ok(visit.done(
            &path(&slug),
            lang.pick(
                "作成しました。コピーして渡せます。",
                "Made. Copy it and hand it out.",
            ),
        )),
    }
}

/// Makes the word and then the link, each once however often the form is sent.
async fn create(
    state: &State,
    visit: &Visit,
    promotion: &Promotion,
    (fields, wanted): (&Fields, Wanted),
) -> Result<Slug, Errors> {
    let refused = |refusal: &Refusal| {
        let lang = visit.lang;
        let mut errors = Errors::new();
        let word = fields.get("word").to_uppercase();
        match refusal.code.as_str() {
            "code-taken" => errors.add(
                "word",
                lang.pick(
                    format!("{word}はすでに使われています。別の言葉にしてください"),
                    format!("{word} is in use already. Choose another word"),
                ),
            ),
            "slug-taken" => errors.add(
                "slug",
                lang.pick(
                    "この末尾はすでに使われています。別のものにしてください",
                    "Another link has, or had, this end. Choose another",
                ),
            ),
            _ => errors.refused(refusal, &PLACES, lang),
        }
        errors
    };
    let once = |what: &str| match fields.get("once") {
        "" => String::new(),
        once => format!("{once}-{what}"),
    };
    if let Some(word) = wanted.word {
        let called = format!("/v1/promotions/{}/codes", promotion.id);
        let key = once("word");
        let call = Call::new(Method::POST, &called).body(word).once(&key);
        let _ = state
            .api
            .call(visit, call)
            .await
            .map_err(|refusal| refused(&refusal))?;
    }
    let key = once("link");
    let call = Call::new(Method::POST, "/v1/links")
        .body(wanted.link)
        .once(&key);
    let made = state
        .api
        .call(visit, call)
        .await
        .map_err(|refusal| refused(&refusal))?;
    Slug::try_from(text(&made, "slug").to_owned()).map_err(|_| Errors::new())
}

const PLACES: [Place<'static>; 6] = [
    place(
        "/code",
        "word",
        Some((
            "コードは半角英数字3〜20文字（16文字を除く）で入力してください",
            "A shared code has 3 to 20 letters and digits, but not 16",
        )),
    ),
    place("/channel", "name", None),
    place("/cost", "cost", None),
    place("/slug", "slug", None),
    place("/promotion_id", "promotion", None),
    place("/limits", "redemptions", None),
];

const fn place(
    pointer: &'static str,
    field: &'static str,
    words: Option<(&'static str, &'static str)>,
) -> Place<'static> {
    Place {
        pointer,
        field,
        words,
    }
}
