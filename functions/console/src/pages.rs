//! The pages, by their place in the menu.
//!
//! Each module has `routes()`; whoever adds one adds its line below.

pub mod channels;
pub mod follow_ups;
pub mod mails;
pub mod orders;
pub mod overview;
pub mod promotions;
pub mod settings;
pub mod sign_in;

use axum::Router;

use crate::State;

/// All pages for which one has to be signed in.
pub fn routes() -> Router<State> {
    Router::new()
        .merge(overview::routes())
        .merge(channels::routes())
        .merge(promotions::routes())
        .merge(follow_ups::routes())
        .merge(mails::routes())
        .merge(orders::routes())
        .merge(settings::routes())
}
