//! Promotions: their list, each one's page, and new ones.

mod act;
mod charts;
mod codes;
mod comparison;
mod csv;
mod edit;
mod list;
mod new;
mod one;
mod parts;
mod void;

use axum::Router;
use shared::domain::code::PromotionId;
use shared::store::{Freshness, Known};

use crate::State;
use crate::failure::Failure;
use crate::visit::Visit;

pub(crate) use codes::copy_button;
pub(crate) use new::terms::{Reader, decimal, sign};
pub use parts::{Budget, budget_cell};

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .merge(list::routes())
        .merge(new::routes())
        .merge(one::routes())
        .merge(comparison::routes())
        .merge(act::routes())
        .merge(edit::routes())
        .merge(codes::routes())
        .merge(csv::routes())
        .merge(void::routes())
}

/// The promotion that a path names, as it is now.
pub(crate) async fn find(state: &State, visit: &Visit, id: String) -> Result<Known, Failure> {
    let id = PromotionId::try_from(id).map_err(|_| Failure::NotFound)?;
    let known = state
        .store
        .promotion(&id, Freshness::Now, visit.now)
        .await?;
    known.ok_or(Failure::NotFound)
}
