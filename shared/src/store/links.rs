//! Landing links, and the items that count their visits.
//!
//! A visit is one `ADD` to one of [`VISIT_PARTS`] items of its link and day, picked at random. These items are the ledger: `tally`
//! hears of them by the stream, and the sums say what they say. The `ADD` is not repeated when its outcome is unknown, since it
//! would count twice if it was applied: at worst a visit is missing.

use std::collections::HashMap;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::cache::Ages;
use super::idempotency::{CreateError, Created, Idempotency};
use super::keys::Key;
use super::limits::Wanted;
use super::promotions::Freshness;
use super::sums::Sums;
use super::transaction::{Action, Expression, TransactError};
use super::{GroupCode, Item, MAX_PAGE, Store, StoreError, keys, read, retry, write};
use crate::domain::code::{FoldedWord, PromotionId};
use crate::domain::link::{Link, Slug, VISIT_PARTS, VisitPart};
use crate::domain::promotion::Promotion;
use crate::domain::stats::{Figures, Row};

/// How long a link, and what is left of its promotion, serve without being read again: as long as the promotion's terms.
const AGES: Ages = Ages {
    present: TimeDelta::seconds(10),
    absent: TimeDelta::seconds(1),
};

/// A link and how often it was visited, as counted so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedLink {
    /// The link.
    pub link: Link,
    /// Its visits, which may lag seconds.
    pub visits: u64,
}

/// A place in the list of links, after which a page goes on: digits of the creation, `#`, and the slug of one of them.
#[derive(Clone, Debug)]
pub struct LinkPlace(String);

impl LinkPlace {
    /// Reads what [`Self::cursor`] wrote; any other text would be a key that DynamoDB may refuse, or a page of nothing.
    pub fn from_cursor(cursor: &str) -> Option<Self> {
        let (created, slug) = cursor.split_once('#')?;
        let digits = !created.is_empty() && created.bytes().all(|byte| byte.is_ascii_digit());
        let known = digits && Slug::try_from(slug.to_owned()).is_ok();
        known.then(|| Self(cursor.to_owned()))
    }

    /// The place as an opaque text for a URL.
    pub fn cursor(self) -> String {
        self.0
    }
}

/// A page of links, newest first, and where the next one starts.
#[derive(Clone, Debug)]
pub struct LinkPage {
    /// The links.
    pub links: Vec<CountedLink>,
    /// What to pass for the next page; none on the last.
    pub next: Option<LinkPlace>,
}

/// What an item of either list says.
#[derive(Serialize, Deserialize)]
struct Entry {
    slug: Slug,
    promotion_id: PromotionId,
}

/// What is left of a promotion, and of a word with limits of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Nothing.
    pub used_up: bool,
    /// So many uses, if nothing but their number limits it: a budget may end it sooner, so beside one no number would be true.
    pub uses: Option<u64>,
}

/// What limits it together.
pub(super) type LeftKey = (PromotionId, Option<FoldedWord>);

impl Store {
    /// Stores a new link with `answer` as what its creation is answered with.
    ///
    /// # Errors
    /// [`CreateError::Taken`] if its slug is, or was, in use.
    pub async fn create_link(
        &self,
        link: &Link,
        request: Option<&Idempotency>,
        answer: &str,
    ) -> Result<Created, CreateError> {
        let entry = Entry {
            slug: link.slug.clone(),
            promotion_id: link.promotion_id.clone(),
        };
        let actions = vec![
            Action::PutNew(write(&keys::link(&link.slug), link)?),
            Action::PutNew(write(
                &keys::link_entry(link.created_at, &link.slug),
                &entry,
            )?),
            Action::PutNew(write(
                &keys::link_of(&link.promotion_id, &link.slug),
                &entry,
            )?),
        ];
        let created = self.create(actions, request, answer, link.created_at).await;
        self.links.forget(&link.slug);
        created
    }

    /// The link with this slug, unless it was taken back.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn link(
        &self,
        slug: &Slug,
        freshness: Freshness,
        now: DateTime<Utc>,
    ) -> Result<Option<Link>, StoreError> {
        if freshness == Freshness::Remembered
            && let Some(known) = self.links.fresh(slug, now, AGES)
        {
            return Ok(known);
        }
        let found: Option<Link> = self.get(&keys::link(slug)).await?;
        let found = found.filter(|link| link.deleted_at.is_none());
        self.links.put(slug.clone(), now, found.clone());
        Ok(found)
    }

    /// Changes a link; `None` if there is none. `change` may be made anew from what someone else made of the link meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn change_link(
        &self,
        slug: &Slug,
        now: DateTime<Utc>,
        change: impl Fn(&mut Link),
    ) -> Result<Option<Link>, StoreError> {
        let mut attempts = retry::Attempts::new();
        loop {
            let Some(seen) = self.link(slug, Freshness::Now, now).await? else {
                return Ok(None);
            };
            let mut changed = seen.clone();
            change(&mut changed);
            changed.version = seen.version.saturating_add(1);
            let item = write(&keys::link(slug), &changed)?;
            let mut actions = vec![Action::put_as_seen(item, "version", Some(seen.version))];
            if changed.deleted_at.is_some() {
                let place = keys::link_entry(seen.created_at, slug);
                actions.push(Action::Delete(
                    place,
                    Expression::new("attribute_exists(pk)"),
                ));
            }
            match self.transact(actions).await {
                Ok(()) => {
                    self.links.forget(slug);
                    return Ok(Some(changed));
                }
                // Someone else changed it, or nothing is decided: look again.
                Err(TransactError::Cancelled(_)) => attempts.pause().await?,
                Err(TransactError::Store(error)) => return Err(error),
            }
        }
    }

    /// At most `limit` links, newest first, from `after` on, with their visits.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn list_links(
        &self,
        after: Option<&LinkPlace>,
        limit: u32,
    ) -> Result<LinkPage, StoreError> {
        let limit = i32::try_from(limit.clamp(1, MAX_PAGE)).unwrap_or(i32::MAX);
        let request = match after {
            None => self.query("pk = :pk", keys::LINKS),
            Some(LinkPlace(place)) => self
                .query("pk = :pk AND sk < :place", keys::LINKS)
                .expression_attribute_values(":place", AttributeValue::S(place.clone())),
        };
        let request = request.scan_index_forward(false).limit(limit);
        let page = request.send().await.map_err(StoreError::unavailable)?;
        let more = page.last_evaluated_key.is_some();
        let items = page.items.unwrap_or_default();
        let last = items.last().and_then(Key::of).map(|key| key.sk);
        let mut links = self.counted_links(items).await?;
        // Two of them deleted meanwhile are still read, but are no links any more.
        links.retain(|counted| counted.link.deleted_at.is_none());
        Ok(LinkPage {
            links,
            next: last.filter(|_| more).map(LinkPlace),
        })
    }

    /// All links of a promotion, oldest slug first by name, also those taken back: what they cost was paid.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn links_of(&self, id: &PromotionId) -> Result<Vec<CountedLink>, StoreError> {
        let partition = keys::promotion_partition(id);
        let request = self
            .query("pk = :pk AND begins_with(sk, :prefix)", &partition)
            .expression_attribute_values(
                ":prefix",
                AttributeValue::S(keys::LINK_PREFIX.to_owned()),
            );
        self.counted_links(super::every_item(request).await?).await
    }

    /// How often a link was visited, as counted so far.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn visits_of(&self, link: &Link) -> Result<u64, StoreError> {
        let key = sums_key(&link.promotion_id, &link.slug);
        let items = self.items_under([key]).await?;
        Ok(items.first().map(visits).unwrap_or_default())
    }

    /// The links that entries of a list name, in their order, with what was counted.
    async fn counted_links(&self, entries: Vec<Item>) -> Result<Vec<CountedLink>, StoreError> {
        let entries: Vec<Entry> = entries.into_iter().map(read).collect::<Result<_, _>>()?;
        let keys = entries.iter().flat_map(|entry| {
            let sums = sums_key(&entry.promotion_id, &entry.slug);
            [keys::link(&entry.slug), sums]
        });
        let (mut links, mut counted) = (HashMap::new(), HashMap::new());
        for item in self.items_under(keys).await? {
            let Some(key) = Key::of(&item) else { continue };
            if let Some(slug) = keys::link_of_sums(&key) {
                counted.insert(slug, visits(&item));
            } else {
                let link: Link = read(item)?;
                links.insert(link.slug.clone(), link);
            }
        }
        let found = entries.into_iter().filter_map(|entry| {
            let link = links.remove(&entry.slug)?;
            let visits = counted.get(&entry.slug).copied().unwrap_or_default();
            Some(CountedLink { link, visits })
        });
        Ok(found.collect())
    }

    /// Counts one visit of a link, today in the shop's zone.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been counted.
    pub async fn count_visit(
        &self,
        link: &Link,
        zone: Tz,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let first = rand::rng().random_range(0..VISIT_PARTS);
        let day = now.with_timezone(&zone).date_naive();
        let part = |part| VisitPart {
            slug: link.slug.clone(),
            day,
            part,
        };
        match self.add_visit(link, &part(first)).await {
            // A part that is too busy says so and counts nothing: another may do.
            Err(Uncounted::Refused(_)) => {
                let next = (first + 1) % VISIT_PARTS;
                self.add_visit(link, &part(next)).await.map_err(Into::into)
            }
            other => other.map_err(Into::into),
        }
    }

    async fn add_visit(&self, link: &Link, part: &VisitPart) -> Result<(), Uncounted> {
        let once = aws_sdk_dynamodb::config::Builder::new().retry_config(RetryConfig::disabled());
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::visits(part).attributes()))
            .update_expression("ADD visits :one SET promotion_id = :promotion, channel = :channel")
            .condition_expression("attribute_not_exists(pk) OR attribute_exists(visits)")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":promotion", text(link.promotion_id.as_str()))
            .expression_attribute_values(":channel", text(link.channel.as_str()));
        let sent = request.customize().config_override(once).send().await;
        let Err(error) = sent else { return Ok(()) };
        let refused = error.as_service_error().is_some_and(|error| {
            error.is_provisioned_throughput_exceeded_exception()
                || error.is_request_limit_exceeded()
                || error.is_transaction_conflict_exception()
        });
        let error = StoreError::unavailable(error);
        Err(if refused {
            Uncounted::Refused(error)
        } else {
            Uncounted::Unknown(error)
        })
    }

    /// What is left of a promotion's limits and a word's own, at most 10 s ago.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn left_of(
        &self,
        promotion: &Promotion,
        word: Option<&GroupCode>,
        now: DateTime<Utc>,
    ) -> Result<Left, StoreError> {
        let limits = promotion.terms.limits;
        let word = word.filter(|word| word.limits.redemptions.is_some());
        if limits.shard_count() == 0 && word.is_none() {
            return Ok(Left::default());
        }
        let folded = word.map(|word| word.code.folded());
        let key = (promotion.id.clone(), folded.clone());
        if let Some(Some(known)) = self.left.fresh(&key, now, AGES) {
            return Ok(known);
        }
        let words: Vec<_> = word
            .zip(folded.clone())
            .map(|(word, folded)| (folded, word.limits))
            .into_iter()
            .collect();
        let observed = self
            .observe(Wanted {
                promotions: &[(&promotion.id, limits)],
                words: &words,
                ..Wanted::default()
            })
            .await?;
        let shards = observed.shards.get(&promotion.id).copied();
        let shards = shards.unwrap_or_default();
        let of_word = words.first().and_then(|(folded, limits)| {
            let used = observed.word_uses.get(folded).copied().unwrap_or_default();
            Some(u64::from(limits.redemptions?).saturating_sub(used))
        });
        let left = left(shards.budget_left, shards.uses_left, of_word);
        self.left.put(key, now, Some(left));
        Ok(left)
    }
}

/// Nothing left of any of them is nothing left.
fn left(budget: Option<u64>, uses: Option<u64>, of_word: Option<u64>) -> Left {
    let uses = [uses, of_word].into_iter().flatten().min();
    Left {
        used_up: budget == Some(0) || uses == Some(0),
        uses: uses.filter(|_| budget.is_none()),
    }
}

/// Why a visit was not counted.
enum Uncounted {
    /// The table refused it.
    Refused(StoreError),
    /// It may have been.
    Unknown(StoreError),
}

impl From<Uncounted> for StoreError {
    fn from(uncounted: Uncounted) -> Self {
        match uncounted {
            Uncounted::Refused(error) | Uncounted::Unknown(error) => error,
        }
    }
}

/// Where a link's visits are summed.
fn sums_key(id: &PromotionId, slug: &Slug) -> Key {
    keys::stats(&Row {
        promotion_id: id.clone(),
        place: None,
        link: Some(slug.clone()),
    })
}

fn visits(item: &Item) -> u64 {
    let sums: Sums<Figures> = Sums::of(item);
    u64::try_from(sums.figures.visits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_the_least_of_all_limits_and_no_number_beside_a_budget() {
        let all = |used_up, uses| Left { used_up, uses };
        for (budget, uses, word, expected) in [
            (None, None, None, all(false, None)),
            (Some(5), None, None, all(false, None)),
            (Some(0), None, None, all(true, None)),
            (None, Some(7), None, all(false, Some(7))),
            (None, Some(7), Some(3), all(false, Some(3))),
            (None, None, Some(0), all(true, Some(0))),
            (None, Some(0), Some(3), all(true, Some(0))),
            (Some(500), Some(7), Some(3), all(false, None)),
            (Some(500), Some(0), None, all(true, None)),
        ] {
            assert_eq!(left(budget, uses, word), expected);
        }
    }

    #[test]
    fn a_cursor_is_a_place_in_the_list_or_nothing() {
        assert!(LinkPlace::from_cursor("001795316646000#hanako-10").is_some());
        for cursor in ["", "#", "1#", "x#hanako", "1#Hanako", "1#hanako#", "1"] {
            assert!(LinkPlace::from_cursor(cursor).is_none(), "{cursor}");
        }
    }
}
