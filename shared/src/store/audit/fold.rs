//! All facts folded into what must be, and the differences from what is. Pure: no clock, no network.
//!
//! The same fold judges the whole table, loosely because a scan sees no single moment, and the few items of one
//! difference as they stood at one moment, which decides.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::difference::{Account, Finding, Kind, Subject};
use super::facts::{Due, Fact, Place, ShardFact};
use super::records::{self, Claim};
use super::{codes, mails, promotions};
use crate::domain::code::{PromotionId, Serial};
use crate::domain::follow_up::FollowUpId;
use crate::domain::order::OrderId;
use crate::domain::outbox::{MailId, OutboxMail};
use crate::domain::promotion::{Limits, Promotion};
use crate::domain::redemption::Redemption;
use crate::store::automatic;
use crate::store::keys::{self, Key};
use crate::store::{CodeItem, GroupCode, OrderMarker};

/// What the audit keeps of a promotion's terms.
#[derive(Clone, Debug)]
pub(super) struct TermsFact {
    pub(super) limits: Limits,
    pub(super) entry: Key,
    /// If it applies by itself and was not ended: what its place among those says of its end.
    pub(super) automatic: Option<Place>,
}

/// What an account should come to. Amounts are below 10^18 each, so that no number of orders overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Minor units.
    pub(super) amount: i128,
    pub(super) uses: i128,
}

impl Sum {
    pub(super) fn add(&mut self, other: Self) {
        self.amount = self.amount.saturating_add(other.amount);
        self.uses = self.uses.saturating_add(other.uses);
    }
}

/// Everything seen so far. It keeps a few hundred bytes of each used code, order and mail.
#[derive(Default)]
pub(super) struct Fold {
    pub(super) terms: HashMap<PromotionId, TermsFact>,
    pub(super) entries: HashSet<PromotionId>,
    /// Places among the promotions that apply by themselves.
    pub(super) automatic: HashMap<PromotionId, Place>,
    /// Promotions that anything belongs to.
    pub(super) mentioned: BTreeSet<PromotionId>,
    pub(super) counters: HashMap<PromotionId, u64>,
    /// First serial and count of each batch.
    pub(super) batches: HashMap<PromotionId, Vec<(u64, u64)>>,
    /// One more than the highest minted serial that any code or record shows.
    pub(super) seen_end: HashMap<PromotionId, u64>,
    pub(super) shards: HashMap<PromotionId, BTreeMap<u8, ShardFact>>,
    pub(super) uses: HashMap<Key, i64>,
    pub(super) owed: HashMap<Account, Sum>,
    pub(super) codes: HashMap<(PromotionId, Serial), CodeItem>,
    pub(super) claims: HashMap<(PromotionId, Serial), Vec<Claim>>,
    pub(super) orders: HashSet<OrderId>,
    pub(super) words: HashMap<String, GroupCode>,
    pub(super) listed: HashMap<(PromotionId, String), GroupCode>,
    pub(super) mails: HashMap<MailId, (OutboxMail, Due)>,
    pub(super) markers: HashMap<(OrderId, FollowUpId), OrderMarker>,
    pub(super) rules: HashMap<FollowUpId, u64>,
    pub(super) rule_versions: HashSet<(FollowUpId, u64)>,
    /// What one item alone showed.
    pub(super) at_once: Vec<Finding>,
    pub(super) unknown: u64,
}

impl Fold {
    fn add_terms(&mut self, promotion: Promotion) {
        let entry = keys::promotion_entry(promotion.created_at, &promotion.id);
        let limits = promotion.terms.limits;
        let listed = automatic::is_listed(&promotion);
        let terms = TermsFact {
            limits,
            entry,
            automatic: listed.then(|| Place {
                ends_ms: automatic::Entry::of(&promotion).ends_ms,
            }),
        };
        self.mentioned.insert(promotion.id.clone());
        self.terms.insert(promotion.id, terms);
    }

    pub(super) fn add(&mut self, key: &Key, fact: Fact) {
        match fact {
            Fact::Terms(promotion) => self.add_terms(*promotion),
            Fact::Counter(id, minted) => {
                self.mentioned.insert(id.clone());
                self.counters.insert(id, minted);
            }
            Fact::Entry(id) => {
                self.mentioned.insert(id.clone());
                self.entries.insert(id);
            }
            Fact::Automatic(id, place) => {
                self.mentioned.insert(id.clone());
                self.automatic.insert(id, place);
            }
            Fact::Batch(id, batch) => {
                self.mentioned.insert(id.clone());
                let batches = self.batches.entry(id).or_default();
                batches.push((batch.first_serial, batch.count));
            }
            Fact::Word(folded, word) => {
                self.mentioned.insert(word.promotion_id.clone());
                self.words.insert(folded, *word);
            }
            Fact::Listed(id, folded, word) => {
                self.mentioned.insert(id.clone());
                self.listed.insert((id, folded), *word);
            }
            Fact::Shard(id, index, shard) => {
                self.mentioned.insert(id.clone());
                self.shards.entry(id).or_default().insert(index, shard);
            }
            Fact::Uses(used) => {
                self.uses.insert(key.clone(), used);
            }
            Fact::Code(id, serial, item) => {
                self.saw(&id, serial);
                self.codes.insert((id, serial), *item);
            }
            Fact::Record(record, due) => self.add_record(&record, &due),
            Fact::Marker(order, follow_up, marker) => {
                self.markers.insert((order, follow_up), *marker);
            }
            Fact::Mail(mail, due) => {
                self.mails.insert(mail.id.clone(), (*mail, due));
            }
            Fact::Rule(id, version) => {
                self.rules.insert(id, version);
            }
            Fact::RuleVersion(id, version) => {
                self.rule_versions.insert((id, version));
            }
            Fact::Other => {}
            Fact::Unknown => self.unknown = self.unknown.saturating_add(1),
        }
    }

    /// An item that cannot be read.
    pub(super) fn add_unreadable(&mut self, key: Key) {
        let found = "another form than this version writes";
        self.at_once.push(Finding::new(
            Subject::Item(key),
            Kind::Unreadable,
            "an item this version wrote",
            found,
        ));
    }

    /// Whether a record is among the items that cannot be read.
    pub(super) fn has_unreadable_records(&self) -> bool {
        let unreadable = self
            .at_once
            .iter()
            .filter(|finding| finding.kind == Kind::Unreadable);
        unreadable
            .into_iter()
            .any(|finding| match &finding.subject {
                Subject::Item(key) => key.sk == "redemption",
                _ => false,
            })
    }

    fn add_record(&mut self, record: &Redemption, due: &Due) {
        let broken = records::contradiction(record);
        if let Some((expected, found)) = &broken {
            let subject = Subject::Order(record.order_id.clone());
            self.at_once
                .push(Finding::new(subject, Kind::RecordBroken, expected, found));
        }
        self.at_once.extend(records::hold_due(record, due));
        for (account, sum) in records::owed(record) {
            self.owed.entry(account).or_default().add(sum);
        }
        for (id, serial, claim) in records::claims(record) {
            self.saw(&id, serial);
            if let Some(claim) = claim {
                self.claims.entry((id, serial)).or_default().push(claim);
            }
        }
        self.orders.insert(record.order_id.clone());
    }

    fn saw(&mut self, id: &PromotionId, serial: Serial) {
        if !self.mentioned.contains(id) {
            self.mentioned.insert(id.clone());
        }
        if !serial.is_thank_you() {
            let end = self.seen_end.entry(id.clone()).or_default();
            *end = (*end).max(serial.get().saturating_add(1));
        }
    }

    /// All differences between items; those of sums are left to [`super::sums`].
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = self.at_once.clone();
        findings.extend(promotions::findings(self));
        findings.extend(codes::findings(self));
        findings.extend(mails::findings(self));
        findings
            .sort_by(|one, other| (&one.kind, &one.subject).cmp(&(&other.kind, &other.subject)));
        findings
    }
}
