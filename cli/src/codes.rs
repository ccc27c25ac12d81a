//! `okaeri codes`: mints, exports and voids codes in bulk through the API, of a local stack and of a deployment alike.
//!
//! Each command may die at any moment. What it did is in its journal (`state`), and every request is one that may be sent
//! again, so the same command goes on from there.

mod api;
mod export;
mod mint;
mod state;
mod void;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::domain::code::PromotionId;
use shared::domain::promotion::ClaimCode;

use crate::args::Codes;
use crate::progress::Progress;
use crate::{CliError, Said};
use api::{Api, Call, Failure};
use state::Asked;

/// Runs one of the commands, until it ends or Ctrl-C interrupts it.
pub(crate) async fn run(command: Codes) -> Said {
    let interrupted = tokio::signal::ctrl_c();
    let job = async {
        match command {
            Codes::Mint(mint) => mint::run(mint).await,
            Codes::Export(export) => export::run(export).await,
            Codes::Void(void) => void::run(void).await,
        }
    };
    tokio::select! {
        said = job => said,
        signal = interrupted => {
            signal?;
            Err(CliError::Told(
                "Interrupted. What was done stays done; the same command goes on from there.".to_owned(),
            ))
        }
    }
}

/// What the commands need to know of a promotion.
#[derive(Deserialize)]
struct Promotion {
    claim_code: ClaimCode,
    minted: u64,
}

impl Promotion {
    /// Reads it, which also shows that stack and key are right before anything is begun.
    async fn read(api: &Api, id: &PromotionId) -> Result<Self, CliError> {
        let path = format!("/v1/promotions/{id}");
        let quiet = Progress::start("read", None);
        let read = api.json(&Call::get(&path), &quiet).await;
        read.map_err(|failure: Failure| failure.told("Nothing was done."))
    }
}

/// What a command was asked, for its journal.
fn asked<const N: usize>(
    command: &str,
    api: &Api,
    id: &PromotionId,
    more: [(&str, Value); N],
) -> Asked {
    let mut asked = Asked::new();
    asked.insert("command".to_owned(), json!(command));
    asked.insert("stack".to_owned(), json!(api.target()));
    asked.insert("promotion".to_owned(), json!(id));
    for (name, value) in more {
        asked.insert(name.to_owned(), value);
    }
    asked
}
