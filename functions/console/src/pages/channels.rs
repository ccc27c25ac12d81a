//! Influencers and links: what each channel brought and cost, and handing out a new one.

mod hand_out;
mod link;
mod list;
mod table;

use axum::Router;

use crate::State;

pub(crate) use list::bar_of;
pub use table::{ChannelRow, rows, table};

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .merge(list::routes())
        .merge(hand_out::routes())
        .merge(link::routes())
}
