//! Why a mail waits, was not sent or was taken back, in words.

use maud::{Markup, html};
use shared::domain::outbox::{MailState, OutboxMail};
use shared::domain::sending::PauseReason;
use shared::domain::thank_you::NoMail;

use crate::lang::Lang;
use crate::words::{self, no_mail_reason};

/// Reasons that the outbox keeps, in Japanese and English.
const REASONS: [(&str, &str, &str); 25] = [
    (
        "cancelled",
        "注文が取り消されたか、全額返金されました",
        "The order was cancelled or refunded",
    ),
    (
        "unsubscribed",
        "お客様が配信を停止しました",
        "The buyer unsubscribed",
    ),
    (
        "suppressed",
        "配信できないアドレスです（不達または迷惑メール報告）",
        "The address cannot be mailed: it bounced or complained",
    ),
    (
        "forgotten",
        "お客様の個人情報を消去しました",
        "The buyer's data was erased",
    ),
    (
        "follow-up-deleted",
        "フォローメールが削除されました",
        "The follow-up was deleted",
    ),
    (
        "follow-up-paused",
        "フォローメールが一時停止中です",
        "The follow-up is paused",
    ),
    (
        "code-used",
        "コードはすでに利用されています",
        "The code was used already",
    ),
    ("voided", "コードが無効にされました", "The code was voided"),
    (
        "code-expired",
        "コードの有効期限が切れました",
        "The code has expired",
    ),
    (
        "first-mail-not-sent",
        "先のお礼メールが送られていません",
        "The mail it reminds of was not sent",
    ),
    (
        "unknown-outcome",
        "送信結果が確認できませんでした。届いている可能性があります",
        "Nobody knows whether it was sent: it may have arrived",
    ),
    (
        "slow-down",
        "送信速度の上限に達したため、少し後に再送します",
        "SES asked to slow down; it is tried again shortly",
    ),
    (
        "sender-missing",
        "差出人情報が未設定です",
        "No sender details are set",
    ),
    (
        "code-key",
        "コードの鍵を読み込めませんでした。再試行します",
        "The code key could not be read; it is tried again",
    ),
    (
        "table",
        "データを読み込めませんでした。再試行します",
        "The data could not be read; it is tried again",
    ),
    (
        "promotion-not-started",
        "プロモーションがまだ始まっていません",
        "The promotion has not started",
    ),
    (
        "promotion-paused",
        "プロモーションが一時停止中です",
        "The promotion is paused",
    ),
    (
        "promotion-ended",
        "プロモーションが終了しました",
        "The promotion has ended",
    ),
    (
        "promotion-missing",
        "プロモーションが見つかりません",
        "The promotion is missing",
    ),
    (
        "follow-up-missing",
        "フォローメールが見つかりません",
        "The follow-up is missing",
    ),
    (
        "no-address",
        "メールアドレスが残っていません（30日で消去）",
        "The address is gone (kept for 30 days)",
    ),
    (
        "template",
        "本文テンプレートにエラーがあります",
        "The mail's own text has an error",
    ),
    (
        "not-sent-in-time",
        "1時間以内に送信できませんでした",
        "It could not be sent within an hour",
    ),
    (
        "address-cap",
        "お一人様の配信回数の上限",
        "This buyer got as many mails as the follow-up allows",
    ),
    (
        "variant-missing",
        "配信パターンが見つかりません",
        "The variant is missing",
    ),
];

/// A reason in words; what is not ours, such as a code of SES, stands as it is.
pub fn words_of(reason: &str, lang: Lang) -> String {
    if let Some(pause) = pause_of(reason) {
        return pause_reason(pause, lang).to_owned();
    }
    let own = REASONS.iter().find(|(name, _, _)| *name == reason);
    match own {
        Some((_, ja, en)) => lang.pick(*ja, *en).to_owned(),
        None => no_mail_reason(reason, lang).map_or_else(
            || {
                lang.pick(
                    format!("SESの応答：{reason}"),
                    format!("SES answered: {reason}"),
                )
            },
            str::to_owned,
        ),
    }
}

fn pause_of(reason: &str) -> Option<PauseReason> {
    let all = [
        PauseReason::SendingPaused,
        PauseReason::AccountSuspended,
        PauseReason::MailFromDomainNotVerified,
        PauseReason::ConfigurationSetMissing,
        PauseReason::AccessRefused,
        PauseReason::Quota,
        PauseReason::BounceRate,
        PauseReason::ComplaintRate,
    ];
    all.into_iter().find(|pause| pause.as_str() == reason)
}

/// What stops all mail, in words.
pub fn pause_reason(reason: PauseReason, lang: Lang) -> &'static str {
    let (ja, en) = match reason {
        PauseReason::SendingPaused => (
            "SESで送信が一時停止されています",
            "SES, or staff in it, paused sending",
        ),
        PauseReason::AccountSuspended => (
            "AWSがアカウントの送信権限を停止しました",
            "AWS took the account's right to send away",
        ),
        PauseReason::MailFromDomainNotVerified => (
            "差出人ドメイン（MAIL FROM）のDNS設定が確認できません",
            "The MAIL FROM domain lost its DNS records",
        ),
        PauseReason::ConfigurationSetMissing => (
            "SESの設定セットがありません",
            "The SES configuration set is gone",
        ),
        PauseReason::AccessRefused => (
            "SESへのアクセスが拒否されています",
            "SES refuses this deployment's access",
        ),
        PauseReason::Quota => (
            "SESの24時間の送信上限に達しました",
            "The SES quota of 24 hours is used up",
        ),
        PauseReason::BounceRate => (
            "不達（エラー）の割合が高すぎます",
            "Too many mails bounced for good",
        ),
        PauseReason::ComplaintRate => (
            "迷惑メール報告の割合が高すぎます",
            "Too many readers complained",
        ),
    };
    lang.pick(ja, en)
}

/// Why an order earned no mail.
pub fn no_mail(reason: NoMail, lang: Lang) -> String {
    no_mail_reason(reason.as_str(), lang)
        .map_or_else(|| words_of(reason.as_str(), lang), str::to_owned)
}

/// Where a mail stands, as a badge: what was heard of a sent one is part of it.
pub fn state(mail: &OutboxMail, lang: Lang) -> Markup {
    words::mail_state(state_name(mail), lang)
}

fn state_name(mail: &OutboxMail) -> &'static str {
    match mail.state {
        MailState::Due => "due",
        MailState::Sending => "sending",
        MailState::Sent if mail.bounced_at.is_some() => "bounced",
        MailState::Sent if mail.delivered_at.is_some() => "delivered",
        MailState::Sent => "sent",
        MailState::Unsettled => "unsettled",
        MailState::Failed => "failed",
        MailState::Parked => "parked",
        MailState::Withdrawn => "withdrawn",
    }
}

/// The badge with the reason below it.
pub fn state_and_reason(mail: &OutboxMail, lang: Lang) -> Markup {
    html! {
        (state(mail, lang))
        @if let Some(reason) = &mail.reason { div .note { (words_of(reason, lang)) } }
        @if mail.state == MailState::Unsettled {
            div .note { (lang.pick("SESからの知らせを待っています（最長1時間）", "Waiting for word from SES, an hour at most")) }
        }
    }
}

/// An address of which only enough is shown to tell it from others: `h•••@example.jp`.
pub fn masked(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((name, domain)) => {
            let first: String = name.chars().take(1).collect();
            format!("{first}•••@{domain}")
        }
        None => "•••".to_owned(),
    }
}

/// A text in which everything that looks like an address is masked.
pub fn mask_all(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for symbol in text.chars() {
        let in_word = symbol.is_alphanumeric() || "@._%+-'".contains(symbol);
        if in_word {
            word.push(symbol);
        } else {
            push_masked(&mut out, &word);
            word.clear();
            out.push(symbol);
        }
    }
    push_masked(&mut out, &word);
    out
}

fn push_masked(out: &mut String, word: &str) {
    if word.contains('@') {
        out.push_str(&masked(word));
    } else {
        out.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_outbox_has_words_in_both_languages_without_its_name() {
        let pauses = [
            "sending-paused",
            "quota",
            "bounce-rate",
            "complaint-rate",
            "account-suspended",
            "access-refused",
        ];
        let known = REASONS.iter().map(|(name, _, _)| *name);
        for reason in known.chain(pauses) {
            for lang in [Lang::Ja, Lang::En] {
                let words = words_of(reason, lang);
                assert!(
                    !words.is_empty() && words != reason && !words.contains("SES answered"),
                    "{reason}: {words}"
                );
            }
        }
        assert_eq!(
            words_of("MessageRejected", Lang::En),
            "SES answered: MessageRejected"
        );
    }

    #[test]
    fn addresses_are_masked_wherever_they_stand() {
        assert_eq!(masked("hanako@example.jp"), "h•••@example.jp");
        assert_eq!(masked("none"), "•••");
        let body = r#"{"email":"hanako+x@example.jp","name":"花子","n":5}"#;
        assert_eq!(
            mask_all(body),
            r#"{"email":"h•••@example.jp","name":"花子","n":5}"#
        );
        assert_eq!(mask_all("a@b c@d"), "a•••@b c•••@d");
    }
}
