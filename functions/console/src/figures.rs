//! What pages read of promotions and their sums: always from the aggregates, never by scanning what happened.

use std::collections::{BTreeMap, HashMap};

use chrono::{Days, NaiveDate};
use futures_util::future::try_join_all;
use shared::domain::code::PromotionId;
use shared::domain::promotion::{Limits, Promotion};
use shared::domain::stats::{Figures, Place};
use shared::store::{PromotionPage, StoreError, Wanted};

use crate::State;
use crate::format::count;

/// Most promotions that lists look through, newest first: one request for their places and two, at the same time, for their terms.
pub const NEWEST: u32 = 200;
/// Most days that sums are read over. Source: the statistics API, whose answers pages must equal.
pub const MAX_DAYS: u64 = 366;

/// The newest promotions.
///
/// # Errors
/// [`StoreError`] if the table does not answer.
pub async fn newest(state: &State) -> Result<PromotionPage, StoreError> {
    state.store.list_promotions(None, NEWEST).await
}

/// What a promotion has given away: exact with a budget or use limit, else as counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// In minor units.
    pub amount: u64,
    /// In orders.
    pub uses: u64,
}

/// What each of these promotions has given away. One request for up to a hundred shards, and one for each without limits.
///
/// # Errors
/// [`StoreError`] if the table does not answer.
pub async fn spent(
    state: &State,
    promotions: &[&Promotion],
) -> Result<HashMap<PromotionId, Spent>, StoreError> {
    let (limited, free): (Vec<&Promotion>, Vec<&Promotion>) = promotions
        .iter()
        .copied()
        .partition(|promotion| promotion.terms.limits.shard_count() > 0);
    let wanted: Vec<(&PromotionId, Limits)> = limited
        .iter()
        .map(|promotion| (&promotion.id, promotion.terms.limits))
        .collect();
    let mut found = HashMap::new();
    if !wanted.is_empty() {
        let wanted = Wanted {
            promotions: &wanted,
            ..Wanted::default()
        };
        let observed = state.store.observe(wanted).await?;
        found.extend(observed.shards.into_iter().map(|(id, shard)| {
            let spent = Spent {
                amount: u64::try_from(shard.spent_amount).unwrap_or_default(),
                uses: u64::try_from(shard.spent_uses).unwrap_or_default(),
            };
            (id, spent)
        }));
    }
    let counted = free.into_iter().map(|promotion| async move {
        let figures = state.store.spent_by_stats(&promotion.id).await?;
        let spent = Spent {
            amount: count(figures.spent_amount),
            uses: count(figures.spent_uses),
        };
        Ok::<_, StoreError>((promotion.id.clone(), spent))
    });
    found.extend(try_join_all(counted).await?);
    Ok(found)
}

/// A promotion's sums of some days, by day and channel.
#[derive(Clone, Debug)]
pub struct Sums {
    /// First day.
    pub from: NaiveDate,
    /// Last day, included.
    pub to: NaiveDate,
    rows: Vec<(Place, Figures)>,
}

impl Sums {
    /// The sums from the promotion's first day to `today`, of 366 days at most.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn of(
        state: &State,
        promotion: &Promotion,
        today: NaiveDate,
    ) -> Result<Self, StoreError> {
        let zone = state.shop.zone;
        let created = promotion.created_at.with_timezone(&zone).date_naive();
        let longest = today - Days::new(MAX_DAYS - 1);
        Self::between(state, &promotion.id, created.min(today).max(longest), today).await
    }

    /// The sums of some days, both included.
    ///
    /// # Errors
    /// [`StoreError`] if the table does not answer.
    pub async fn between(
        state: &State,
        id: &PromotionId,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Self, StoreError> {
        let rows = state.store.stats(id, from, to).await?;
        Ok(Self { from, to, rows })
    }

    /// Sums made here, for a page of several promotions.
    pub fn joined(from: NaiveDate, to: NaiveDate, all: Vec<Self>) -> Self {
        let rows = all.into_iter().flat_map(|sums| sums.rows).collect();
        Self { from, to, rows }
    }

    /// All together.
    pub fn total(&self) -> Figures {
        self.sum(|_| true)
    }

    /// Those of one day.
    pub fn on(&self, day: NaiveDate) -> Figures {
        self.sum(|place| place.day == day)
    }

    /// Those from a day on.
    pub fn since(&self, day: NaiveDate) -> Figures {
        self.sum(|place| place.day >= day)
    }

    fn sum(&self, wanted: impl Fn(&Place) -> bool) -> Figures {
        let mut sum = Figures::default();
        for (place, figures) in &self.rows {
            if wanted(place) {
                sum += *figures;
            }
        }
        sum
    }

    /// Every day of the span in order, also those on which nothing happened; the last `most` of them.
    pub fn days(&self, most: u64) -> Vec<(NaiveDate, Figures)> {
        let first = (self.to - Days::new(most.saturating_sub(1))).max(self.from);
        let mut days: BTreeMap<NaiveDate, Figures> = first
            .iter_days()
            .take_while(|day| *day <= self.to)
            .map(|day| (day, Figures::default()))
            .collect();
        for (place, figures) in &self.rows {
            if let Some(sum) = days.get_mut(&place.day) {
                *sum += *figures;
            }
        }
        days.into_iter().collect()
    }

    /// The sums by channel, the most redemptions first; what was handed out in none comes last.
    pub fn channels(&self) -> Vec<(Option<String>, Figures)> {
        let mut channels: BTreeMap<Option<String>, Figures> = BTreeMap::new();
        for (place, figures) in &self.rows {
            let channel = place.channel.clone().map(String::from);
            *channels.entry(channel).or_default() += *figures;
        }
        let mut channels: Vec<_> = channels.into_iter().collect();
        channels.sort_by_key(|(channel, figures)| {
            (channel.is_none(), std::cmp::Reverse(figures.redemptions))
        });
        channels
    }
}
