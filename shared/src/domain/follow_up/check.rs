//! What a follow-up's terms may be, beyond what their types refuse.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{
    Conditions, FollowUpTerms, HOLDOUT, MAX_COOLDOWN_DAYS, MAX_PER_ADDRESS, MailTerms, Sender,
    Variant,
};
use crate::domain::Fault;
use crate::domain::channel::Channel;
use crate::domain::mailbox::Mailbox;

/// Longest name of a follow-up, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// Longest name of a variant, in characters.
pub const MAX_VARIANT_NAME_CHARS: usize = 100;
/// Most variants of a follow-up: more would leave each too few buyers to tell apart.
pub const MAX_VARIANTS: usize = 10;
/// Largest hold-out, in percent of buyers.
pub const MAX_HOLDOUT_PERCENT: u8 = 90;
/// Longest delay between an order and its mail.
pub const MAX_DELAY: TimeDelta = TimeDelta::days(90);
/// Most days a code is valid.
pub const MAX_CODE_VALID_DAYS: u16 = 365;
/// Longest line of the legal sender, in characters.
const MAX_SENDER_CHARS: usize = 200;
/// Longest all templates of a follow-up may be together, in bytes: with everything else it is one item of 400 KB.
const MAX_TEMPLATES_BYTES: usize = 200_000;

impl FollowUpTerms {
    /// Everything in the terms that cannot be, or that this version does not do yet: a condition that was accepted and then
    /// ignored would mail people who must not be mailed. Templates' contents are judged by the mailer.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(line("/name", &self.name, MAX_NAME_CHARS));
        faults.extend(self.arm_faults());
        faults.extend(self.conditions.faults());
        if !(1..=MAX_CODE_VALID_DAYS).contains(&self.code_valid_days) {
            let detail = format!("a code is valid for 1 to {MAX_CODE_VALID_DAYS} days");
            faults.push(Fault::new("/code_valid_days", detail));
        }
        faults.extend(self.reminder_fault());
        faults.extend(self.mail.faults());
        faults
    }

    fn arm_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(1..=MAX_VARIANTS).contains(&self.variants.len()) {
            let detail = format!("a follow-up has 1 to {MAX_VARIANTS} variants");
            return vec![Fault::new("/variants", detail)];
        }
        let mut known = BTreeSet::new();
        for (index, variant) in self.variants.iter().enumerate() {
            let place = format!("/variants/{index}");
            faults.extend(variant.faults(&place));
            if !known.insert(Channel::thank_you(&variant.name)) {
                let detail = "another variant's name reads the same in statistics, which tell codes apart by it";
                faults.push(Fault::new(format!("{place}/name"), detail));
            }
        }
        if self.holdout_percent > MAX_HOLDOUT_PERCENT {
            let detail = format!("a hold-out is at most {MAX_HOLDOUT_PERCENT} percent");
            faults.push(Fault::new("/holdout_percent", detail));
        }
        faults
    }

    /// A reminder comes after the mail it reminds of and before the code's end.
    fn reminder_fault(&self) -> Option<Fault> {
        let before = self.reminder_before_expiry?.as_delta();
        let valid = TimeDelta::days(i64::from(self.code_valid_days));
        let detail = "a reminder is due longer than PT0S and shorter than code_valid_days before the code's end";
        let fits = TimeDelta::zero() < before && before < valid;
        (!fits).then(|| Fault::new("/reminder_before_expiry", detail))
    }
}

impl Conditions {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.cooldown_days > MAX_COOLDOWN_DAYS {
            let detail = format!("a cooldown is at most {MAX_COOLDOWN_DAYS} days");
            faults.push(Fault::new("/conditions/cooldown_days", detail));
        }
        let cap = self.max_per_address;
        if cap.is_some_and(|cap| !(1..=MAX_PER_ADDRESS).contains(&cap)) {
            let detail = format!("a cap is 1 to {MAX_PER_ADDRESS} mails; leave it out for none");
            faults.push(Fault::new("/conditions/max_per_address", detail));
        }
        faults
    }
}

impl Variant {
    fn faults(&self, place: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let name = format!("{place}/name");
        faults.extend(line(&name, &self.name, MAX_VARIANT_NAME_CHARS));
        if self.name.trim().eq_ignore_ascii_case(HOLDOUT) {
            let detail = "this is the name of the arm that gets nothing";
            faults.push(Fault::new(name, detail));
        }
        if self.delay.as_delta() > MAX_DELAY {
            let detail = format!("a delay is at most {} days", MAX_DELAY.num_days());
            faults.push(Fault::new(format!("{place}/delay"), detail));
        }
        if self.weight == 0 {
            let detail = "a weight is at least 1: a variant that nobody falls into is left out";
            faults.push(Fault::new(format!("{place}/weight"), detail));
        }
        faults
    }
}

impl MailTerms {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Err(error) = Mailbox::try_from(self.from.as_str()) {
            faults.push(Fault::new("/mail/from", error.to_string()));
        }
        faults.extend(self.sender.iter().flat_map(Sender::faults));
        let templates = self.templates.iter().flatten();
        let bytes: usize = templates
            .map(|(locale, text)| locale.len() + text.subject.len() + text.body.len())
            .sum();
        if bytes > MAX_TEMPLATES_BYTES {
            let detail = format!("all templates together have at most {MAX_TEMPLATES_BYTES} bytes");
            faults.push(Fault::new("/mail/templates", detail));
        }
        faults
    }
}

impl Sender {
    fn faults(&self) -> Vec<Fault> {
        let lines = [
            ("/mail/sender/name", &self.name),
            ("/mail/sender/address", &self.address),
            ("/mail/sender/contact", &self.contact),
        ];
        let check = |(pointer, text): (&str, &String)| line(pointer, text, MAX_SENDER_CHARS);
        lines.into_iter().filter_map(check).collect()
    }
}

/// What is wrong with a line of text, if anything.
fn line(pointer: &str, text: &str, most: usize) -> Option<Fault> {
    let fits = !text.trim().is_empty()
        && text.chars().count() <= most
        && !text.chars().any(char::is_control);
    let detail = format!("this has 1 to {most} characters and no control characters");
    (!fits).then(|| Fault::new(pointer, detail))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn terms(changes: &[(&str, Value)]) -> FollowUpTerms {
        let mut terms = json!({"name": "Thank you", "conditions": {}, "mail": {"from": "Shop <hello@shop.example>"},
            "variants": [{"name": "10% after 3 days", "promotion_id": "THX9", "delay": "P3D"}]});
        for (pointer, value) in changes {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            terms.pointer_mut(parent).unwrap()[field] = value.clone();
        }
        serde_json::from_value(terms).unwrap()
    }

    #[test]
    fn the_required_fields_are_enough() {
        assert_eq!(terms(&[]).faults(), []);
        let variant =
            json!({"name": "x".repeat(100), "promotion_id": "THX9", "delay": "P90D", "weight": 7});
        let most = terms(&[
            ("/name", "名".repeat(200).into()),
            ("/conditions/min_total", 3000.into()),
            ("/conditions/require_consent", false.into()),
            ("/variants", json!([variant])),
            ("/code_valid_days", 365.into()),
            ("/reminder_before_expiry", "P3D".into()),
            (
                "/mail/sender",
                json!({"name": "店", "address": "東京都", "contact": "03-0000-0000"}),
            ),
            (
                "/mail/templates",
                json!({"ja": {"subject": "s", "body": "b"}}),
            ),
        ]);
        assert_eq!(most.faults(), []);
    }

    fn named(name: &str) -> Value {
        json!({"name": name, "promotion_id": "THX9", "delay": "P3D"})
    }

    #[test]
    fn variants_may_have_names_in_any_script() {
        let variants: Vec<_> = ["早い", "遅い", "三日後", "10%", "20%"].map(named).into();
        let most = terms(&[
            ("/variants", variants.into()),
            ("/holdout_percent", 90.into()),
        ]);
        assert_eq!(most.faults(), []);
    }

    #[test]
    fn every_value_that_cannot_be_is_pointed_at() {
        for (field, value, pointer) in [
            ("/name", json!(" "), "/name"),
            ("/name", json!("a\nb"), "/name"),
            ("/name", json!("x".repeat(201)), "/name"),
            ("/variants", json!([]), "/variants"),
            ("/variants/0/name", json!(""), "/variants/0/name"),
            ("/variants/0/delay", json!("P90DT1S"), "/variants/0/delay"),
            ("/variants/0/weight", json!(0), "/variants/0/weight"),
            (
                "/variants",
                json!([named("A"), named("B"), named("a")]),
                "/variants/2/name",
            ),
            (
                "/variants",
                json!([named("5%"), named("5#")]),
                "/variants/1/name",
            ),
            (
                "/variants",
                json!([named("A"), named("Holdout")]),
                "/variants/1/name",
            ),
            ("/variants", json!(vec![named("A"); 11]), "/variants"),
            ("/holdout_percent", json!(91), "/holdout_percent"),
            (
                "/conditions/cooldown_days",
                json!(366),
                "/conditions/cooldown_days",
            ),
            (
                "/conditions/max_per_address",
                json!(0),
                "/conditions/max_per_address",
            ),
            ("/code_valid_days", json!(0), "/code_valid_days"),
            ("/code_valid_days", json!(366), "/code_valid_days"),
            ("/mail/from", json!("Shop"), "/mail/from"),
            ("/mail/from", json!("Shop <花@shop.example>"), "/mail/from"),
            (
                "/mail/sender",
                json!({"name": "店", "address": "", "contact": "03"}),
                "/mail/sender/address",
            ),
            (
                "/mail/templates",
                json!({"ja": {"subject": "s", "body": "b".repeat(200_000)}}),
                "/mail/templates",
            ),
        ] {
            let found: Vec<String> = terms(&[(field, value)])
                .faults()
                .into_iter()
                .map(|fault| fault.pointer)
                .collect();
            assert_eq!(found, [pointer]);
        }
    }

    #[test]
    fn a_reminder_comes_between_the_mail_and_the_codes_end() {
        let faults = |before: &str| terms(&[("/reminder_before_expiry", json!(before))]).faults();
        for odd in ["P30D", "PT0S"] {
            assert_eq!(faults(odd)[0].pointer, "/reminder_before_expiry");
        }
        assert_eq!(faults("P3D"), []);
    }
}
