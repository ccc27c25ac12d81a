//! From what was typed to a promotion and a code of it, mostly from memory.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::domain::cart::Cart;
use shared::domain::code::{FoldedWord, SealedCode, TypedCode};
use shared::domain::money::Amount;
use shared::domain::pricing::{Allocation, price};
use shared::domain::promotion::{Promotion, Restore};
use shared::domain::redemption::{CodeAnswer, CodeRef, Reason, RedeemedCode};
use shared::http::Problem;
use shared::store::{CodeItem, CodeState, Draw, Freshness};

use crate::State;

/// A code of ours.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) promotion: Arc<Promotion>,
    pub(crate) code: CodeRef,
}

/// One code of a request and what is known about it.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The canonical text.
    pub(crate) text: String,
    /// What it is, unless it is unknown.
    pub(crate) found: Option<Found>,
    /// Its discount, or why it gives none.
    pub(crate) verdict: Result<Amount, Reason>,
}

/// Looks every code up and judges its promotion at `now`; nothing is priced yet.
pub(crate) async fn resolve(
    state: &State,
    codes: &[TypedCode],
    now: DateTime<Utc>,
) -> Result<Vec<Resolved>, Problem> {
    let mut resolved = Vec::with_capacity(codes.len());
    for typed in codes {
        let found = match typed {
            TypedCode::Sealed(code) => find_sealed(state, code, now).await?,
            TypedCode::Word(word) => find_word(state, word, now).await?,
            TypedCode::Garbled(_) => None,
        };
        let verdict = match &found {
            None => Err(Reason::CodeUnknown),
            Some(found) => match found.promotion.closed_at(now) {
                Some(closed) => Err(closed.into()),
                None => Ok(Amount::ZERO),
            },
        };
        let text = match found.as_ref().map(|found| &found.code) {
            Some(CodeRef::Word(word)) => word.clone(),
            Some(CodeRef::Serial(_)) | None => typed.canonical(),
        };
        resolved.push(Resolved {
            text,
            found,
            verdict,
        });
    }
    Ok(resolved)
}

async fn find_sealed(
    state: &State,
    code: &SealedCode,
    now: DateTime<Utc>,
) -> Result<Option<Found>, Problem> {
    let id = code.promotion_id();
    let Some(mut known) = state
        .store
        .promotion(&id, Freshness::Remembered, now)
        .await?
    else {
        return Ok(None);
    };
    let master_key = state
        .code_keys
        .version(known.promotion.master_key_version)
        .await?;
    let Some(serial) = known.promotion.code_key(&master_key).open(code) else {
        return Ok(None);
    };
    if !serial.is_thank_you() && serial.get() >= known.minted {
        // Minted since the promotion was remembered, perhaps.
        match state.store.promotion(&id, Freshness::Now, now).await? {
            Some(fresh) if serial.get() < fresh.minted => known = fresh,
            _ => return Ok(None),
        }
    }
    Ok(Some(Found {
        promotion: known.promotion,
        code: CodeRef::Serial(serial),
    }))
}

async fn find_word(
    state: &State,
    word: &FoldedWord,
    now: DateTime<Utc>,
) -> Result<Option<Found>, Problem> {
    let Some(group) = state
        .store
        .group_code(word, Freshness::Remembered, now)
        .await?
    else {
        return Ok(None);
    };
    let known = state
        .store
        .promotion(&group.promotion_id, Freshness::Remembered, now)
        .await?;
    Ok(known.map(|known| Found {
        promotion: known.promotion,
        code: CodeRef::Word(group.code.into()),
    }))
}

/// Prices the cart under every code that is still good, and writes each one's discount or reason into `resolved`.
pub(crate) fn price_good_ones(cart: &Cart, resolved: &mut [Resolved]) -> Allocation {
    let good = |code: &Resolved| code.verdict.is_ok();
    let promotions: Vec<Arc<Promotion>> = resolved
        .iter()
        .filter(|code| good(code))
        .filter_map(|code| Some(Arc::clone(&code.found.as_ref()?.promotion)))
        .collect();
    let allocation = price(
        cart,
        &promotions.iter().map(Arc::as_ref).collect::<Vec<_>>(),
    );
    for (code, priced) in resolved
        .iter_mut()
        .filter(|code| good(code))
        .zip(&allocation.promotions)
    {
        code.verdict = priced.map_err(Reason::from);
    }
    allocation
}

/// Lets the codes' own items speak where they were read: used, voided, expired or never issued.
pub(crate) async fn judge_items(
    state: &State,
    resolved: &mut [Resolved],
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    let draws: Vec<Draw> = resolved.iter().filter_map(Resolved::draw).collect();
    if draws.is_empty() {
        return Ok(());
    }
    let items: HashMap<Draw, CodeItem> = state.store.code_items(&draws).await?;
    for code in resolved {
        if let Some(draw) = code.draw() {
            code.judge(items.get(&draw), &draw, now);
        }
    }
    Ok(())
}

impl Resolved {
    /// The single-use code to be used, if it is one.
    pub(crate) fn draw(&self) -> Option<Draw> {
        let found = self.found.as_ref()?;
        match found.code {
            CodeRef::Serial(serial) => Some(Draw {
                promotion_id: found.promotion.id.clone(),
                serial,
            }),
            CodeRef::Word(_) => None,
        }
    }

    /// Takes the item's word for the code's state; a used code stays used whatever its promotion says.
    pub(crate) fn judge(&mut self, item: Option<&CodeItem>, draw: &Draw, now: DateTime<Utc>) {
        let expired = |item: &CodeItem| {
            item.expires_ms
                .is_some_and(|expires| expires <= now.timestamp_millis())
        };
        let reason = match item {
            None if draw.serial.is_thank_you() => Reason::CodeUnknown,
            Some(CodeItem {
                state: CodeState::Redeemed,
                ..
            }) => Reason::CodeAlreadyRedeemed,
            Some(CodeItem {
                state: CodeState::Voided,
                ..
            }) => Reason::Voided,
            Some(item) if expired(item) => Reason::Expired,
            None | Some(_) => return,
        };
        if reason == Reason::CodeUnknown {
            self.found = None;
        }
        self.verdict = Err(reason);
    }

    /// What the caller is told.
    pub(crate) fn answer(&self) -> CodeAnswer {
        CodeAnswer {
            code: self.text.clone(),
            promotion_id: self.found.as_ref().map(|found| found.promotion.id.clone()),
            applied: self.verdict.is_ok(),
            discount: self.verdict.ok(),
            reason: self.verdict.err(),
        }
    }

    /// What is stored.
    pub(crate) fn record(&self) -> Option<RedeemedCode> {
        let found = self.found.as_ref()?;
        Some(RedeemedCode {
            promotion_id: found.promotion.id.clone(),
            code: found.code.clone(),
            discount: self.verdict.ok(),
            reason: self.verdict.err(),
            keep_on_cancel: found.promotion.terms.restore == Restore::Never,
        })
    }
}
