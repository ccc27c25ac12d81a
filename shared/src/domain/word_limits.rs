//! Limits of a single group code, beside those of its promotion.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fault::Fault;

/// How often one group code may be used. An absent bound is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WordLimits {
    /// Most orders that may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub redemptions: Option<u32>,
    /// Most orders of one person that may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub per_customer: Option<u32>,
}

impl WordLimits {
    /// Whether there is no limit at all.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Everything in it that cannot be.
    pub fn faults(self) -> Vec<Fault> {
        let zero = [
            ("redemptions", self.redemptions == Some(0)),
            ("per_customer", self.per_customer == Some(0)),
        ];
        let zero = zero.into_iter().filter(|(_, zero)| *zero);
        zero.map(|(field, _)| {
            let detail = "a limit is at least 1; leave it out for none";
            Fault::new(format!("/limits/{field}"), detail)
        })
        .collect()
    }
}
