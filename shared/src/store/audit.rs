//! The reconciler behind `okaeri doctor`: folds the ledger, which is the redemption records under their order ids, and
//! compares it with everything that is kept beside it. What must hold:
//!
//! - **Sums.** Over a promotion's shards: `spent_amount` and `spent_uses` are what the records still draw; `budget_left`
//!   and `uses_left` are the limit less that; as many shards as the terms say, each whole, none below zero; the limit
//!   is not exceeded. A count of uses (customer and promotion, word, customer and word) is the number of held and
//!   redeemed orders that count there.
//! - **Codes.** A code that a held or redeemed record used is `held` until the same moment, or `redeemed` at it, by that
//!   order and no other; by a cancelled one too, if its promotion keeps codes used. Every other code is unused or voided
//!   and carries no order. Its item's number is its key's.
//! - **Records.** Discounts of lines, codes and returns add up; `cancelled_at` and `held_until` fit the status; the due
//!   index finds a record if, and only if, it is held, at the end of its hold.
//! - **Minting.** Batches overlap nowhere and leave no gap below `minted`, and `minted` is past every batch and every
//!   code that an item or a record shows.
//! - **Promotions** that anything belongs to have terms; terms have their place in the list, and one among
//!   those that apply by themselves exactly if they do and were not ended. A **word** has two equal
//!   entries.
//! - **Mails.** A mail has its marker, its code (same buyer, order, channel and end) and its follow-up's version; a marker its mail;
//!   a follow-up an item for each of its versions. The due index finds a mail if, and only if, it needs attention, then.
//! - Every item of these kinds, and no other, is of the form this version writes.
//!
//! Not compared: contacts and suppressions, kept answers, API keys, unknown codes tried, tombstones (a due mail of a
//! cancelled order is stopped by its claim), and what quarantine holds.
//!
//! **Beside running functions** it reports nothing that is not so, and repairs nothing that changed since. One scan finds
//! candidates. Items are then read again in one `TransactGetItems`: the functions change them in one transaction, so
//! what differs at one moment is wrong. For sums see [`sums`]. A repair is a transaction whose every write rests on
//! the items as they were in that look.

mod codes;
mod difference;
mod facts;
mod fold;
mod mails;
mod places;
mod promotions;
mod records;
mod repair;
mod sums;

use std::collections::{BTreeSet, HashMap, HashSet};

use aws_sdk_dynamodb::types::{AttributeValue, Get, TransactGetItem};
use chrono::{DateTime, Utc};

use super::keys::{self, Key};
use super::minting::Batch;
use super::transaction::Action;
use super::{Item, Store, StoreError, retry};
use crate::domain::code::PromotionId;
use crate::domain::promotion::Limits;
use difference::{Account, Finding, Kind, Subject};
use facts::{Fact, fact};
use fold::Fold;
use sums::{Bounds, Shares};

pub use difference::{Difference, Repair};

/// Items read at one moment.
type Seen = HashMap<Key, Item>;

/// Most items in one transaction. Source: `TransactGetItems` in the DynamoDB API reference.
const MAX_TOGETHER: usize = 100;
/// Looks at sums that move before they are left open.
const LOOKS: u32 = 4;
/// Accounts, out of reach one after the other, at which a look gives up: each costs the time of a whole call.
const MAX_BUSY: u32 = 20;
/// Rounds over the whole table while repairs bring other differences to light.
const ROUNDS: u32 = 4;
/// Looks at the items of one difference while they lead to others.
const HOPS: u32 = 4;

/// Whether differences are only reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditMode {
    /// Nothing is written.
    Look,
    /// What can be set right without guessing is.
    Repair,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditProgress {
    /// Which time the table is read, from 1.
    pub pass: u32,
    /// Items read in this pass.
    pub items: u64,
}

/// What an audit found.
#[derive(Clone, Debug, Default)]
pub struct AuditReport {
    /// Items in the table.
    pub items: u64,
    /// What is wrong, or was before it was repaired.
    pub differences: Vec<Difference>,
    /// Sums that orders kept changing and that may be right: nothing is known to be wrong with them.
    pub open: usize,
    /// Items of kinds this version does not know.
    pub unknown: u64,
}

impl AuditReport {
    /// How many differences are left.
    pub fn left(&self) -> usize {
        let left = self
            .differences
            .iter()
            .filter(|found| found.repair != Repair::Done);
        left.count()
    }
}

/// Told how far the audit is, now and then.
type Progress<'a> = &'a mut (dyn FnMut(AuditProgress) + Send + Sync);

/// One run.
struct Audit<'a> {
    store: &'a Store,
    mode: AuditMode,
    now: DateTime<Utc>,
    progress: Progress<'a>,
    passes: u32,
    /// Whether every record can be read: only then do sums of them repair anything.
    ledger_is_whole: bool,
    /// Promotions with a code whose order left no record: what that order drew is not known.
    incomplete: HashSet<PromotionId>,
    report: AuditReport,
}

/// Whether a sum is done with.
enum Settled {
    /// It is right, or was reported.
    Yes,
    /// Orders were at it; what is wrong even so.
    Moving(Vec<Finding>),
}

impl Store {
    /// Compares everything in the table with the orders' records, and repairs what it may in [`AuditMode::Repair`]. It may
    /// run beside the functions. It reads the whole table once, and its records a few times more if sums seem to differ;
    /// after a repair it looks again.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer. What was repaired by then stays repaired.
    pub async fn audit(
        &self,
        mode: AuditMode,
        now: DateTime<Utc>,
        progress: Progress<'_>,
    ) -> Result<AuditReport, StoreError> {
        let mut audit = Audit {
            store: self,
            mode,
            now,
            progress,
            passes: 0,
            ledger_is_whole: true,
            incomplete: HashSet::new(),
            report: AuditReport::default(),
        };
        let mut repaired = Vec::new();
        for _ in 0..ROUNDS {
            audit.round().await?;
            let found = &mut audit.report.differences;
            let done: Vec<_> = found
                .extract_if(.., |found| found.repair == Repair::Done)
                .collect();
            let nothing_done = done.is_empty();
            repaired.extend(done);
            if nothing_done {
                break;
            }
        }
        audit.report.differences.splice(..0, repaired);
        Ok(audit.report)
    }
}

/// Accounts that seem to differ, by a scan that saw no single moment.
fn candidates(fold: &Fold) -> BTreeSet<Account> {
    let limited = fold
        .terms
        .iter()
        .filter(|(_, terms)| terms.limits.shard_count() > 0);
    let mut accounts: BTreeSet<Account> =
        limited.map(|(id, _)| Account::Shards(id.clone())).collect();
    accounts.extend(fold.uses.keys().cloned().map(Account::Uses));
    accounts.extend(fold.owed.keys().cloned());
    accounts.retain(|account| {
        let bounds = Bounds::exactly(fold.owed.get(account).copied().unwrap_or_default());
        match account {
            Account::Uses(key) => {
                let used = fold.uses.get(key).copied().unwrap_or_default();
                !sums::judge_uses(account, used, &bounds).is_empty()
            }
            Account::Shards(id) => fold.terms.get(id).is_some_and(|terms| {
                let shards = fold.shards.get(id).cloned().unwrap_or_default();
                !sums::judge_shards(account, terms.limits, &shards, &bounds).is_empty()
            }),
        }
    });
    accounts
}

impl Audit<'_> {
    /// Looks at everything once.
    async fn round(&mut self) -> Result<(), StoreError> {
        self.report = AuditReport::default();
        self.incomplete.clear();
        let fold = self.read_everything().await?;
        for finding in fold.findings() {
            self.settle(&finding, &fold).await?;
        }
        self.settle_sums(candidates(&fold)).await
    }

    async fn read_everything(&mut self) -> Result<Fold, StoreError> {
        let mut fold = Fold::default();
        let items = self.scan(None, |item| add(&mut fold, item)).await?;
        self.report.items = items;
        self.report.unknown = fold.unknown;
        self.ledger_is_whole = !fold.has_unreadable_records();
        Ok(fold)
    }

    /// Hands every item to `each`, strongly consistent, page by page; only those with this sort key, if one is given.
    async fn scan(
        &mut self,
        sort_key: Option<&str>,
        mut each: impl FnMut(&Item),
    ) -> Result<u64, StoreError> {
        self.passes = self.passes.saturating_add(1);
        let (mut items, mut start) = (0_u64, None);
        let mut attempts = retry::Attempts::new();
        loop {
            let request = self
                .store
                .client
                .scan()
                .table_name(&self.store.table)
                .consistent_read(true);
            let request = match sort_key {
                None => request,
                Some(key) => request
                    .filter_expression("sk = :sk")
                    .expression_attribute_values(":sk", AttributeValue::S(key.to_owned())),
            };
            let page = request.set_exclusive_start_key(start.clone()).send().await;
            let page = match page.map_err(StoreError::unavailable) {
                Ok(page) => page,
                // One page of many that came late is no reason to begin again.
                Err(error) => match attempts.pause().await {
                    Ok(()) => continue,
                    Err(_) => return Err(error),
                },
            };
            attempts = retry::Attempts::new();
            items = items.saturating_add(u64::try_from(page.scanned_count).unwrap_or_default());
            page.items.iter().flatten().for_each(&mut each);
            (self.progress)(AuditProgress {
                pass: self.passes,
                items,
            });
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// Looks again at one difference, and reports or repairs it if it is still there.
    async fn settle(&mut self, finding: &Finding, whole: &Fold) -> Result<(), StoreError> {
        let Some((finding, seen, fold)) = self.confirm(finding, whole).await? else {
            return Ok(());
        };
        let plan = repair::plan(&finding, &seen, &fold, self.now);
        let mut repair = self.carry_out(plan).await?;
        if repair == Repair::Moved && self.confirm(&finding, whole).await?.is_none() {
            // It was set right meanwhile, perhaps by a write of ours whose answer was lost.
            repair = Repair::Done;
        }
        if let (Kind::CodeOrphan, Subject::Code(id, _)) = (finding.kind, &finding.subject) {
            self.incomplete.insert(id.clone());
        }
        self.report.differences.push(finding.told(repair));
        Ok(())
    }

    async fn carry_out(&self, plan: Option<Vec<Action>>) -> Result<Repair, StoreError> {
        let Some(actions) = plan else {
            return Ok(Repair::ByHand);
        };
        if self.mode == AuditMode::Look {
            return Ok(Repair::Possible);
        }
        Ok(match self.store.decide(&actions).await? {
            Ok(()) => Repair::Done,
            Err(_) => Repair::Moved,
        })
    }

    /// The same difference among the items it rests on, all read at one moment; `None` if it is gone.
    async fn confirm(
        &self,
        finding: &Finding,
        whole: &Fold,
    ) -> Result<Option<(Finding, Seen, Fold)>, StoreError> {
        if let Subject::Batches(id) = &finding.subject {
            return self.confirm_batches(id, finding, whole).await;
        }
        let first = places::primary(&finding.subject);
        let mut keys: BTreeSet<Key> = first.iter().cloned().collect();
        keys.extend(finding.orders.iter().map(keys::redemption));
        for _ in 0..HOPS {
            let seen = self.together(&keys).await?;
            let leads = |key: &Key| first.contains(key) || key.sk.starts_with(keys::MARKER_PREFIX);
            let led_to = seen.iter().filter(|(key, _)| leads(key));
            let led_to: Vec<Key> = led_to
                .flat_map(|(_, item)| places::references(item))
                .collect();
            let before = keys.len();
            keys.extend(led_to);
            if keys.len() > before {
                continue;
            }
            let mut fold = Fold::default();
            add_all(&mut fold, &seen);
            if let Subject::Promotion(id) = &finding.subject {
                fold.mentioned.insert(id.clone());
            }
            let same = fold
                .findings()
                .into_iter()
                .find(|other| other.is_the_same_as(finding));
            return Ok(same.map(|same| (same, seen, fold)));
        }
        // It leads elsewhere each time: it is being worked on.
        Ok(None)
    }

    /// A promotion's batches are too many for one transaction, but each comes with a move of the counter, which only grows: if
    /// the counter stands still around the look, so did they.
    async fn confirm_batches(
        &self,
        id: &PromotionId,
        finding: &Finding,
        whole: &Fold,
    ) -> Result<Option<(Finding, Seen, Fold)>, StoreError> {
        let keys = BTreeSet::from([keys::terms(id), keys::counter(id)]);
        let mut attempts = retry::Attempts::new();
        loop {
            let seen = self.together(&keys).await?;
            let partition = keys::promotion_partition(id);
            let batches: Vec<Batch> = self.store.query_prefix(&partition, "batch#").await?;
            let again = self.together(&keys).await?;
            if seen.get(&keys::counter(id)) == again.get(&keys::counter(id)) {
                let mut fold = Fold::default();
                add_all(&mut fold, &seen);
                let batches = batches
                    .iter()
                    .map(|batch| (batch.first_serial, batch.count));
                fold.batches.insert(id.clone(), batches.collect());
                if let Some(end) = whole.seen_end.get(id) {
                    fold.seen_end.insert(id.clone(), *end);
                }
                let mut findings = promotions::batches(&fold, id).into_iter();
                let same = findings.find(|other| other.is_the_same_as(finding));
                return Ok(same.map(|same| (same, seen, fold)));
            }
            attempts.pause().await?;
        }
    }

    /// The items under `keys` that exist, all as they stood at one moment.
    async fn together(&self, keys: &BTreeSet<Key>) -> Result<Seen, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let mut request = self.store.client.transact_get_items();
            for key in keys.iter().take(MAX_TOGETHER) {
                let get = Get::builder().table_name(&self.store.table);
                let get = get.set_key(Some(key.attributes())).build();
                let get = get.map_err(StoreError::unavailable)?;
                request = request.transact_items(TransactGetItem::builder().get(get).build());
            }
            let error = match request.send().await {
                Ok(answer) => {
                    let items = answer.responses.unwrap_or_default().into_iter();
                    let items = items.filter_map(|response| response.item);
                    return Ok(items
                        .filter_map(|item| Some((Key::of(&item)?, item)))
                        .collect());
                }
                Err(error) => StoreError::unavailable(error),
            };
            // A write was at one of them, or the table did not answer.
            if attempts.pause().await.is_err() {
                return Err(error);
            }
        }
    }

    /// Looks at sums that seem to differ until each is known to be right or wrong, or has moved too often.
    async fn settle_sums(&mut self, mut open: BTreeSet<Account>) -> Result<(), StoreError> {
        if open.is_empty() {
            return Ok(());
        }
        let mut before = self.shares(&open).await?;
        let mut moving: HashMap<Account, Vec<Finding>> = HashMap::new();
        for look in 1..=LOOKS {
            let standing = self.standing(&open).await;
            let after = self.shares(&open).await?;
            for (account, seen) in standing {
                let shares =
                    |all: &HashMap<Account, Shares>| all.get(&account).cloned().unwrap_or_default();
                let Some(bounds) = sums::between(&shares(&before), &shares(&after)) else {
                    continue;
                };
                match self.settle_sum(&account, &seen, &bounds, look).await? {
                    Settled::Yes => {
                        open.remove(&account);
                        moving.remove(&account);
                    }
                    Settled::Moving(findings) => {
                        moving.insert(account, findings);
                    }
                }
            }
            if open.is_empty() {
                return Ok(());
            }
            before = after;
        }
        for account in open {
            let findings = moving.remove(&account).unwrap_or_default();
            if findings.is_empty() {
                self.report.open = self.report.open.saturating_add(1);
            }
            self.report_sums(findings, Repair::Moved);
        }
        Ok(())
    }

    /// What accounts hold, each at one moment. Those at which writes never cease are left out.
    async fn standing(&self, open: &BTreeSet<Account>) -> Vec<(Account, Seen)> {
        let (mut standing, mut busy) = (Vec::new(), 0);
        for account in open {
            match self.together(&places::of_account(account)).await {
                Ok(seen) => standing.push((account.clone(), seen)),
                // If it is the table that does not answer, the next scan says so.
                Err(_) => busy += 1,
            }
            if busy == MAX_BUSY {
                break;
            }
        }
        standing
    }

    /// Judges one sum, and reports or repairs it if it is known exactly.
    async fn settle_sum(
        &mut self,
        account: &Account,
        seen: &Seen,
        bounds: &Bounds,
        look: u32,
    ) -> Result<Settled, StoreError> {
        let Some((findings, plan)) = judge(account, seen, bounds) else {
            // Its own items cannot be read, which is reported.
            return Ok(Settled::Yes);
        };
        if !bounds.is_exact() {
            return Ok(Settled::Moving(findings));
        }
        if findings.is_empty() {
            return Ok(Settled::Yes);
        }
        let incomplete = account
            .promotion()
            .is_some_and(|id| self.incomplete.contains(&id));
        let known = self.ledger_is_whole && !incomplete;
        let repair = self.carry_out(plan.filter(|_| known)).await?;
        if repair == Repair::Moved && look < LOOKS {
            return Ok(Settled::Moving(findings));
        }
        self.report_sums(findings, repair);
        Ok(Settled::Yes)
    }

    fn report_sums(&mut self, findings: Vec<Finding>, repair: Repair) {
        for finding in findings {
            // What was given away beyond a limit cannot be taken back.
            let repair = match finding.kind {
                Kind::Overspent => Repair::ByHand,
                _ => repair,
            };
            self.report.differences.push(finding.told(repair));
        }
    }

    /// What each record contributes to these accounts.
    async fn shares(
        &mut self,
        open: &BTreeSet<Account>,
    ) -> Result<HashMap<Account, Shares>, StoreError> {
        let empty = open.iter().map(|account| (account.clone(), Shares::new()));
        let mut shares: HashMap<Account, Shares> = empty.collect();
        let each = |item: &Item| {
            if let Ok(Fact::Record(record, _)) = fact(item) {
                sums::note(&record, &mut shares);
            }
        };
        self.scan(Some("redemption"), each).await?;
        Ok(shares)
    }
}

fn add_all(fold: &mut Fold, seen: &Seen) {
    for item in seen.values() {
        add(fold, item);
    }
}

fn add(fold: &mut Fold, item: &Item) {
    match fact(item) {
        Ok(fact) => {
            if let Some(key) = Key::of(item) {
                fold.add(&key, fact);
            }
        }
        Err(key) => fold.add_unreadable(key),
    }
}

/// An account's differences and the writes against them (for exact bounds that no contradicting record has a part in);
/// `None` if its items cannot be read.
fn judge(
    account: &Account,
    seen: &Seen,
    bounds: &Bounds,
) -> Option<(Vec<Finding>, Option<Vec<Action>>)> {
    let mut fold = Fold::default();
    add_all(&mut fold, seen);
    if !fold.at_once.is_empty() {
        return None;
    }
    let sure = bounds.is_exact() && !bounds.broken;
    let sum = bounds.low;
    match account {
        Account::Uses(key) => {
            let used = fold.uses.get(key).copied().unwrap_or_default();
            let plan = sure.then(|| repair::count(key, seen, sum)).flatten();
            Some((sums::judge_uses(account, used, bounds), plan))
        }
        Account::Shards(id) => {
            let limits: Limits = fold.terms.get(id)?.limits;
            let shards = fold.shards.get(id).cloned().unwrap_or_default();
            let plan = sure
                .then(|| repair::balance(id, limits, seen, sum))
                .flatten();
            Some((sums::judge_shards(account, limits, &shards, bounds), plan))
        }
    }
}
