//! Ways in which single items can be wrong: which items each fits, and what it does to one.

use serde_json::{Value, json};

use super::table::{number, pk, remove, set_number, set_text, sk, text};

/// What becomes of an item.
pub(crate) enum Corrupted {
    Changed(Value),
    Deleted,
}

/// A name, the items it fits, and what it does.
pub(crate) type Corruption = (&'static str, fn(&Value) -> bool, fn(Value) -> Corrupted);

/// All of them. Each must be found in whatever item it fits.
pub(crate) fn all() -> Vec<Corruption> {
    [sums(), codes(), records(), promotions(), words(), mails()].concat()
}

fn is(item: &Value, kind: &str, sort: &str) -> bool {
    pk(item).split('#').next() == Some(kind) && sk(item).split('#').next() == Some(sort)
}

fn deleted(_: Value) -> Corrupted {
    Corrupted::Deleted
}

fn changed(mut item: Value, change: impl FnOnce(&mut Value)) -> Corrupted {
    change(&mut item);
    Corrupted::Changed(item)
}

fn plus(item: Value, name: &str, by: i64) -> Corrupted {
    changed(item, |item| {
        let changed = number(item, name) + by;
        set_number(item, name, changed);
    })
}

fn is_shard(item: &Value) -> bool {
    is(item, "shard", "shard")
}

fn sums() -> Vec<Corruption> {
    vec![
        ("amount spent", is_shard, |item| {
            plus(item, "spent_amount", 7)
        }),
        ("uses spent", is_shard, |item| plus(item, "spent_uses", -1)),
        (
            "more budget left",
            |item| is_shard(item) && !item["budget_left"].is_null(),
            |item| plus(item, "budget_left", 1),
        ),
        (
            "budget below zero",
            |item| is_shard(item) && !item["budget_left"].is_null(),
            |item| changed(item, |item| set_number(item, "budget_left", -5)),
        ),
        (
            "fewer uses left",
            |item| is_shard(item) && number(item, "uses_left") > 0,
            |item| plus(item, "uses_left", -1),
        ),
        (
            "shard without its uses",
            |item| is_shard(item) && !item["uses_left"].is_null(),
            |item| changed(item, |item| remove(item, "uses_left")),
        ),
        ("shard gone", is_shard, deleted),
        (
            "customer's uses",
            |item| is(item, "customer", "uses"),
            |item| plus(item, "used", 1),
        ),
        (
            "customer's uses gone",
            |item| is(item, "customer", "uses") && number(item, "used") > 0,
            deleted,
        ),
        (
            "word's uses",
            |item| is(item, "word", "uses"),
            |item| plus(item, "used", 2),
        ),
        (
            "customer's uses of a word",
            |item| is(item, "word-customer", "uses"),
            |item| plus(item, "used", -1),
        ),
    ]
}

fn code_is(item: &Value, state: &str) -> bool {
    (pk(item).starts_with("codes#") || pk(item).starts_with("thank-you#"))
        && text(item, "state") == state
}

fn free(item: &mut Value) {
    set_text(item, "state", "unused");
    for name in ["order_id", "redeemed_at", "held_until_ms"] {
        remove(item, name);
    }
}

fn codes() -> Vec<Corruption> {
    vec![
        (
            "redeemed code free again",
            |item| code_is(item, "redeemed"),
            |item| changed(item, free),
        ),
        (
            "held code free again",
            |item| code_is(item, "held"),
            |item| changed(item, free),
        ),
        (
            "redeemed code gone",
            |item| code_is(item, "redeemed"),
            deleted,
        ),
        (
            "redeemed code voided",
            |item| code_is(item, "redeemed"),
            |item| changed(item, |item| set_text(item, "state", "voided")),
        ),
        (
            "redeemed code held",
            |item| code_is(item, "redeemed"),
            |item| changed(item, |item| set_text(item, "state", "held")),
        ),
        (
            "another order's code",
            |item| code_is(item, "redeemed"),
            |item| changed(item, |item| set_text(item, "order_id", "nobodys-order")),
        ),
        (
            "code redeemed at another time",
            |item| code_is(item, "redeemed") && text(item, "order_id") != "kept",
            |item| {
                changed(item, |item| {
                    set_text(item, "redeemed_at", "2020-01-01T00:00:00Z");
                })
            },
        ),
        (
            "hold of a code that ends too early",
            |item| code_is(item, "held"),
            |item| plus(item, "held_until_ms", -1_000),
        ),
        (
            "voided code used by nobody",
            |item| code_is(item, "voided"),
            |item| {
                changed(item, |item| {
                    set_text(item, "state", "redeemed");
                    set_text(item, "order_id", "nobodys-order");
                })
            },
        ),
        (
            "unused code with an order",
            |item| code_is(item, "unused"),
            |item| changed(item, |item| set_text(item, "order_id", "single-1")),
        ),
        (
            "unused code taken by an order without it",
            |item| code_is(item, "unused"),
            |item| {
                changed(item, |item| {
                    set_text(item, "state", "redeemed");
                    set_text(item, "order_id", "single-1");
                })
            },
        ),
        (
            "code with another's number",
            |item| code_is(item, "redeemed") || code_is(item, "unused"),
            |item| plus(item, "serial", 1),
        ),
    ]
}

fn record_is(item: &Value, status: &str) -> bool {
    sk(item) == "redemption" && text(item, "status") == status && !item["redeemed"].is_null()
}

fn records() -> Vec<Corruption> {
    vec![
        ("record gone", |item| record_is(item, "redeemed"), deleted),
        (
            "hold's record gone",
            |item| record_is(item, "held"),
            deleted,
        ),
        (
            "record with another discount",
            |item| record_is(item, "redeemed"),
            |item| {
                changed(item, |item| {
                    let mut redeemed: Value = serde_json::from_str(text(item, "redeemed")).unwrap();
                    redeemed["codes"][0]["discount"] = json!(1);
                    set_text(item, "redeemed", &redeemed.to_string());
                })
            },
        ),
        (
            "record cancelled without a time",
            |item| record_is(item, "redeemed"),
            |item| changed(item, |item| set_text(item, "status", "cancelled")),
        ),
        (
            "cancelled record as if it were not",
            |item| record_is(item, "cancelled"),
            |item| changed(item, |item| set_text(item, "status", "redeemed")),
        ),
        (
            "lapsed record as if it were paid for",
            |item| record_is(item, "lapsed"),
            |item| changed(item, |item| set_text(item, "status", "redeemed")),
        ),
        (
            "hold that nobody ends",
            |item| record_is(item, "held"),
            |item| {
                changed(item, |item| {
                    remove(item, "due_shard");
                    remove(item, "due_ms");
                })
            },
        ),
        (
            "hold found too late",
            |item| record_is(item, "held"),
            |item| plus(item, "due_ms", 60_000),
        ),
        (
            "final record among the holds",
            |item| record_is(item, "redeemed"),
            |item| {
                changed(item, |item| {
                    set_text(item, "due_shard", "hold-0");
                    set_number(item, "due_ms", 1);
                })
            },
        ),
        (
            "record that cannot be read",
            |item| record_is(item, "redeemed"),
            |item| changed(item, |item| set_text(item, "status", "paid")),
        ),
    ]
}

fn promotions() -> Vec<Corruption> {
    vec![
        (
            "counter put back",
            |item| is(item, "promotion", "counter") && number(item, "minted") > 0,
            |item| plus(item, "minted", -1),
        ),
        (
            "counter gone",
            |item| is(item, "promotion", "counter"),
            deleted,
        ),
        (
            "counter ahead",
            |item| is(item, "promotion", "counter"),
            |item| plus(item, "minted", 3),
        ),
        (
            "batch longer",
            |item| is(item, "promotion", "batch"),
            |item| plus(item, "count", 1),
        ),
        ("batch gone", |item| is(item, "promotion", "batch"), deleted),
        (
            "place in the list gone",
            |item| pk(item) == "promotions",
            deleted,
        ),
        (
            "place among those without a code gone",
            |item| pk(item) == "automatic",
            deleted,
        ),
        (
            "place among those without a code until another time",
            |item| pk(item) == "automatic",
            |item| changed(item, |item| set_number(item, "ends_ms", 7)),
        ),
        (
            "ended, but still in its place among those without a code",
            |item| {
                let by_itself = item["terms"]["M"]["claim_code"]["S"] == "none";
                is(item, "promotion", "terms") && by_itself && text(item, "switch") == "on"
            },
            |item| changed(item, |item| set_text(item, "switch", "ended")),
        ),
        ("terms gone", |item| is(item, "promotion", "terms"), deleted),
    ]
}

fn words() -> Vec<Corruption> {
    vec![
        ("word gone", |item| is(item, "word", "word"), deleted),
        (
            "word unlisted",
            |item| is(item, "promotion", "word"),
            deleted,
        ),
        (
            "word voided in one place",
            |item| is(item, "word", "word") && item["voided"].is_null(),
            |item| changed(item, |item| item["voided"] = json!({"BOOL": true})),
        ),
        (
            "word voided in its list",
            |item| is(item, "promotion", "word") && item["voided"].is_null(),
            |item| changed(item, |item| item["voided"] = json!({"BOOL": true})),
        ),
        (
            "word with another channel",
            |item| is(item, "promotion", "word"),
            |item| changed(item, |item| set_text(item, "channel", "ad/other")),
        ),
    ]
}

fn mail_is(item: &Value, state: &str) -> bool {
    is(item, "mail", "mail") && text(item, "state") == state
}

fn mails() -> Vec<Corruption> {
    vec![
        (
            "marker gone",
            |item| sk(item).starts_with("marker#") && text_of_outcome(item) == "mail",
            deleted,
        ),
        (
            "marker with another code",
            |item| sk(item).starts_with("marker#") && text_of_outcome(item) == "mail",
            |item| {
                changed(item, |item| {
                    item["outcome"]["M"]["serial"] = json!({"N": "17179869185"});
                })
            },
        ),
        ("mail gone", |item| is(item, "mail", "mail"), deleted),
        (
            "mail never found",
            |item| mail_is(item, "due"),
            |item| changed(item, |item| remove(item, "due_ms")),
        ),
        (
            "mail found late",
            |item| mail_is(item, "due"),
            |item| plus(item, "due_ms", 1),
        ),
        (
            "sent mail found again",
            |item| mail_is(item, "sent"),
            |item| {
                changed(item, |item| {
                    set_text(item, "due_shard", "0");
                    set_number(item, "due_ms", 1);
                })
            },
        ),
        (
            "sent mail in no list",
            |item| mail_is(item, "sent"),
            |item| {
                changed(item, |item| {
                    remove(item, "due_shard");
                    remove(item, "due_ms");
                })
            },
        ),
        (
            "thank-you code gone",
            |item| pk(item).starts_with("thank-you#"),
            deleted,
        ),
        (
            "thank-you code that ends early",
            |item| pk(item).starts_with("thank-you#"),
            |item| plus(item, "expires_ms", -1),
        ),
        (
            "thank-you code of nobody",
            |item| pk(item).starts_with("thank-you#"),
            |item| changed(item, |item| remove(item, "issued_to")),
        ),
        (
            "follow-up's version gone",
            |item| sk(item).starts_with("version#"),
            deleted,
        ),
    ]
}

fn text_of_outcome(item: &Value) -> &str {
    item["outcome"]["M"]["type"]["S"]
        .as_str()
        .unwrap_or_default()
}
