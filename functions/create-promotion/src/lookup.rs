//! `/v1/codes`: what a code is, and taking codes back.

use std::collections::HashMap;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::domain::Fault;
use shared::domain::channel::Channel;
use shared::domain::code::{MAX_TYPED_CHARS, PromotionId, SealedCode, Serial, TypedCode};
use shared::domain::order::OrderId;
use shared::http::{Body, Problem};
use shared::store::{Draw, Freshness, GroupCode, Known, Voidable, Voided, Wanted};
use utoipa::ToSchema;

use crate::State;
use crate::listing::RowStatus;

/// Most codes that one request takes back.
const MAX_VOIDED: usize = 1_000;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/codes/lookup", post(lookup))
        .route("/v1/codes/void", post(void))
}

/// A code to look up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CodeLookup)]
pub(crate) struct LookupBody {
    /// As it was typed.
    #[schema(min_length = 1, max_length = 64)]
    code: String,
}

/// How buyers use a code.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CodeKind)]
enum Kind {
    SingleUse,
    Group,
}

/// What a code is and what became of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CodeFacts {
    /// The canonical text.
    code: String,
    promotion_id: PromotionId,
    kind: Kind,
    status: RowStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redeemed_at: Option<DateTime<Utc>>,
    /// First moment at which it no longer works, if that is known: its own end or its promotion's, whichever is earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime<Utc>>,
}

/// A code of ours, as the table knows it now.
enum Found {
    SingleUse(Known, Serial),
    Word(Known, GroupCode),
}

/// Look up a code
#[utoipa::path(
    post,
    path = "/v1/codes/lookup",
    operation_id = "look_up_code",
    tag = "Codes",
    request_body(content = LookupBody, example = json!({"code": "THX9-7K3M-9QXA-2F4T"})),
    responses(
        (status = 200, description = "What it is and what became of it.", body = CodeFacts),
        (status = 404, description = "There is no such code."),
    )
)]
pub(crate) async fn lookup(
    Shared(state): Shared<State>,
    Body(body): Body<LookupBody>,
) -> Result<Body<CodeFacts>, Problem> {
    if let Some(fault) = fault("/code", &body.code) {
        return Err(vec![fault].into());
    }
    let now = state.clock.now();
    let typed = TypedCode::read(&body.code);
    let found = Finder::new(&state, now).find(&typed).await?;
    let facts = match found {
        None => None,
        Some(Found::Word(known, word)) => Some(CodeFacts {
            status: RowStatus::of_word(&word, &known.promotion, now),
            code: word.code.into(),
            promotion_id: word.promotion_id,
            kind: Kind::Group,
            channel: word.channel,
            order_id: None,
            redeemed_at: None,
            expires_at: known.promotion.terms.ends_at,
        }),
        Some(Found::SingleUse(known, serial)) => {
            single_use(&state, &known, serial, typed.canonical(), now).await?
        }
    };
    facts.map(Body).ok_or_else(Problem::code_unknown)
}

/// The facts of a single-use code; none if it is a thank-you code that was never issued.
async fn single_use(
    state: &State,
    known: &Known,
    serial: Serial,
    code: String,
    now: DateTime<Utc>,
) -> Result<Option<CodeFacts>, Problem> {
    let promotion = &known.promotion;
    let draw = Draw {
        promotion_id: promotion.id.clone(),
        serial,
    };
    let mut observed = state
        .store
        .observe(Wanted {
            codes: std::slice::from_ref(&draw),
            ..Wanted::default()
        })
        .await?;
    let item = observed.codes.remove(&draw);
    if item.is_none() && serial.is_thank_you() {
        return Ok(None);
    }
    let status = RowStatus::of_item(item.as_ref(), promotion, now);
    let minted_for = if serial.is_thank_you() {
        None
    } else {
        let batches = state.store.batches(&promotion.id).await?;
        let batch = batches
            .into_iter()
            .find(|batch| batch.contains(serial.get()));
        batch.and_then(|batch| batch.channel)
    };
    let own_end = item
        .as_ref()
        .and_then(|item| DateTime::from_timestamp_millis(item.expires_ms?));
    let ends = own_end.into_iter().chain(promotion.terms.ends_at);
    let (channel, order_id, redeemed_at) = item
        .map(|item| (item.channel, item.order_id, item.redeemed_at))
        .unwrap_or_default();
    Ok(Some(CodeFacts {
        code,
        promotion_id: promotion.id.clone(),
        kind: Kind::SingleUse,
        status,
        channel: channel.or(minted_for),
        order_id,
        redeemed_at,
        expires_at: ends.min(),
    }))
}

/// Finds codes, reading each promotion once.
struct Finder<'a> {
    state: &'a State,
    now: DateTime<Utc>,
    promotions: HashMap<PromotionId, Option<Known>>,
}

impl<'a> Finder<'a> {
    fn new(state: &'a State, now: DateTime<Utc>) -> Self {
        Self {
            state,
            now,
            promotions: HashMap::new(),
        }
    }

    async fn find(&mut self, typed: &TypedCode) -> Result<Option<Found>, Problem> {
        match typed {
            TypedCode::Garbled(_) => Ok(None),
            TypedCode::Sealed(code) => self.sealed(code).await,
            TypedCode::Word(word) => {
                let store = &self.state.store;
                let Some(group) = store.group_code(word, Freshness::Now, self.now).await? else {
                    return Ok(None);
                };
                let known = self.promotion(&group.promotion_id).await?;
                Ok(known.map(|known| Found::Word(known, group)))
            }
        }
    }

    /// A minted code, or one that has the form of a thank-you code.
    async fn sealed(&mut self, code: &SealedCode) -> Result<Option<Found>, Problem> {
        let Some(known) = self.promotion(&code.promotion_id()).await? else {
            return Ok(None);
        };
        let code_key = self.state.code_keys.of(&known.promotion).await?;
        let serial = code_key.open(code);
        let minted = serial.filter(|serial| serial.is_thank_you() || serial.get() < known.minted);
        Ok(minted.map(|serial| Found::SingleUse(known, serial)))
    }

    async fn promotion(&mut self, id: &PromotionId) -> Result<Option<Known>, Problem> {
        if let Some(known) = self.promotions.get(id) {
            return Ok(known.clone());
        }
        let store = &self.state.store;
        let known = store.promotion(id, Freshness::Now, self.now).await?;
        self.promotions.insert(id.clone(), known.clone());
        Ok(known)
    }
}

fn fault(pointer: &str, code: &str) -> Option<Fault> {
    let possible = !code.trim().is_empty() && code.chars().count() <= MAX_TYPED_CHARS;
    (!possible).then(|| {
        Fault::new(
            pointer,
            format!("a code has 1 to {MAX_TYPED_CHARS} characters"),
        )
    })
}

/// Codes to take back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CodesToVoid)]
pub(crate) struct VoidBody {
    /// As they were typed.
    #[schema(min_items = 1, max_items = 1000)]
    codes: Vec<String>,
}

/// What became of each code, each once, in canonical form.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = VoidedCodes)]
pub(crate) struct VoidAnswer {
    /// They never work again.
    voided: Vec<String>,
    /// They were voided before.
    already_voided: Vec<String>,
    /// An order has them; they were left to it.
    already_redeemed: Vec<String>,
    /// No such codes.
    unknown: Vec<String>,
}

/// Take codes back for good
///
/// Codes that an order has or holds are left to it. A word stops working within 10 s.
#[utoipa::path(
    post,
    path = "/v1/codes/void",
    operation_id = "void_codes",
    tag = "Codes",
    request_body(content = VoidBody, example = json!({"codes": ["THX9-7K3M-9QXA-2F4T"]})),
    responses((status = 200, description = "What became of each code.", body = VoidAnswer))
)]
pub(crate) async fn void(
    Shared(state): Shared<State>,
    Body(body): Body<VoidBody>,
) -> Result<Body<VoidAnswer>, Problem> {
    check(&body.codes)?;
    let mut finder = Finder::new(&state, state.clock.now());
    let mut typed: Vec<TypedCode> = Vec::new();
    let mut answer = VoidAnswer::default();
    let (mut voidable, mut texts) = (Vec::new(), Vec::new());
    let mut seen = std::collections::HashSet::new();
    for code in body.codes.iter().map(|code| TypedCode::read(code)) {
        if seen.insert(code.clone()) {
            typed.push(code);
        }
    }
    for code in typed {
        match finder.find(&code).await? {
            None => answer.unknown.push(code.canonical()),
            Some(Found::Word(known, word)) => {
                let folded = word.code.folded();
                voidable.push(Voidable::Word(known.promotion.id.clone(), folded));
                texts.push(word.code.into());
            }
            Some(Found::SingleUse(known, serial)) => {
                let promotion_id = known.promotion.id.clone();
                voidable.push(Voidable::SingleUse(Draw {
                    promotion_id,
                    serial,
                }));
                texts.push(code.canonical());
            }
        }
    }
    let ends = state.store.void(&voidable).await?;
    for (text, end) in texts.into_iter().zip(ends) {
        match end {
            Voided::Now => answer.voided.push(text),
            Voided::Before => answer.already_voided.push(text),
            Voided::InUse => answer.already_redeemed.push(text),
            Voided::Unknown => answer.unknown.push(text),
        }
    }
    Ok(Body(answer))
}

fn check(codes: &[String]) -> Result<(), Vec<Fault>> {
    if !(1..=MAX_VOIDED).contains(&codes.len()) {
        let detail = format!("a request voids 1 to {MAX_VOIDED} codes");
        return Err(vec![Fault::new("/codes", detail)]);
    }
    let places = codes.iter().enumerate();
    let faults: Vec<Fault> = places
        .filter_map(|(index, code)| fault(&format!("/codes/{index}"), code))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}
