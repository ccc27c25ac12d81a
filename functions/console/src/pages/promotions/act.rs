//! Pausing, resuming and ending a promotion: each asks first.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use shared::domain::promotion::{ClaimCode, Promotion};
use shared::store::Known;

use super::find;
use super::one::ends;
use super::parts::path;
use crate::State;
use crate::confirm::{Confirm, Gravity};
use crate::failure::Failure;
use crate::figures::spent;
use crate::form::Errors;
use crate::format::number;
use crate::frame::Nav;
use crate::visit::Visit;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/console/promotions/{id}/pause", get(ask_pause).post(pause))
        .route(
            "/console/promotions/{id}/resume",
            get(ask_resume).post(resume),
        )
        .route("/console/promotions/{id}/end", get(ask_end).post(end))
}

type Id = Path<String>;

async fn ask_pause(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Id,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    Ok(pausing(&known.promotion, &visit).page(&visit))
}

fn pausing<'a>(promotion: &Promotion, visit: &Visit) -> Confirm<'a> {
    let lang = visit.lang;
    let name = &promotion.terms.name;
    let mut consequences = vec![
        lang.pick(
            "10秒以内に停止します。再開すれば同じコードをまた使えます。",
            "Paused within 10 seconds. Codes stay valid and work again after Resume.",
        )
        .to_owned(),
    ];
    consequences.extend(ends(promotion, visit).map(|end| {
        lang.pick(
            format!("終了日時は変わりません（{end}）。"),
            format!("Its end stays as it is ({end})."),
        )
    }));
    Confirm {
        nav: Nav::Promotions,
        title: lang.pick(
            format!("「{name}」を一時停止しますか"),
            format!("Pause “{name}”?"),
        ),
        consequences,
        action: format!("{}/pause", path(&promotion.id)),
        verb: lang.pick("一時停止する", "Pause promotion"),
        back: path(&promotion.id),
        gravity: Gravity::Reversible,
        carries: Vec::new(),
    }
}

async fn pause(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Id,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    let said = visit.lang.pick("一時停止しました。", "Paused.");
    switch(&state, &visit, &known.promotion, ("pause", said), pausing).await
}

async fn ask_resume(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Id,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    Ok(resuming(&known.promotion, &visit).page(&visit))
}

fn resuming<'a>(promotion: &Promotion, visit: &Visit) -> Confirm<'a> {
    let lang = visit.lang;
    let name = &promotion.terms.name;
    let mut consequences = vec![
        lang.pick(
            "10秒以内に再開します。配布済みのコードがまた使えるようになります。",
            "Resumed within 10 seconds. Codes handed out before work again.",
        )
        .to_owned(),
    ];
    consequences.extend(ends(promotion, visit).map(|end| {
        lang.pick(
            format!("使えるのは{end}です。"),
            format!("They work {end}."),
        )
    }));
    Confirm {
        nav: Nav::Promotions,
        title: lang.pick(
            format!("「{name}」を再開しますか"),
            format!("Resume “{name}”?"),
        ),
        consequences,
        action: format!("{}/resume", path(&promotion.id)),
        verb: lang.pick("再開する", "Resume promotion"),
        back: path(&promotion.id),
        gravity: Gravity::Reversible,
        carries: Vec::new(),
    }
}

async fn resume(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Id,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    let said = visit.lang.pick("再開しました。", "Resumed.");
    switch(&state, &visit, &known.promotion, ("resume", said), resuming).await
}

async fn switch(
    state: &State,
    visit: &Visit,
    promotion: &Promotion,
    (call, said): (&str, &str),
    question: impl Fn(&Promotion, &Visit) -> Confirm<'static>,
) -> Result<Response, Failure> {
    let called = format!("/v1/promotions/{}/{call}", promotion.id);
    match state.api.post(visit, &called, Value::Null).await {
        Ok(_) => Ok(visit.done(&path(&promotion.id), said)),
        Err(refusal) => {
            let mut errors = Errors::new();
            errors.refused(&refusal, &[], visit.lang);
            Ok(question(promotion, visit).refused(visit, &errors))
        }
    }
}

/// What stops working with a promotion, counted.
async fn consequences(state: &State, visit: &Visit, known: &Known) -> Result<Vec<String>, Failure> {
    let lang = visit.lang;
    let promotion = known.promotion.as_ref();
    let id = &promotion.id;
    let codes = match promotion.terms.claim_code {
        ClaimCode::SingleUse => {
            let spent = spent(state, &[promotion])
                .await?
                .remove(id)
                .unwrap_or_default();
            let (minted, used) = (number(known.minted), number(spent.uses));
            lang.pick(
                format!("発行済みのコード{minted}件のうち、まだ使われていないコードはすべて使えなくなります（これまでの利用：{used}回）。"),
                format!("Of {minted} codes issued, all that are unused stop working ({used} redemptions so far)."),
            )
        }
        ClaimCode::Group => {
            let words = state.store.group_codes_of(id).await?;
            let words = words.iter().filter(|word| !word.voided).count();
            let words = number(u64::try_from(words).unwrap_or(u64::MAX));
            lang.pick(
                format!("共通コード{words}件が使えなくなります。"),
                format!("Shared codes that stop working: {words}."),
            )
        }
        ClaimCode::None => lang
            .pick("自動適用が終わります。", "It no longer applies by itself.")
            .to_owned(),
    };
    let mut all = vec![codes];
    for follow_up in state.store.follow_ups().await? {
        let mut variants = follow_up.terms.variants.iter();
        if variants.any(|variant| variant.promotion_id == *id) {
            let name = &follow_up.terms.name;
            all.push(lang.pick(
                format!("フォローメール「{name}」はこのプロモーションのコードを載せています。配信待ちのメールは取りやめになります。"),
                format!("Follow-up “{name}” mails codes of it. Its waiting mails will be withdrawn."),
            ));
        }
    }
    let last = lang.pick(
        "10秒以内に終了します。元に戻せません。",
        "It ends within 10 seconds. This cannot be undone.",
    );
    all.push(last.to_owned());
    Ok(all)
}

async fn ending(state: &State, visit: &Visit, known: &Known) -> Result<Confirm<'static>, Failure> {
    let lang = visit.lang;
    let (id, name) = (&known.promotion.id, &known.promotion.terms.name);
    let consequences = consequences(state, visit, known).await?;
    Ok(Confirm {
        nav: Nav::Promotions,
        title: lang.pick(
            format!("「{name}」を終了しますか"),
            format!("End “{name}”?"),
        ),
        consequences,
        action: format!("{}/end", path(id)),
        verb: lang.pick("終了する", "End promotion"),
        back: path(id),
        gravity: Gravity::Final,
        carries: Vec::new(),
    })
}

async fn ask_end(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Id,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    Ok(ending(&state, &visit, &known).await?.page(&visit))
}

async fn end(
    Shared(state): Shared<State>,
    visit: Visit,
    Path(id): Id,
) -> Result<Response, Failure> {
    let known = find(&state, &visit, id).await?;
    let called = format!("/v1/promotions/{}/end", known.promotion.id);
    let _ = state.api.post(&visit, &called, Value::Null).await?;
    Ok(visit.done(
        &path(&known.promotion.id),
        visit.lang.pick("終了しました。", "Ended."),
    ))
}
