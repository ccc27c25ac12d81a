//! What may be changed of a promotion, and when.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::promotion::{Promotion, PromotionTerms, Status, Switch};

/// How long functions may go on with terms they read before. Terms that decide about money change only while no function
/// can be using them, also not from memory. Source: design.md §5 (10 s), and as long again for clocks that differ.
const SETTLING: TimeDelta = TimeDelta::seconds(20);

/// Fields that may change at any time; all others only while scheduled.
const ALWAYS: [&str; 3] = ["name", "ends_at", "limits"];

/// Whether a promotion can have been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not yet: everything may change, and nothing was spent.
    Scheduled,
    /// It takes effect too soon, or did.
    Begun,
}

impl Promotion {
    /// Its stage at `now`. A scheduled promotion counts as begun 20 s before it takes effect, because functions remember
    /// terms for 10 s.
    pub fn stage_at(&self, now: DateTime<Utc>) -> Stage {
        let far = now + SETTLING < self.effective_at;
        if far && self.status_at(now) == Status::Scheduled {
            Stage::Scheduled
        } else {
            Stage::Begun
        }
    }

    /// The promotion under `terms`, one version on, if it may change to them at `now`. `mark` tells this change from others.
    ///
    /// # Errors
    /// Everything that may not change now, with pointers.
    pub fn change(
        &self,
        terms: PromotionTerms,
        mark: String,
        lead_time: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = terms.faults();
        if self.stage_at(now) == Stage::Begun {
            faults.extend(too_late(&object(&self.terms), &object(&terms)));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let earliest = self.created_at + lead_time;
        let mut changed = self.clone();
        if terms.starts_at != self.terms.starts_at {
            changed.effective_at = terms
                .starts_at
                .map_or(earliest, |starts_at| starts_at.max(earliest));
        }
        changed.version = self.version.saturating_add(1);
        changed.changed_by = mark;
        changed.terms = terms;
        Ok(changed)
    }

    /// Whether it was ended by staff, which is final.
    pub fn is_ended_for_good(&self) -> bool {
        self.switch == Switch::Ended
    }
}

/// Terms with some fields replaced: absent ones stay, `null` removes, `limits` is merged field by field.
pub fn merged(terms: &PromotionTerms, fields: Map<String, Value>) -> Value {
    let mut merged = object(terms);
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("limits", Value::Object(limits)) => {
                let seen = merged.remove("limits");
                let mut kept = match seen {
                    Some(Value::Object(seen)) => seen,
                    _ => Map::new(),
                };
                for (name, value) in limits {
                    put(&mut kept, name, value);
                }
                merged.insert(name, Value::Object(kept));
            }
            (_, value) => put(&mut merged, name, value),
        }
    }
    Value::Object(merged)
}

fn put(object: &mut Map<String, Value>, name: String, value: Value) {
    if value.is_null() {
        object.remove(&name);
    } else {
        object.insert(name, value);
    }
}

/// The terms as JSON. Terms are always an object, and writing them cannot fail.
fn object(terms: &PromotionTerms) -> Map<String, Value> {
    match serde_json::to_value(terms) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// What differs and may no longer.
fn too_late(seen: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in names(seen, new) {
        let (before, after) = (seen.get(name), new.get(name));
        if before != after && !ALWAYS.contains(&name.as_str()) {
            let detail = "this can only be changed while the promotion is scheduled, until 20 s before it takes effect: \
                          buyers may have used it since. Create a new promotion instead";
            faults.push(Fault::new(format!("/{name}"), detail));
        }
    }
    let empty = Map::new();
    let limits = |terms: &Map<String, Value>| match terms.get("limits") {
        Some(Value::Object(limits)) => limits.clone(),
        _ => empty.clone(),
    };
    let (seen, new) = (limits(seen), limits(new));
    for name in names(&seen, &new) {
        let pointer = format!("/limits/{name}");
        match (seen.get(name), new.get(name)) {
            (Some(before), Some(after)) if name == "shards" && before != after => {
                faults.push(Fault::new(pointer, "shards can only be changed while the promotion is scheduled"));
            }
            // It decides what a cart is worth, and counts nothing.
            (before, after) if name == "units_per_order" && before != after => {
                faults.push(Fault::new(
                    pointer,
                    "this can only be changed while the promotion is scheduled: it prices orders",
                ));
            }
            (None, Some(_)) => faults.push(Fault::new(
                pointer,
                "a limit can only be added while the promotion is scheduled: what was used before was not counted",
            )),
            (Some(_), None) => faults.push(Fault::new(
                pointer,
                "a limit can only be removed while the promotion is scheduled: raise it instead",
            )),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    faults
}

/// All names of two objects, each once.
fn names<'a>(one: &'a Map<String, Value>, other: &'a Map<String, Value>) -> Vec<&'a String> {
    let more = other.keys().filter(|name| !one.contains_key(*name));
    one.keys().chain(more).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::promotion::tests::{at, promotion, terms};
    use super::*;

    fn pointers(seen: &Value, new: &Value, now: &str) -> Vec<String> {
        let changed = promotion("THX9", seen).change(
            terms(new),
            "mark".to_owned(),
            TimeDelta::zero(),
            at(now),
        );
        let faults = changed.err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn terms_change_until_20_seconds_before_the_promotion_takes_effect_and_names_and_ends_always() {
        let seen = json!({"starts_at": "2026-12-24T00:00:00Z"});
        let new = json!({"starts_at": "2026-12-25T00:00:00Z", "combinability": "unrestricted", "name": "New",
            "ends_at": "2027-01-01T00:00:00Z", "limits": {"budget": 5}});
        assert!(pointers(&seen, &new, "2026-12-23T23:59:39Z").is_empty());
        for late in ["2026-12-23T23:59:40Z", "2026-12-24T00:00:00Z"] {
            assert_eq!(
                pointers(&seen, &new, late),
                ["/combinability", "/starts_at", "/limits/budget"]
            );
        }
    }

    #[test]
    fn limits_change_their_values_always_and_come_go_and_spread_only_while_scheduled() {
        let now = "2026-12-02T00:00:00Z";
        let seen = json!({"limits": {"budget": 100, "shards": 2}});
        assert!(pointers(&seen, &json!({"limits": {"budget": 50, "shards": 2}}), now).is_empty());
        let priced = |units: u32| json!({"limits": {"units_per_order": units}});
        assert_eq!(
            pointers(&priced(2), &priced(3), now),
            ["/limits/units_per_order"]
        );
        assert!(pointers(&priced(2), &priced(3), "2026-11-01T00:00:00Z").is_empty());
        let others = json!({"limits": {"redemptions": 7, "shards": 3}});
        assert_eq!(
            pointers(&seen, &others, now),
            ["/limits/budget", "/limits/shards", "/limits/redemptions"]
        );
    }

    #[test]
    fn absent_fields_stay_null_removes_and_limits_are_merged() {
        let seen = terms(
            &json!({"ends_at": "2027-01-01T00:00:00Z", "limits": {"budget": 9, "redemptions": 3}}),
        );
        let Value::Object(fields) =
            json!({"name": "New", "ends_at": null, "limits": {"budget": null, "per_customer": 2}})
        else {
            panic!()
        };
        let merged = merged(&seen, fields);
        assert_eq!(merged["name"], "New");
        assert_eq!(merged["currency"], "JPY");
        assert_eq!(merged.get("ends_at"), None);
        assert_eq!(
            merged["limits"],
            json!({"redemptions": 3, "per_customer": 2})
        );
    }

    #[test]
    fn a_new_start_is_held_to_the_lead_time_of_the_creation() {
        let seen = promotion("THX9", &json!({"starts_at": "2026-12-24T00:00:00Z"}));
        let change = |new: Value| {
            let lead = TimeDelta::hours(4);
            let changed = seen.change(terms(&new), String::new(), lead, at("2026-12-01T00:01:00Z"));
            changed.unwrap().effective_at
        };
        assert_eq!(
            change(json!({"starts_at": "2026-12-05T00:00:00Z"})),
            at("2026-12-05T00:00:00Z")
        );
        assert_eq!(change(json!({})), at("2026-12-01T04:00:00Z"));
        assert_eq!(
            change(json!({"starts_at": "2020-01-01T00:00:00Z"})),
            at("2026-12-01T04:00:00Z")
        );
    }
}
