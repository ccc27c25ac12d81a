//! OpenAPI schemas of the values whose form their type does not tell: each is a number, text or list that its one constructor
//! checks. Bounds come from the constants that the constructors use.
//!
//! Only `okaeri openapi` asks for them; the functions' binaries hold none of this.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::benefit::{GetProducts, MAX_TIERS, SetUnits, Tier, Tiers};
use crate::domain::cart::{MAX_QUANTITY, Sku};
use crate::domain::channel::Channel;
use crate::domain::code::{GroupWord, PromotionId};
use crate::domain::follow_up::FollowUpId;
use crate::domain::link::{MAX_TARGET_BYTES, Slug, TargetUrl};
use crate::domain::money::{Amount, BasisPoints, Currency};
use crate::domain::order::{OrderId, Source};
use crate::domain::period::Period;
use crate::domain::promotion::MAX_SKUS;
use crate::domain::returns::ReturnId;

/// Gives a type the schema that an expression makes, under a name of its own in the document.
macro_rules! schema {
    ($type:ty, $name:literal, $schema:expr) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    };
}

/// Text of a form that a regular expression (ECMA 262) tells.
fn text(pattern: &str, description: &str, example: &str) -> RefOr<Schema> {
    let schema = described(Type::String, description, json!(example));
    schema.pattern(Some(pattern)).into()
}

/// A whole number from `least` to `most`.
fn integer(least: u64, most: u64, description: &str, example: u64) -> RefOr<Schema> {
    let schema = described(Type::Integer, description, json!(example));
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    let bounded = schema.minimum(Some(least)).maximum(Some(most));
    bounded.format(Some(format)).into()
}

fn described(kind: Type, description: &str, example: Value) -> ObjectBuilder {
    Object::builder()
        .schema_type(kind)
        .description(Some(description))
        .examples([example])
}

/// 1 to `most` values of a named schema.
fn list(of: &str, most: usize, description: &str) -> RefOr<Schema> {
    let list = ArrayBuilder::new().items(Ref::from_schema_name(of));
    let bounded = list.min_items(Some(1)).max_items(Some(most));
    bounded.description(Some(description)).into()
}

schema!(
    Amount,
    "Amount",
    integer(
        0,
        Self::MAX.minor(),
        "An amount in the currency's minor unit: cents, whole yen.",
        500
    )
);

schema!(
    Currency,
    "Currency",
    text("^[A-Z]{3}$", "A currency's ISO 4217 code.", "JPY")
);

schema!(BasisPoints, "Percent", {
    let description = "A percentage with at most two decimals.";
    let schema = described(Type::Number, description, json!(10));
    let bounded = schema.minimum(Some(0.01)).maximum(Some(100));
    bounded.multiple_of(Some(0.01)).into()
});

schema!(
    Period,
    "Period",
    text(
        "^P([0-9]{1,9}W)?([0-9]{1,9}D)?(T([0-9]{1,9}H)?([0-9]{1,9}M)?([0-9]{1,9}S)?)?$",
        "A length of time as an ISO 8601 duration of weeks, days, hours, minutes and seconds, at most 366 days.",
        "P3D"
    )
);

schema!(
    PromotionId,
    "PromotionId",
    text(
        "^[0-9A-HJKMNP-TV-Z]{4}$",
        "A promotion's id, which its single-use codes begin with.",
        "THX9"
    )
);

schema!(
    Slug,
    "Slug",
    text(
        "^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$",
        "The end of a landing link's address; not of the shape of a single-use code.",
        "hanako"
    )
);

schema!(TargetUrl, "TargetUrl", {
    let description = "Where a button leads: an https address, or one of this machine. `{code}` in it stands for the code.";
    let schema = described(Type::String, description, json!("https://shop.example/tea"));
    let schema = schema.pattern(Some("^https?://[!-~]+$"));
    schema.max_length(Some(MAX_TARGET_BYTES)).into()
});

schema!(
    FollowUpId,
    "FollowUpId",
    text(
        "^fu_[a-z0-9]{16}$",
        "A follow-up's id.",
        "fu_y4hohjnflmkp4iva"
    )
);

schema!(
    OrderId,
    "OrderId",
    text(
        "^[A-Za-z0-9._:-]{1,128}$",
        "The shop's own id of an order.",
        "1001"
    )
);

schema!(
    Source,
    "Source",
    text("^[a-z0-9-]{1,32}$", "Where an order came from.", "shopify")
);

schema!(
    ReturnId,
    "ReturnId",
    text(
        "^[A-Za-z0-9._:-]{1,128}$",
        "The shop's own id of a return.",
        "r1"
    )
);

schema!(
    Channel,
    "Channel",
    text(
        "^[A-Za-z0-9._/-]{1,64}$",
        "Where a code is handed out.",
        "influencer/hanako"
    )
);

schema!(Sku, "Sku", {
    let description = "A stock-keeping unit or ASIN: 1 to 64 bytes without control characters.";
    let schema = described(Type::String, description, json!("B0CHX1W1XY"));
    schema.min_length(Some(1)).max_length(Some(64)).into()
});

schema!(
    GroupWord,
    "GroupWord",
    described(
        Type::String,
        "A word that many buyers share: 3 to 20 of A–Z and 0–9, but not 16. Lower case and full-width letters are taken and \
         answered in upper case.",
        json!("HANAKO10")
    )
    .into()
);

schema!(
    SetUnits,
    "SetUnits",
    integer(1, MAX_QUANTITY, "Units of one kind in a set.", 1)
);

schema!(
    GetProducts,
    "GetProducts",
    list(
        "Sku",
        MAX_SKUS,
        "SKUs or ASINs; leave it out for any eligible product."
    )
);

impl PartialSchema for Tiers {
    fn schema() -> RefOr<Schema> {
        let description = "Shares, each beginning above the one before.";
        list("Tier", MAX_TIERS, description)
    }
}

impl ToSchema for Tiers {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Tier::name().into_owned(), Tier::schema()));
        Tier::schemas(schemas);
    }
}
