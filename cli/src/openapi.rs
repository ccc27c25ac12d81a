//! `okaeri openapi`: the OpenAPI document of all HTTP functions, generated from their code.

use serde_json::{Map, Value, json};
use shared::http::openapi::BEARER;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Info, License, OpenApi, OpenApiBuilder, Server, tag::TagBuilder};

/// What stands above the calls.
const DESCRIPTION: &str = "\
Promotion codes and thank-you mail for your own shop.

Money is an integer of the currency's minor unit. Times are RFC 3339, windows half-open. Fields that are not named here are \
refused, with their JSON pointer. Send `Authorization: Bearer <key>`: a key of scope `admin` may do everything, one of scope \
`checkout` what is under *Checkout*. Every failure is `application/problem+json` with a stable `code`; a method that a path \
does not take is 405. After a 503, or no answer at all, send the same request again: it is never applied twice.";

/// The document's sections, in the order in which they are shown.
const TAGS: [(&str, &str); 9] = [
    (
        "Promotions",
        "The terms of discounts, what they gave away, and their state.",
    ),
    ("Codes", "What buyers type."),
    (
        "Links",
        "Public pages of promotions, each for a channel, that count their visits.",
    ),
    (
        "Follow-ups",
        "When an order completes: wait, then mail a code.",
    ),
    ("Orders", "What was heard of an order, and what it earned."),
    (
        "Checkout",
        "What codes are worth for a cart, and using them for an order, exactly once.",
    ),
    ("Customers", "People who ask to be forgotten."),
    ("Webhooks", "Order events, believed for their signature."),
    ("Public pages", "What needs no key."),
];

/// The document as JSON, with a line break at its end. The same code gives the same text.
pub fn document() -> String {
    let mut document = json!(assembled());
    tidy(&mut document);
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        flatten(schemas);
    }
    document.sort_all_objects();
    format!("{document:#}\n")
}

fn assembled() -> OpenApi {
    let mut info = Info::new("Okaeri", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    info.license = Some(License::new("MIT OR Apache-2.0"));
    let tags = TAGS.map(|(name, description)| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    });
    let mut api = OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("/")]))
        .tags(Some(tags))
        .build();
    for part in [
        create_promotion::openapi(),
        redeem_code::openapi(),
        receive_order::openapi(),
        landing::openapi(),
        docs::openapi(),
    ] {
        api.merge(part);
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A key made by `okaeri keys create`."))
        .build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    api
}

/// Says what the generator leaves open or says in the code's own words, in the whole document.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("default") == Some(&Value::Null) {
                object.remove("default");
            }
            tidy_number(object);
            if let Some(Value::Array(variants)) = object.get_mut("oneOf") {
                close(variants);
            }
            if let Some(Value::String(description)) = object.get_mut("description") {
                without_names(description);
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The generator calls a `u32` an `int32`, which ends too early, and gives it no end.
fn tidy_number(object: &mut Map<String, Value>) {
    if object.get("format").is_some_and(|format| format == "int32") {
        object.insert("format".to_owned(), json!("int64"));
        object.entry("maximum").or_insert(json!(u32::MAX));
    }
}

/// The variants of an enumeration take no other fields than their own.
fn close(variants: &mut [Value]) {
    for variant in variants.iter_mut().filter_map(Value::as_object_mut) {
        if variant.contains_key("properties") {
            variant.insert("additionalProperties".to_owned(), json!(false));
        }
    }
}

/// Cuts the clause with a constant's name, such as ", 1 to [`MAX_NAME_CHARS`] characters": the bound stands beside it.
fn without_names(description: &mut String) {
    let end = description
        .find("[`MAX_")
        .and_then(|name| description.get(..name)?.rfind(", "));
    if let Some(end) = end {
        description.truncate(end);
        description.push('.');
    }
}

/// Writes objects that hold the fields of others as one object each: closed ones could not be combined otherwise.
fn flatten(schemas: &mut Map<String, Value>) {
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in names {
        let Some(schema) = schemas.get(&name) else {
            continue;
        };
        if schema.get("allOf").is_none() {
            continue;
        }
        let description = schema.get("description").cloned().unwrap_or_default();
        let mut fields = Fields::default();
        fields.add(schema, schemas, Presence::Sure);
        let object = json!({
            "type": "object",
            "description": description,
            "properties": fields.properties,
            "required": fields.required,
        });
        schemas.insert(name, object);
    }
}

/// Whether an object's required fields are always there.
#[derive(Clone, Copy)]
enum Presence {
    Sure,
    Possible,
}

/// The fields of several objects together.
#[derive(Default)]
struct Fields {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Fields {
    fn add(&mut self, schema: &Value, schemas: &Map<String, Value>, presence: Presence) {
        let named = schema.get("$ref").and_then(Value::as_str);
        let named = named.and_then(|named| schemas.get(named.rsplit_once('/')?.1));
        if let Some(schema) = named {
            self.add(schema, schemas, presence);
        }
        for part in parts(schema, "allOf") {
            self.add(part, schemas, presence);
        }
        for part in parts(schema, "oneOf") {
            self.add(part, schemas, Presence::Possible);
        }
        if let Some(Value::Object(properties)) = schema.get("properties") {
            self.properties.extend(properties.clone());
        }
        if matches!(presence, Presence::Sure) {
            self.required.extend(parts(schema, "required").cloned());
        }
    }
}

fn parts<'a>(schema: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    schema
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
