//! `okaeri local --demo`: a month of made-up trade of a tea shop, through the functions themselves.
//!
//! What happens is drawn from a seed (`story`); then the stack's clock, begun in the past, is moved from one time of day to the next
//! until it is the present, and at each the checkouts ask, webhooks are signed and sent, and mails come and are used (`play`), all as
//! anybody could do it over HTTP. What was done is written down (`Ledger`), so that tests can add it up. Ids and codes are random as
//! always; the same seed still comes to the same figures, because buyers get addresses that fall into the arms they were drawn for.

mod begin;
mod dice;
mod goods;
mod ledger;
mod oddities;
mod offers;
mod play;
mod shop;
mod story;

use std::path::PathBuf;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use shared::env::StartError;
use shared::http::Problem;

use super::{LocalError, Options, Running};
use crate::CliError;
use play::Play;
use shop::Shop;
use story::Story;

pub use begin::{Progress, start};
pub use ledger::{Buyer, Completed, Ledger, Mailed, Sale, Visit};

/// The seed unless another is asked for: any number would do.
pub const DEFAULT_SEED: u64 = 18;
/// Orders of a whole demo. Ours: enough for every page to say something, and done within a minute.
const ORDERS: usize = 320;
/// Days of a whole demo. Source: design.md §9.
const DAYS: usize = 30;
/// The zone whose days are told apart. Source: `TIME_ZONE` in the stack's settings.
const ZONE: Tz = chrono_tz::Asia::Tokyo;

/// How much is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// What decides on everything.
    pub seed: u64,
    /// Days before today, at least 10.
    pub days: usize,
    /// Orders.
    pub orders: usize,
}

impl Size {
    /// A month of a shop.
    pub fn month(seed: u64) -> Self {
        Self {
            seed,
            days: DAYS,
            orders: ORDERS,
        }
    }

    /// These options with a clock that begins when the demo does; for [`fill`].
    pub fn begun(self, options: Options) -> Options {
        let now = shared::clock::Clock::default().now();
        let begin = Calendar::until(now, self.days).day(0);
        Options {
            begin: begin - now,
            ..options
        }
    }
}

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is data where it should go.
    #[error(
        "{} holds data already, and the demo fills only an empty place. Nothing was changed.\nStart without --demo to go on with it, delete it to begin anew, or put the demo elsewhere: --data DIR or --memory", .path.display()
    )]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The stack did not start, or its data cannot be used.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A call was answered otherwise than the story needs.
    #[error("{call} was answered {status}: {answer}")]
    Answered {
        /// Method and path.
        call: String,
        /// The status.
        status: u16,
        /// The body.
        answer: String,
    },
    /// A call could not be made or was not answered.
    #[error(transparent)]
    Call(#[from] CliError),
    /// The work that fell due could not be done.
    #[error("{0:?}")]
    Clock(Problem),
    /// The inbox cannot be read.
    #[error("the inbox cannot be read: {0}")]
    Inbox(#[from] std::io::Error),
    /// The stack's secrets cannot be read.
    #[error(transparent)]
    Secrets(#[from] StartError),
    /// An answer lacks what every such answer has.
    #[error("an answer lacks {0}")]
    Lacks(&'static str),
}

/// Plays the demo on an empty stack whose options were [`Size::begun`], and leaves its clock at the present. `progress` hears how many
/// of all orders are done.
///
/// # Errors
/// [`DemoError`]; what was done until then stays.
pub async fn fill(stack: &Running, size: Size, progress: &Progress) -> Result<Ledger, DemoError> {
    let story = Story::draw(&size);
    let calendar = Calendar::until(shared::clock::Clock::default().now(), size.days);
    let shop = Shop::new(stack).await?;
    Box::pin(Play::new(story, calendar, shop).run(progress)).await
}

/// Which moment each time of each day is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    /// The first moment of the first day.
    begin: DateTime<Utc>,
    days: usize,
    /// The present, which no time of today is after.
    now: DateTime<Utc>,
}

impl Calendar {
    /// `days` whole days and then today.
    fn until(now: DateTime<Utc>, days: usize) -> Self {
        let first = now.with_timezone(&ZONE).date_naive()
            - Days::new(u64::try_from(days).unwrap_or_default());
        let midnight = ZONE
            .from_local_datetime(&first.and_time(NaiveTime::MIN))
            .earliest();
        Self {
            begin: midnight.map_or(now, |midnight| midnight.to_utc()),
            days,
            now,
        }
    }

    /// A time of a day: a share of what has passed of today, on every day. So whatever falls due whole days later falls due at such a
    /// time too, and has been done by now or not, whenever the demo is started.
    fn at(&self, day: usize, time: usize) -> DateTime<Utc> {
        let share = [450, 700, 900].get(time).copied().unwrap_or(1_000);
        self.day(day) + TimeDelta::milliseconds(self.passed().saturating_mul(share) / 1_000)
    }

    /// The moment before it until which everything that falls due is done before anything else happens.
    fn before(&self, day: usize, time: usize) -> DateTime<Utc> {
        self.at(day, time) - TimeDelta::milliseconds(self.passed() / 50)
    }

    /// What has passed of today, in milliseconds.
    fn passed(&self) -> i64 {
        (self.now - self.day(self.days)).num_milliseconds()
    }

    /// The first moment of a day, also of one to come.
    fn day(&self, day: usize) -> DateTime<Utc> {
        self.begin + TimeDelta::days(i64::try_from(day).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_of_the_demo_comes_after_the_one_before_and_none_after_the_present() {
        for now in [
            "2026-11-27T15:00:00.001Z",
            "2026-11-28T03:00:00Z",
            "2026-11-28T14:59:59Z",
        ] {
            let now: DateTime<Utc> = now.parse().unwrap();
            let calendar = Calendar::until(now, 30);
            let slots = (0..=30).flat_map(|day| (0..story::TIMES).map(move |time| (day, time)));
            let times: Vec<_> = slots
                .flat_map(|(day, time)| [calendar.before(day, time), calendar.at(day, time)])
                .collect();
            assert!(times.is_sorted(), "{now}");
            assert!(times.iter().all(|at| *at <= now), "{now}");
            let first = calendar.day(0).with_timezone(&ZONE);
            assert_eq!(first.to_string(), "2026-10-29 00:00:00 JST");
        }
    }
}
