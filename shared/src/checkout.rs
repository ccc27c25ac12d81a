//! What codes are worth for a cart, and using them for an order: from what was typed to what the table decides. The checkout
//! function answers callers with it; orders that arrive by webhook are redeemed through it.

mod redeem;
mod resolve;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::aws::Aws;
use crate::domain::identity::IdentityKey;
use crate::env::{Env, StartError};
use crate::secrets::{CodeKeys, fetch_identity_key};
use crate::store::{Store, StoreError};

pub use redeem::Order;
pub use resolve::{
    Buyer, Offered, Resolved, automatic_answers, code_answers, judge_items, price_within_limits,
};

/// What looking codes up takes.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The table.
    pub store: Arc<Store>,
    /// The keys that open single-use codes.
    pub code_keys: Arc<CodeKeys>,
    /// The key of the hashes that stand for people.
    pub identity: Arc<IdentityKey>,
}

impl Checkout {
    /// Reads `TABLE_NAME`, and fetches the code keys and the identity key, while the connection to the table is opened, so that the
    /// first call need not: Lambda gives a start more of a processor than a call. Where a call follows at once, what is `offered`
    /// without a code is read over that connection, which spares the call a second one.
    ///
    /// # Errors
    /// [`StartError`] says what is missing or unusable.
    pub async fn load(
        env: &Env,
        aws: &Aws<'_>,
        offered: Offered,
        now: DateTime<Utc>,
    ) -> Result<Self, StartError> {
        let store = Store::connect(env, aws)?;
        let secrets =
            async { tokio::try_join!(CodeKeys::fetch(env, aws), fetch_identity_key(env, aws)) };
        let opened = async {
            if offered == Offered::CodesAndAutomatic && env.is_lambdas() {
                store.remember_automatic_promotions(now).await;
            } else {
                store.open_connection().await;
            }
        };
        let (secrets, ()) = tokio::join!(secrets, opened);
        let (code_keys, identity) = secrets?;
        Ok(Self {
            store: Arc::new(store),
            code_keys: Arc::new(code_keys),
            identity: Arc::new(identity),
        })
    }
}

/// Why there is no answer, or why an order's codes were not used. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// At least one code does not apply; each one's verdict is in it.
    #[error("a code does not apply")]
    Refused(Vec<Resolved>),
    /// There is no code, and no open promotion applies by itself.
    #[error("there is no code, and no promotion applies by itself")]
    Nothing,
    /// The order id has redeemed another request.
    #[error("the order redeemed something else")]
    AlreadyRedeemed,
    /// The order id was cancelled, which is final.
    #[error("the order was cancelled")]
    Cancelled,
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The code keys could not be had.
    #[error(transparent)]
    Keys(#[from] StartError),
}
