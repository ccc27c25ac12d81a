//! What waits for somebody beside promotions: mails, webhooks that could not be read, codes that could not be redeemed.

use chrono::{DateTime, TimeDelta, Utc};
use maud::html;
use shared::store::MailView;

use super::Matter;
use crate::State;
use crate::failure::Failure;
use crate::format::number;
use crate::frame::Nav;
use crate::lang::Lang;
use crate::visit::Visit;
use crate::words::Tone;

/// Most of a kind that are counted: what takes longer to look at is "or more".
const MOST: usize = 50;
/// For how long what ended badly is told here; the lists keep it.
const LATELY: TimeDelta = TimeDelta::hours(48);

/// How many there are, as far as they were counted.
struct Counted {
    found: usize,
    more: bool,
}

impl Counted {
    fn all(found: usize, more: bool) -> Self {
        Self { found, more }
    }

    /// So many of the first `of` of a list that goes on, or not.
    fn first(found: usize, of: usize, more: bool) -> Self {
        Self::all(found, more && found == of)
    }

    fn words(&self, lang: Lang) -> String {
        let found = number(u64::try_from(self.found).unwrap_or(u64::MAX));
        if self.more {
            lang.pick(format!("{found}件以上"), format!("{found} or more"))
        } else {
            lang.pick(format!("{found}件"), found)
        }
    }
}

/// What waits.
pub(super) async fn matters(state: &State, visit: &Visit) -> Result<Vec<Matter>, Failure> {
    let (lang, since) = (visit.lang, visit.now - LATELY);
    let (parked, failed, quarantined, unreconciled) = tokio::try_join!(
        state.store.list_mails(MailView::Parked, None, MOST),
        state.store.list_mails(MailView::Undelivered, None, MOST),
        state.quarantine.glance(visit.now),
        state.store.list_unreconciled(None, MOST),
    )?;
    let late = |at: Option<DateTime<Utc>>| at.is_some_and(|at| since < at);
    let failures = failed.mails.iter();
    let failures = failures.filter(|mail| late(mail.bounced_at.or(mail.ended_at)));
    let failures = failures.count();
    let (orders, more_orders) = unreconciled;
    let recent = orders.iter().filter(|(_, found)| since < found.at).count();
    let all = [
        (
            Nav::Mails,
            Counted::all(parked.mails.len(), parked.next.is_some()),
            lang.pick("確認が必要なメール", "Mails to be looked at"),
            "/console/mails?view=attention",
        ),
        (
            Nav::Mails,
            Counted::first(failures, failed.mails.len(), failed.next.is_some()),
            lang.pick(
                "この48時間に届かなかったメール",
                "Mails that failed or came back within 48 hours",
            ),
            "/console/mails?view=undelivered",
        ),
        (
            Nav::Orders,
            Counted::all(quarantined.0.len(), quarantined.1),
            lang.pick(
                "取り込めなかった注文の通知",
                "Notices of orders that could not be read",
            ),
            "/console/orders/quarantine",
        ),
        (
            Nav::Orders,
            Counted::first(recent, orders.len(), more_orders.is_some()),
            lang.pick(
                "この48時間に未照合となった注文",
                "Orders unreconciled within 48 hours",
            ),
            "/console/orders/unreconciled",
        ),
    ];
    let some = all.into_iter().filter(|(_, counted, ..)| counted.found > 0);
    let matters = some.map(|(place, counted, text, path)| Matter {
        tone: Tone::Warning,
        word: place.word(lang).to_owned(),
        text: html! { a href=(path) { (text) } ": " (counted.words(lang)) },
    });
    Ok(matters.collect())
}
