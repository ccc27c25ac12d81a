//! What became of the orders, over HTTP, held against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use futures_util::StreamExt as _;
use integration::Caller;
use serde_json::{Value, json};

use crate::bodies;
use crate::facts::Order;
use crate::model::{self, Expected, RULES, Rule};

/// Requests under way at a time.
const AT_ONCE: usize = 16;
/// Share of buyers that [`Rule::Each`] holds out, per cent.
const HELD_OUT: u8 = 10;

/// Everything there is to see.
pub(crate) struct Seen {
    /// `GET /v1/orders/{id}` by the order's number; null for one never heard of.
    orders: Vec<Value>,
    /// The mails of each rule and order.
    mails: BTreeMap<(Rule, String), Vec<Value>>,
    /// Status of each code, by rule.
    codes: BTreeMap<Rule, BTreeMap<String, String>>,
    /// The follow-ups' ids.
    rules: BTreeMap<Rule, String>,
}

/// Creates a promotion and a follow-up for each rule; answers their ids.
pub(crate) async fn open_shop(caller: &Caller) -> BTreeMap<Rule, [String; 2]> {
    let mut made = BTreeMap::new();
    for rule in RULES {
        let promotion = caller.promotion(json!({})).await;
        let conditions = match rule {
            Rule::Each => json!({"min_total": 3_000}),
            Rule::First => {
                json!({"min_total": 9_000, "require_consent": false, "first_order_only": true})
            }
            Rule::Once => json!({"min_total": 9_000, "cooldown_days": 30, "max_per_address": 1}),
        };
        let subject = format!("{rule:?} {{{{ order.id }}}}");
        let text = json!({"subject": subject, "body": "{{ code }}"});
        let terms = json!({
            "conditions": conditions, "code_valid_days": 365,
            "holdout_percent": if rule == Rule::Each { HELD_OUT } else { 0 },
            "mail": {"from": "Shop <hello@shop.example>", "templates": {"en": text}},
        });
        let follow_up = caller.follow_up(&promotion, terms).await;
        let ids = [&promotion, &follow_up].map(|made| made["id"].as_str().unwrap().to_owned());
        made.insert(rule, ids);
    }
    made
}

impl Seen {
    pub(crate) async fn look(
        caller: &Caller,
        made: &BTreeMap<Rule, [String; 2]>,
        orders: &[Order],
    ) -> Self {
        let known = orders.iter().map(|order| async move {
            let answer = caller
                .admin(&format!("GET /v1/orders/{}", order.id), Value::Null)
                .await;
            if answer.status == 404 {
                Value::Null
            } else {
                answer.expect(200).body
            }
        });
        let known = futures_util::stream::iter(known)
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut mails = BTreeMap::<_, Vec<Value>>::new();
        for mail in caller.inbox().await {
            let (name, order) = mail["subject"].as_str().unwrap().split_once(' ').unwrap();
            let rule = RULES
                .into_iter()
                .find(|rule| format!("{rule:?}") == name)
                .unwrap();
            mails
                .entry((rule, order.to_owned()))
                .or_default()
                .push(mail);
        }
        let mut codes = BTreeMap::new();
        for (rule, [promotion, _]) in made {
            let path = format!("GET /v1/promotions/{promotion}/codes?limit=20000");
            let page = caller.admin(&path, Value::Null).await.expect(200).body;
            let text = |code: &Value, field: &str| code[field].as_str().unwrap().to_owned();
            let listed = page["codes"].as_array().unwrap().iter();
            codes.insert(
                *rule,
                listed
                    .map(|code| (text(code, "code"), text(code, "status")))
                    .collect(),
            );
        }
        let rules = made
            .iter()
            .map(|(rule, [_, follow_up])| (*rule, follow_up.clone()));
        Self {
            orders: known,
            mails,
            codes,
            rules: rules.collect(),
        }
    }

    /// What the rule's follow-up says about an order; null if nothing.
    fn decision(&self, rule: Rule, order: &Order) -> &Value {
        let decisions = self.orders[order.number]["follow_ups"].as_array();
        let mut decisions = decisions.map(Vec::as_slice).unwrap_or_default().iter();
        let found = decisions.find(|decision| decision["follow_up_id"] == *self.rules[&rule]);
        found.unwrap_or(&Value::Null)
    }

    fn mails(&self, rule: Rule, order: &Order) -> &[Value] {
        let mails = self.mails.get(&(rule, order.id.clone()));
        mails.map(Vec::as_slice).unwrap_or_default()
    }

    /// Holds everything against the model; answers how many mails each rule sent.
    pub(crate) fn judge(&self, orders: &[Order]) -> BTreeMap<Rule, usize> {
        let mut counts = BTreeMap::new();
        for rule in RULES {
            let (expected, shares) = model::expected(rule, orders);
            let mut issued = 0;
            for (order, expected) in orders.iter().zip(&expected) {
                self.judge_order(rule, order, expected);
                issued += usize::from(!self.decision(rule, order)["mail"].is_null());
            }
            for share in shares {
                let mailed = share
                    .orders
                    .iter()
                    .filter(|number| !self.mails(rule, &orders[**number]).is_empty());
                let mailed = mailed.count();
                assert!(
                    share.mailed.contains(&mailed),
                    "{rule:?} mailed {mailed} of {share:?}"
                );
            }
            // No code but those that orders earned.
            assert_eq!(self.codes[&rule].len(), issued, "{rule:?}");
            let of_rule = self.mails.iter().filter(|((of, _), _)| *of == rule);
            counts.insert(rule, of_rule.count());
        }
        let known: BTreeSet<&str> = orders.iter().map(|order| order.id.as_str()).collect();
        assert!(
            self.mails
                .keys()
                .all(|(_, order)| known.contains(order.as_str()))
        );
        self.judge_holdout(orders);
        counts
    }

    fn judge_order(&self, rule: Rule, order: &Order, expected: &Expected) {
        let (decision, mails) = (self.decision(rule, order), self.mails(rule, order));
        let told = format!(
            "{rule:?} of {order:?}: expected {expected:?}; {decision}, mailed {}",
            mails.len()
        );
        let refused_for = |reasons: &[&str]| {
            let state = decision["mail"].as_str();
            mails.is_empty()
                && state.is_none_or(|state| state == "withdrawn")
                && reasons.iter().any(|reason| decision["reason"] == *reason)
        };
        match expected {
            Expected::Nothing => assert!(decision.is_null() && mails.is_empty(), "{told}"),
            Expected::Refused(reasons) => assert!(refused_for(reasons), "{told}"),
            Expected::MailedUnless(reasons) if refused_for(reasons) => {}
            Expected::Mailed | Expected::MailedUnless(_) => self.judge_mail(rule, order, &told),
        }
    }

    /// One mail, to the order's buyer, with a code of the rule's that works, unless the order ended later.
    fn judge_mail(&self, rule: Rule, order: &Order, told: &str) {
        let (decision, mails) = (self.decision(rule, order), self.mails(rule, order));
        let [mail] = mails else {
            panic!("{told}");
        };
        assert_eq!(decision["mail"], "sent", "{told}");
        let plain = |address: &str| address.to_ascii_lowercase().replace("+shop", "");
        let to = mail["to"][0].as_str().map(plain);
        assert_eq!(to, bodies::address(order).as_deref().map(plain), "{told}");
        let text = mail["text"].as_str().unwrap();
        let mut codes = self.codes[&rule].iter();
        let code = codes.find(|(code, _)| text.contains(code.as_str()));
        let status = if model::voided(order) {
            "voided"
        } else {
            "unused"
        };
        assert_eq!(
            code.map(|(_, status)| status.as_str()),
            Some(status),
            "{told}"
        );
    }

    /// Buyers are held out for good or not at all, and about as many as asked.
    fn judge_holdout(&self, orders: &[Order]) {
        let mut arms = BTreeMap::new();
        for order in orders {
            let arm = self.decision(Rule::Each, order)["arm"].as_str();
            if let (Some(buyer), Some(arm)) = (order.address.buyer(), arm) {
                let held_out = arm == "holdout";
                assert_eq!(
                    *arms.entry(buyer).or_insert(held_out),
                    held_out,
                    "{order:?}"
                );
            }
        }
        let held_out = arms.values().filter(|held_out| **held_out).count();
        let percent = held_out * 100 / arms.len().max(1);
        // Of 500 buyers and more, six standard deviations from a tenth are less.
        assert!(
            arms.len() < 500 || (2..=18).contains(&percent),
            "{held_out} of {}",
            arms.len()
        );
    }
}

/// Nothing is left undone on a directory on which no stack runs: no dead letters, no queued messages, and books that agree.
pub(crate) fn assert_all_done(directory: &Path) {
    for folder in ["queue", "queue/dead", "feedback", "feedback/dead"] {
        let entries = std::fs::read_dir(directory.join(folder)).unwrap();
        let files = entries.filter(|entry| entry.as_ref().unwrap().path().is_file());
        assert_eq!(files.count(), 0, "{folder}");
    }
    let doctor = Command::new(env!("CARGO_BIN_EXE_integration"))
        .args(["doctor", "--data"])
        .arg(directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.success(), "{said}");
}
