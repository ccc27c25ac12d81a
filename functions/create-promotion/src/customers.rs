//! `/v1/customers/forget`: forget a person.

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use shared::domain::identity::Email;
use shared::http::{Body, Problem};
use utoipa::ToSchema;

use crate::State;

pub(crate) fn routes() -> Router<State> {
    Router::new().route("/v1/customers/forget", post(forget))
}

/// Who is to be forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ForgetRequest)]
pub(crate) struct ForgetBody {
    /// Their address, in any of its spellings.
    #[schema(value_type = String, max_length = 254)]
    email: Email,
}

/// What was removed; all zeros if nothing was known, or no more.
#[derive(Serialize, ToSchema)]
#[schema(as = Forgotten)]
pub(crate) struct Removed {
    /// Mails that were due and are not sent; their codes are void.
    mails_withdrawn: u32,
    /// Mails that were on their way at that moment and may still arrive; call again later to remove the rest of them.
    mails_in_flight: u32,
    /// Addresses, each with name and language.
    addresses: u32,
    /// What follow-ups had counted about them.
    counters: u32,
    /// What is left to do by hand, in sentences: the table knows nothing of events that wait elsewhere.
    next_steps: Vec<String>,
}

/// Where orders of theirs may still wait, quoted whole.
const ELSEWHERE: &str = "Delete what dead letters and quarantine hold of them: okaeri orders forget --email ADDRESS; else the former go within 14 days, the latter within 30.";
/// For mails that were claimed before the person was forgotten.
const IN_FLIGHT: &str =
    "Call again in a quarter of an hour, to remove what mails on their way still hold.";

/// What is left to do when so many mails were on their way.
fn next_steps(mails_in_flight: u32) -> Vec<String> {
    let again = (mails_in_flight > 0).then_some(IN_FLIGHT);
    again
        .into_iter()
        .chain([ELSEWHERE])
        .map(str::to_owned)
        .collect()
}

/// Forget a person
///
/// Unsent mails are withdrawn, address, name and language removed, and nothing is mailed to them or kept about them again: later
/// orders earn them nothing (`suppressed`). What stays is a keyed hash, where it says that they must not be mailed and where
/// limits and books rest on it.
#[utoipa::path(
    post,
    path = "/v1/customers/forget",
    operation_id = "forget_customer",
    tag = "Customers",
    request_body(content = ForgetBody, example = json!({"email": "hanako@example.jp"})),
    responses((status = 200, description = "They are forgotten.", body = Removed))
)]
pub(crate) async fn forget(
    Shared(state): Shared<State>,
    Body(body): Body<ForgetBody>,
) -> Result<Body<Removed>, Problem> {
    let person = state.identity.person(&body.email);
    let forgotten = state.store.forget(&person, state.clock.now()).await?;
    tracing::info!(
        mails.withdrawn = forgotten.mails_withdrawn,
        "forgot a person"
    );
    Ok(Body(Removed {
        mails_withdrawn: forgotten.mails_withdrawn,
        mails_in_flight: forgotten.mails_in_flight,
        addresses: forgotten.addresses,
        counters: forgotten.counters,
        next_steps: next_steps(forgotten.mails_in_flight),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_to_call_again_only_while_mails_are_on_their_way() {
        assert_eq!(next_steps(0), [ELSEWHERE]);
        assert_eq!(next_steps(1), [IN_FLIGHT, ELSEWHERE]);
    }
}
