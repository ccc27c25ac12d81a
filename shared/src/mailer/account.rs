//! What SES says about the account: whether it may send, how fast, and how much more today.

use std::time::Duration;

use aws_sdk_sesv2::types::SendQuota;

use super::ses::Mailer;
use crate::aws::describe;

/// An account's state and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whether SES takes mail from it.
    pub may_send: bool,
    /// Least time between two mails: one second divided by the highest rate. `None` if SES does not say.
    pub interval: Option<Duration>,
    /// Mails it may still send in the running 24 hours; `None` if there is no such limit.
    pub left: Option<u64>,
}

/// The account's state could not be read; this says why.
#[derive(Debug, thiserror::Error)]
#[error("SES does not tell the account's state: {0}")]
pub struct AccountError(String);

impl Mailer {
    /// Asks for the account's state and limits.
    ///
    /// # Errors
    /// [`AccountError`] if SES does not answer, or refuses.
    pub async fn account(&self) -> Result<Account, AccountError> {
        let answer = self.client.get_account().send().await;
        let account = answer.map_err(|error| AccountError(describe(&error)))?;
        let shut_down = account.enforcement_status() == Some("SHUTDOWN");
        Ok(Account {
            may_send: account.sending_enabled() && !shut_down,
            interval: account.send_quota().and_then(interval),
            left: account.send_quota().and_then(left),
        })
    }
}

/// One second divided by the rate. SES gives it as a floating-point number; a rate that is none, or below one mail in 1,000
/// seconds, says nothing.
fn interval(quota: &SendQuota) -> Option<Duration> {
    let rate = quota.max_send_rate();
    (rate.is_finite() && rate >= 0.001).then(|| Duration::from_secs(1).div_f64(rate))
}

/// What is left of the quota, rounded down. -1 stands for no limit. Source: `SendQuota` in the SES v2 API reference.
fn left(quota: &SendQuota) -> Option<u64> {
    let most = whole(quota.max24_hour_send())?;
    let sent = whole(quota.sent_last24_hours()).unwrap_or(0);
    Some(most.saturating_sub(sent))
}

/// The whole part of a number that is not negative.
fn whole(number: f64) -> Option<u64> {
    Duration::try_from_secs_f64(number)
        .ok()
        .map(|seconds| seconds.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(rate: f64, most: f64, sent: f64) -> SendQuota {
        SendQuota::builder()
            .max_send_rate(rate)
            .max24_hour_send(most)
            .sent_last24_hours(sent)
            .build()
    }

    #[test]
    fn rate_and_quota_are_read_from_whatever_number_ses_sends() {
        assert_eq!(
            interval(&quota(50.0, 1.0, 0.0)),
            Some(Duration::from_millis(20))
        );
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(interval(&quota(rate, 1.0, 0.0)), None, "{rate}");
        }
        assert_eq!(left(&quota(1.0, 200.0, 150.0)), Some(50));
        assert_eq!(left(&quota(1.0, 200.0, 201.0)), Some(0));
        assert_eq!(left(&quota(1.0, -1.0, 201.0)), None);
    }
}
