//! From what was typed to a promotion and a code of it, mostly from memory.

use std::sync::Arc;

use crate::domain::cart::Cart;
use crate::domain::code::{FoldedWord, PromotionId, SealedCode, TypedCode};
use crate::domain::identity::PersonHash;
use crate::domain::money::Amount;
use crate::domain::pricing::{Allocation, price};
use crate::domain::promotion::{Limits, Promotion, Restore};
use crate::domain::redemption::{AutomaticAnswer, CodeAnswer, CodeRef, Reason, RedeemedCode};
use crate::domain::word_limits::WordLimits;
use crate::store::{
    CodeItem, CodeState, Draw, Freshness, GroupCode, Observed, Obstacle, Shortage, Wanted,
};
use chrono::{DateTime, Utc};

use super::{Checkout, CheckoutError};

/// A code of ours.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its promotion.
    pub promotion: Arc<Promotion>,
    /// Which code.
    pub code: CodeRef,
    /// A word's own limits, and whether it was taken back; a single-use code's item says that.
    pub word: Option<GroupCode>,
}

/// One code of a request, or a promotion that applies by itself, and what is known about it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The canonical text; empty without a code.
    pub text: String,
    /// What it is, unless it is unknown.
    pub found: Option<Found>,
    /// Its discount, or why it gives none.
    pub verdict: Result<Amount, Reason>,
}

/// Whether promotions that apply by themselves do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// They do.
    CodesAndAutomatic,
    /// Only codes count: the order was priced elsewhere.
    Codes,
}

impl Checkout {
    /// Looks every code up and judges its promotion at `now`, and adds the open promotions that apply by themselves; nothing is
    /// priced yet. Without `people`, those that count uses per customer do not apply.
    ///
    /// # Errors
    /// [`CheckoutError::Store`] or [`CheckoutError::Keys`].
    pub async fn resolve(
        &self,
        codes: &[TypedCode],
        offered: Offered,
        people: &[PersonHash],
        now: DateTime<Utc>,
    ) -> Result<Vec<Resolved>, CheckoutError> {
        if offered == Offered::Codes {
            return self.resolve_sent(codes, now).await;
        }
        let automatic = async {
            let open = self.store.automatic_promotions(Freshness::Remembered, now);
            Ok(open.await?)
        };
        let (mut resolved, automatic) = tokio::try_join!(self.resolve_sent(codes, now), automatic)?;
        let open = automatic
            .iter()
            .filter(|promotion| promotion.closed_at(now).is_none());
        resolved.extend(open.map(|promotion| Resolved::automatic(promotion, people)));
        Ok(resolved)
    }

    async fn resolve_sent(
        &self,
        codes: &[TypedCode],
        now: DateTime<Utc>,
    ) -> Result<Vec<Resolved>, CheckoutError> {
        let mut resolved = Vec::with_capacity(codes.len());
        for typed in codes {
            let found = match typed {
                TypedCode::Sealed(code) => self.find_sealed(code, now).await?,
                TypedCode::Word(word) => self.find_word(word, now).await?,
                TypedCode::Garbled(_) => None,
            };
            let verdict = match &found {
                None => Err(Reason::CodeUnknown),
                Some(found) => match found.promotion.closed_at(now) {
                    Some(closed) => Err(closed.into()),
                    None if found.is_voided_word() => Err(Reason::Voided),
                    None => Ok(Amount::ZERO),
                },
            };
            let text = match found.as_ref().map(|found| &found.code) {
                Some(CodeRef::Word(word)) => word.clone(),
                Some(CodeRef::Serial(_) | CodeRef::Automatic) | None => typed.canonical(),
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
        &self,
        code: &SealedCode,
        now: DateTime<Utc>,
    ) -> Result<Option<Found>, CheckoutError> {
        let id = code.promotion_id();
        let Some(mut known) = self
            .store
            .promotion(&id, Freshness::Remembered, now)
            .await?
        else {
            return Ok(None);
        };
        let code_key = self.code_keys.of(&known.promotion).await?;
        let Some(serial) = code_key.open(code) else {
            return Ok(None);
        };
        if !serial.is_thank_you() && serial.get() >= known.minted {
            // Minted since the promotion was remembered, perhaps.
            match self.store.promotion(&id, Freshness::Now, now).await? {
                Some(fresh) if serial.get() < fresh.minted => known = fresh,
                _ => return Ok(None),
            }
        }
        Ok(Some(Found {
            promotion: known.promotion,
            code: CodeRef::Serial(serial),
            word: None,
        }))
    }

    async fn find_word(
        &self,
        word: &FoldedWord,
        now: DateTime<Utc>,
    ) -> Result<Option<Found>, CheckoutError> {
        let Some(group) = self
            .store
            .group_code(word, Freshness::Remembered, now)
            .await?
        else {
            return Ok(None);
        };
        let known = self
            .store
            .promotion(&group.promotion_id, Freshness::Remembered, now)
            .await?;
        Ok(known.map(|known| Found {
            promotion: known.promotion,
            code: CodeRef::Word(group.code.clone().into()),
            word: Some(group),
        }))
    }
}

/// Prices the cart under every code that is still good, and writes each one's discount or reason into `resolved`. The
/// trace names each code by its place there.
fn price_good_ones(cart: &Cart, resolved: &mut [Resolved]) -> Allocation {
    let good = |code: &Resolved| code.verdict.is_ok();
    let (places, promotions): (Vec<usize>, Vec<Arc<Promotion>>) = resolved
        .iter()
        .enumerate()
        .filter(|(_, code)| good(code))
        .filter_map(|(place, code)| Some((place, Arc::clone(&code.found.as_ref()?.promotion))))
        .unzip();
    let mut allocation = price(
        cart,
        &promotions.iter().map(Arc::as_ref).collect::<Vec<_>>(),
    );
    for traced in &mut allocation.trace {
        traced.promotion = traced.promotion.and_then(|sent| places.get(sent).copied());
    }
    for (code, priced) in resolved
        .iter_mut()
        .filter(|code| good(code))
        .zip(&allocation.promotions)
    {
        code.verdict = priced.map_err(Reason::from);
    }
    allocation
}

impl Checkout {
    /// Everything the table knows of the codes still good or doubtful, their limits and these people.
    ///
    /// # Errors
    /// [`CheckoutError::Store`].
    pub async fn observe(
        &self,
        resolved: &[Resolved],
        people: &[PersonHash],
    ) -> Result<Observed, CheckoutError> {
        let draws: Vec<Draw> = resolved.iter().filter_map(Resolved::draw).collect();
        let mut limited: Vec<(&PromotionId, Limits)> = Vec::new();
        for found in resolved.iter().filter_map(|code| code.found.as_ref()) {
            let promotion = (&found.promotion.id, found.promotion.terms.limits);
            if !promotion.1.is_none() && !limited.contains(&promotion) {
                limited.push(promotion);
            }
        }
        let words: Vec<_> = resolved
            .iter()
            .filter_map(|code| code.found.as_ref()?.word.as_ref())
            .filter(|word| !word.limits.is_none())
            .map(|word| (word.code.folded(), word.limits))
            .collect();
        if draws.is_empty() && limited.is_empty() && words.is_empty() {
            return Ok(Observed::default());
        }
        let wanted = Wanted {
            codes: &draws,
            promotions: &limited,
            words: &words,
            people,
        };
        Ok(self.store.observe(wanted).await?)
    }
}

/// Lets the codes' own items speak: used, voided, expired, never issued, or bound to somebody.
pub fn judge_items(
    resolved: &mut [Resolved],
    observed: &Observed,
    buyer: Buyer<'_>,
    now: DateTime<Utc>,
) {
    for code in resolved {
        if let Some(draw) = code.draw() {
            code.judge(observed.codes.get(&draw), &draw, buyer, now);
        }
    }
}

/// Who wants to use a code.
#[derive(Clone, Copy, Debug)]
pub enum Buyer<'a> {
    /// Nobody was named, and nobody need be: a quote skips what depends on the customer.
    Skipped,
    /// These people, all of them the same customer; none, if none was named.
    People(&'a [PersonHash]),
}

impl Buyer<'_> {
    /// Why a code bound to somebody is not this buyer's, if it is not.
    fn refused_by(self, bound_to: &[PersonHash]) -> Option<Reason> {
        match self {
            Self::Skipped => None,
            Self::People(_) if bound_to.is_empty() => None,
            Self::People([]) => Some(Reason::CustomerRequired),
            Self::People(people) if people.iter().any(|person| bound_to.contains(person)) => None,
            Self::People(_) => Some(Reason::OtherCustomer),
        }
    }
}

/// Prices the cart under every code that is still good and whose limits, as observed, leave room for its discount. Whoever
/// has no room is left out and the rest priced again, since it may be worth something else then.
pub fn price_within_limits(
    cart: &Cart,
    resolved: &mut [Resolved],
    observed: &Observed,
) -> Allocation {
    loop {
        let mut priced = resolved.to_vec();
        let allocation = price_good_ones(cart, &mut priced);
        let mut over = false;
        for (code, priced) in resolved.iter_mut().zip(&priced) {
            if let Some(reason) = priced.over_a_limit(observed) {
                code.verdict = Err(reason);
                over = true;
            }
        }
        if !over {
            resolved.swap_with_slice(&mut priced);
            return allocation;
        }
    }
}

/// What the caller is told of each code sent.
pub fn code_answers(resolved: &[Resolved]) -> Vec<CodeAnswer> {
    let sent = resolved.iter().filter(|code| !code.is_automatic());
    sent.map(Resolved::answer).collect()
}

/// What the caller is told of the promotions that apply by themselves.
pub fn automatic_answers(resolved: &[Resolved]) -> Vec<AutomaticAnswer> {
    resolved
        .iter()
        .filter_map(Resolved::automatic_answer)
        .collect()
}

fn shortage_reason(shortage: Shortage) -> Reason {
    match shortage {
        Shortage::Budget => Reason::BudgetExhausted,
        Shortage::Uses => Reason::RedemptionsExhausted,
    }
}

impl Found {
    fn is_voided_word(&self) -> bool {
        self.word.as_ref().is_some_and(|word| word.voided)
    }

    fn word_limits(&self) -> WordLimits {
        self.word
            .as_ref()
            .map(|word| word.limits)
            .unwrap_or_default()
    }

    /// Why the word's own limits leave no room, if they do not.
    fn word_over_a_limit(&self, observed: &Observed) -> Option<Reason> {
        let word = self.word.as_ref()?;
        let (limits, folded) = (word.limits, word.code.folded());
        let reached = |limit: Option<u32>, uses: Option<&u64>| {
            limit.is_some_and(|limit| uses.is_some_and(|uses| *uses >= u64::from(limit)))
        };
        if reached(limits.redemptions, observed.word_uses.get(&folded)) {
            Some(Reason::RedemptionsExhausted)
        } else if reached(limits.per_customer, observed.word_uses_by.get(&folded)) {
            Some(Reason::CustomerLimitReached)
        } else {
            None
        }
    }
}

impl Resolved {
    fn automatic(promotion: &Arc<Promotion>, people: &[PersonHash]) -> Self {
        let counts_customers = promotion.terms.limits.per_customer.is_some();
        Self {
            text: String::new(),
            found: Some(Found {
                promotion: Arc::clone(promotion),
                code: CodeRef::Automatic,
                word: None,
            }),
            verdict: if counts_customers && people.is_empty() {
                Err(Reason::CustomerRequired)
            } else {
                Ok(Amount::ZERO)
            },
        }
    }

    /// Whether it applies by itself, and so is never a reason to refuse an order.
    pub fn is_automatic(&self) -> bool {
        self.automatic_id().is_some()
    }

    /// Its promotion, if it applies by itself.
    pub fn automatic_id(&self) -> Option<&PromotionId> {
        let found = self.found.as_ref()?;
        (found.code == CodeRef::Automatic).then_some(&found.promotion.id)
    }

    /// The single-use code to be used, if it is one.
    pub(super) fn draw(&self) -> Option<Draw> {
        let found = self.found.as_ref()?;
        match found.code {
            CodeRef::Serial(serial) => Some(Draw {
                promotion_id: found.promotion.id.clone(),
                serial,
            }),
            CodeRef::Word(_) | CodeRef::Automatic => None,
        }
    }

    /// Takes the item's word for the code's state; a used code stays used whatever its promotion says.
    pub(super) fn judge(
        &mut self,
        item: Option<&CodeItem>,
        draw: &Draw,
        buyer: Buyer<'_>,
        now: DateTime<Utc>,
    ) {
        let expired = |item: &CodeItem| {
            item.expires_ms
                .is_some_and(|expires| expires <= now.timestamp_millis())
        };
        let reason = match item {
            None if draw.serial.is_thank_you() => Reason::CodeUnknown,
            // An overdue hold makes way for whoever comes next.
            Some(item) if item.state == CodeState::Held && item.overdue_hold(now).is_none() => {
                Reason::CodeAlreadyRedeemed
            }
            Some(CodeItem {
                state: CodeState::Redeemed,
                ..
            }) => Reason::CodeAlreadyRedeemed,
            Some(CodeItem {
                state: CodeState::Voided,
                ..
            }) => Reason::Voided,
            Some(item) if expired(item) => Reason::Expired,
            Some(item) => match buyer.refused_by(&item.bound_to) {
                Some(reason) => reason,
                None => return,
            },
            None => return,
        };
        if reason == Reason::CodeUnknown {
            self.found = None;
        }
        self.verdict = Err(reason);
    }

    /// Takes the word of what stood in the code's way when it was to be used.
    pub(super) fn obstruct(&mut self, obstacle: &Obstacle, buyer: Buyer<'_>, now: DateTime<Utc>) {
        match obstacle {
            Obstacle::Code(item) => {
                if let Some(draw) = self.draw() {
                    self.judge(item.as_ref(), &draw, buyer, now);
                }
            }
            // What is wrong with the code itself comes first.
            Obstacle::Customer | Obstacle::Limit(_) if self.verdict.is_err() => {}
            Obstacle::Customer => self.verdict = Err(Reason::CustomerLimitReached),
            Obstacle::Limit(shortage) => self.verdict = Err(shortage_reason(*shortage)),
        }
    }

    /// Why its promotion's limits leave no room for its discount, if they do not.
    fn over_a_limit(&self, observed: &Observed) -> Option<Reason> {
        let (found, discount) = (self.found.as_ref()?, self.verdict.ok()?);
        let (id, limits) = (&found.promotion.id, found.promotion.terms.limits);
        let used = observed.uses.get(id).copied().unwrap_or_default();
        let shortage = observed
            .shards
            .get(id)
            .and_then(|left| left.shortage(discount));
        let spent_by_customer = limits
            .per_customer
            .is_some_and(|limit| used >= u64::from(limit));
        shortage
            .map(shortage_reason)
            .or(spent_by_customer.then_some(Reason::CustomerLimitReached))
            .or_else(|| found.word_over_a_limit(observed))
    }

    /// Whether its promotion, or the word itself, counts uses per customer.
    pub(super) fn counts_customers(&self) -> bool {
        self.found.as_ref().is_some_and(|found| {
            found.promotion.terms.limits.per_customer.is_some()
                || found.word_limits().per_customer.is_some()
        })
    }

    /// What the caller is told of a code.
    fn answer(&self) -> CodeAnswer {
        CodeAnswer {
            code: self.text.clone(),
            promotion_id: self.found.as_ref().map(|found| found.promotion.id.clone()),
            applied: self.verdict.is_ok(),
            discount: self.verdict.ok(),
            reason: self.verdict.err(),
        }
    }

    /// What the caller is told of a promotion that applied by itself.
    fn automatic_answer(&self) -> Option<AutomaticAnswer> {
        Some(AutomaticAnswer {
            promotion_id: self.automatic_id()?.clone(),
            discount: self.verdict.ok()?,
        })
    }

    /// What is stored.
    pub(super) fn record(&self) -> Option<RedeemedCode> {
        let found = self.found.as_ref()?;
        Some(RedeemedCode {
            promotion_id: found.promotion.id.clone(),
            code: found.code.clone(),
            discount: self.verdict.ok(),
            reason: self.verdict.err(),
            keep_on_cancel: found.promotion.terms.restore == Restore::Never,
            limits: found.promotion.terms.limits,
            restore_budget_on_return: found.promotion.terms.restore_budget_on_return,
            returned: Amount::ZERO,
            word_limits: found.word_limits(),
        })
    }
}
