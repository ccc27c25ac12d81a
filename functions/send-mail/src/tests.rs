use super::*;

fn mail() -> OutboxMail {
    serde_json::from_value(serde_json::json!({
        "id": "abcdefghijklmnopqrstuvwxyz", "state": "sending", "follow_up_id": "fu_abcdefghijklmnop",
        "follow_up_version": 1, "variant": "A", "order_id": "1001", "person": "0123456789abcdef0123456789abcdef",
        "promotion_id": "THX9", "serial": 17_179_869_184_u64, "code_expires_at": "2026-12-25T15:00:00Z",
        "due_at": "2026-11-25T03:04:05Z", "created_at": "2026-11-22T03:04:05Z", "attempt": 1,
    }))
    .unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-11-25T03:05:00Z".parse().unwrap()
}

fn again(at: &str, reason: &str) -> MailChange {
    MailChange::DueAgain {
        at: at.parse().unwrap(),
        reason: reason.to_owned(),
    }
}

#[test]
fn what_ses_did_not_accept_waits_and_stops_the_others_unless_only_this_mail_is_refused() {
    let refused = |reason: &str| SendError::Refused {
        reason: reason.to_owned(),
    };
    let stopped = SendError::QueueStopped {
        reason: "SendingPausedException".to_owned(),
    };
    let failed = MailChange::Failed {
        reason: "MessageRejected".to_owned(),
    };
    for (error, change, stop) in [
        (
            SendError::SlowDown,
            again("2026-11-25T03:06:00Z", "slow-down"),
            Some(Stop::SlowDown),
        ),
        (
            SendError::QuotaExceeded,
            again("2026-11-25T03:20:00Z", "quota"),
            Some(Stop::Pause(PauseReason::Quota)),
        ),
        (
            stopped,
            again("2026-11-25T03:20:00Z", "sending-paused"),
            Some(Stop::Pause(PauseReason::SendingPaused)),
        ),
        (refused("MessageRejected"), failed, None),
    ] {
        let step = judge(Err(error), &mail(), now());
        assert_eq!(step.change, change);
        assert_eq!(step.stop, stop, "{change:?}");
    }
}

#[test]
fn an_unknown_outcome_waits_an_hour_and_a_second_one_is_left_to_staff() {
    let unknown = || Err(SendError::Unknown("timeout".to_owned()));
    let first = judge(unknown(), &mail(), now());
    let decide_at = now() + TimeDelta::minutes(60);
    assert_eq!(first, MailChange::Unsettled { decide_at }.into());
    let mut second = mail();
    second.duplicate_risk = true;
    let parked = judge(unknown(), &second, now()).change;
    assert!(matches!(parked, MailChange::Parked { .. }), "{parked:?}");
}

#[test]
fn a_mail_that_may_have_been_sent_is_never_called_withdrawn() {
    let mut mail = mail();
    mail.state = MailState::Due;
    assert!(
        matches!(given_up(&mail, "cancelled"), MailChange::Withdrawn { reason } if reason == "cancelled")
    );
    mail.state = MailState::Unsettled;
    assert!(matches!(
        given_up(&mail, "cancelled"),
        MailChange::Parked { .. }
    ));
}

#[test]
fn slowing_down_doubles_up_to_ten_minutes() {
    let minutes: Vec<i64> = [1, 2, 3, 4, 5, 99]
        .map(|attempt| slow_down(attempt).num_minutes())
        .into();
    assert_eq!(minutes, [1, 2, 4, 8, 10, 10]);
}

#[test]
fn a_report_counts_every_mail_once() {
    let mut report = Report::default();
    for change in [
        again("2026-11-25T03:06:00Z", "slow-down"),
        MailChange::Failed {
            reason: String::new(),
        },
        MailChange::Sent {
            at: now(),
            message_id: String::new(),
        },
    ] {
        report.count(&change);
    }
    assert_eq!(
        (report.claimed, report.put_back, report.failed, report.sent),
        (3, 1, 1, 1)
    );
}
