//! `/v1/redemptions/{order_id}`: redeem, or hold, and read.
//!
//! A redemption that goes through is one request to the table. Only a refusal looks further, because the order may have
//! redeemed the same request before: then that first answer stands, whatever its promotion has become since.

use axum::extract::{Path, State as Shared};
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::StatusCode;
use rand::RngExt;
use shared::domain::code::PromotionId;
use shared::domain::identity::PersonHash;
use shared::domain::order::OrderId;
use shared::domain::redemption::{Priced, Reason, Redeemed, Redemption, RedemptionStatus, Refusal};
use shared::http::body::json;
use shared::http::{Body, FieldError, Problem};
use shared::store::{Observed, Obstacle, Redeem};

use crate::State;
use crate::answer::RedemptionAnswer;
use crate::attempts;
use crate::request::{RedemptionBody, Request};
use crate::resolve::{
    Buyer, Resolved, code_answers, judge_items, observe, price_within_limits, resolve,
};

/// Redeem codes for an order, or hold them
///
/// All or none. The same request again, however often, gets the first answer with 200; while it is unknown what became of a
/// request, send it again.
#[utoipa::path(
    put,
    path = "/v1/redemptions/{order_id}",
    operation_id = "redeem",
    tag = "Checkout",
    params(("order_id" = OrderId, Path, description = "The shop's own id of the order.")),
    request_body(content = RedemptionBody, example = json!({
        "codes": ["THX9-7K3M-9QXA-2F4T"], "customer": {"email": "hanako@example.jp"},
        "cart": {"currency": "JPY", "shipping": 500, "lines": [{"sku": "B0CHX1W1XY", "quantity": 2, "unit_price": 1980}]}
    })),
    responses(
        (status = 201, description = "The codes are used, or held.", body = RedemptionAnswer, links(
            ("read" = (operation_id = "read_redemption", parameters(("order_id" = "$request.path.order_id")))),
            ("confirm" = (operation_id = "confirm_redemption", parameters(("order_id" = "$request.path.order_id")))),
            ("return" = (operation_id = "return_lines", parameters(("order_id" = "$request.path.order_id")))),
            ("cancel" = (operation_id = "cancel_redemption", parameters(("order_id" = "$request.path.order_id")))),
        )),
        (status = 200, description = "The same request did it before.", body = RedemptionAnswer, links(
            ("read" = (operation_id = "read_redemption", parameters(("order_id" = "$request.path.order_id")))),
            ("confirm" = (operation_id = "confirm_redemption", parameters(("order_id" = "$request.path.order_id")))),
            ("return" = (operation_id = "return_lines", parameters(("order_id" = "$request.path.order_id")))),
            ("cancel" = (operation_id = "cancel_redemption", parameters(("order_id" = "$request.path.order_id")))),
        )),
        (status = 404, description = "There is no such code; nothing was redeemed."),
        (status = 409, description = "Another order has the code, or this order redeemed something else or was cancelled."),
        (status = 422, description = "A code does not apply; nothing was redeemed."),
        (status = 429, description = "Too many unknown codes were tried for this customer or address."),
    )
)]
pub(crate) async fn redeem(
    Shared(state): Shared<State>,
    Path(order_id): Path<String>,
    Body(body): Body<RedemptionBody>,
) -> Result<Response, Problem> {
    let order_id = OrderId::try_from(order_id).map_err(|error| {
        Problem::invalid_body(vec![FieldError::new("/order_id", error.to_string())])
    })?;
    let call = Call {
        request: body.check()?,
        order_id,
        now: state.clock.now(),
        written_by: format!("{:032x}", rand::rng().random::<u128>()),
    };
    let record = call.redeem(&state).await?;
    let ours = record
        .redeemed
        .as_ref()
        .is_some_and(|redeemed| redeemed.written_by == call.written_by);
    let status = if ours {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(json(
        status,
        &RedemptionAnswer::render(&state, &record, call.now).await?,
    ))
}

/// One `PUT` on its way.
struct Call {
    order_id: OrderId,
    request: Request,
    now: DateTime<Utc>,
    /// Marks the record this call writes.
    written_by: String,
}

impl Call {
    /// The record under the order id that answers this call: written now, or by the same request before.
    async fn redeem(&self, state: &State) -> Result<Redemption, Problem> {
        let fingerprint = self
            .request
            .fingerprint(&state.identity)
            .map_err(|error| Problem::unavailable(&error))?;
        let people = self.request.people(&state.identity);
        let mut resolved = resolve(state, &self.request.codes, &people, self.now).await?;
        if resolved.is_empty() {
            return match self.recorded(state, &fingerprint).await? {
                Some(recorded) => Ok(recorded),
                None => Err(nothing_to_redeem()),
            };
        }
        require_customer(&mut resolved, &people);
        let mut observed = Observed::default();
        loop {
            let mut drawing = resolved.clone();
            let allocation = price_within_limits(&self.request.cart, &mut drawing, &observed);
            if refuses(&drawing) {
                return self
                    .refuse_unless_recorded(state, drawing, &fingerprint)
                    .await;
            }
            drawing.retain(|code| !code.is_automatic() || code.verdict.is_ok());
            let priced = Priced::new(&self.request.cart, &allocation);
            let record = self.record(&drawing, priced, people.clone(), fingerprint.clone());
            let obstacles = match state.store.redeem(&record).await? {
                Redeem::Done => return Ok(record),
                Redeem::Recorded(recorded) => return first_answer(*recorded, &fingerprint),
                Redeem::Refused(obstacles) => obstacles,
            };
            let exhausted: Option<Vec<PromotionId>> = obstacles
                .iter()
                .map(|(index, _)| drawing.get(*index)?.automatic_id().cloned())
                .collect();
            let Some(exhausted) = exhausted else {
                return Err(self.explain(state, drawing, &obstacles));
            };
            // Only what applies by itself stood in the way: the order goes on without it.
            resolved.retain(|code| code.automatic_id().is_none_or(|id| !exhausted.contains(id)));
            let mut automatic = resolved.clone();
            automatic.retain(Resolved::is_automatic);
            observed = observe(state, &automatic, &people).await?;
        }
    }

    fn record(
        &self,
        resolved: &[Resolved],
        priced: Priced,
        people: Vec<PersonHash>,
        fingerprint: String,
    ) -> Redemption {
        let redeemed = Redeemed {
            fingerprint,
            written_by: self.written_by.clone(),
            redeemed_at: self.now,
            people,
            codes: resolved.iter().filter_map(Resolved::record).collect(),
            priced,
        };
        let held_until = self.request.hold.map(|hold| hold.end(self.now));
        Redemption {
            order_id: self.order_id.clone(),
            status: match held_until {
                Some(_) => RedemptionStatus::Held,
                None => RedemptionStatus::Redeemed,
            },
            version: 1,
            held_until,
            redeemed: Some(redeemed),
            cancelled_at: None,
            returns: Vec::new(),
        }
    }

    /// What the order's record answers, if there is one that does not make way.
    async fn recorded(
        &self,
        state: &State,
        fingerprint: &str,
    ) -> Result<Option<Redemption>, Problem> {
        match state.store.redemption(&self.order_id).await? {
            Some(recorded) if !recorded.makes_way_at(self.now) => {
                return first_answer(recorded, fingerprint).map(Some);
            }
            Some(recorded) if recorded.is_overdue_at(self.now) => {
                state.store.lapse(&self.order_id, self.now).await?;
            }
            Some(_) | None => {}
        }
        Ok(None)
    }

    /// No transaction decided this refusal, so the order's record, if there is one, still may.
    async fn refuse_unless_recorded(
        &self,
        state: &State,
        mut resolved: Vec<Resolved>,
        fingerprint: &str,
    ) -> Result<Redemption, Problem> {
        if let Some(recorded) = self.recorded(state, fingerprint).await? {
            return Ok(recorded);
        }
        let observed = observe(state, &resolved, &[]).await?;
        let people = self.request.people(&state.identity);
        judge_items(&mut resolved, &observed, Buyer::People(&people), self.now);
        attempts::count(state, &self.request, &resolved, self.now).await?;
        Err(Refusal::Codes(code_answers(&resolved)).into())
    }

    /// The refusal that the transaction's own conditions decided. No code was refused before it, so the record has them all.
    fn explain(
        &self,
        state: &State,
        mut resolved: Vec<Resolved>,
        obstacles: &[(usize, Obstacle)],
    ) -> Problem {
        let people = self.request.people(&state.identity);
        for (index, obstacle) in obstacles {
            if let Some(code) = resolved.get_mut(*index) {
                code.obstruct(obstacle, Buyer::People(&people), self.now);
            }
        }
        Refusal::Codes(code_answers(&resolved)).into()
    }
}

fn nothing_to_redeem() -> Problem {
    let detail = "send at least one code: the shop has no open promotion that applies by itself";
    Problem::invalid_body(vec![FieldError::new("/codes", detail)])
}

/// A limit per customer cannot be held for nobody.
fn require_customer(resolved: &mut [Resolved], people: &[PersonHash]) {
    for code in resolved {
        if people.is_empty() && code.verdict.is_ok() && code.counts_customers() {
            code.verdict = Err(Reason::CustomerRequired);
        }
    }
}

/// Whether any code refuses the whole redemption; one left aside for a better one does not.
fn refuses(resolved: &[Resolved]) -> bool {
    let mut sent = resolved.iter().filter(|code| !code.is_automatic());
    sent.any(|code| {
        code.verdict
            .is_err_and(|reason| reason != Reason::BetterOneApplied)
    })
}

/// The record, if the same request wrote it and it still stands.
fn first_answer(recorded: Redemption, fingerprint: &str) -> Result<Redemption, Problem> {
    if recorded.status == RedemptionStatus::Cancelled {
        return Err(Refusal::OrderCancelled.into());
    }
    let same = recorded
        .redeemed
        .as_ref()
        .is_some_and(|redeemed| redeemed.fingerprint == fingerprint);
    if same {
        Ok(recorded)
    } else {
        Err(Refusal::OrderAlreadyRedeemed.into())
    }
}

/// Read a redemption
#[utoipa::path(
    get,
    path = "/v1/redemptions/{order_id}",
    operation_id = "read_redemption",
    tag = "Checkout",
    params(("order_id" = OrderId, Path, description = "The shop's own id of the order.")),
    responses(
        (status = 200, description = "What the order redeemed, and what became of it.", body = RedemptionAnswer),
        (status = 404, description = "There is no redemption under this order id."),
    )
)]
pub(crate) async fn read(
    Shared(state): Shared<State>,
    Path(order_id): Path<String>,
) -> Result<Body<RedemptionAnswer>, Problem> {
    let unknown = || Problem::not_found("redemption");
    let order_id = OrderId::try_from(order_id).map_err(|_| unknown())?;
    let record = state
        .store
        .redemption(&order_id)
        .await?
        .ok_or_else(unknown)?;
    RedemptionAnswer::render(&state, &record, state.clock.now())
        .await
        .map(Body)
}
