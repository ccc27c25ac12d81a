//! Who is signed in. Nothing is stored: a cookie says under which key somebody signed in and until when that holds, marked so that nobody
//! can make one. Whether the key still exists is looked up for every request (remembered up to a minute), so that revoking it ends its
//! sessions.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use shared::domain::follow_up::random_symbols;
use shared::domain::identity::IdentityKey;

/// How long somebody may do nothing and still be signed in: a shared computer in a shop is left alone more often than that.
const IDLE: TimeDelta = TimeDelta::hours(1);
/// How long a session lasts at most: a working day.
const LONGEST: TimeDelta = TimeDelta::hours(8);
/// How much of the idle time must be used up before the cookie is written anew.
const RENEW_AFTER: TimeDelta = TimeDelta::minutes(5);

/// Somebody signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the key they signed in with, 64 hex digits.
    pub digest: String,
    /// Tells it from other sessions of the same key.
    id: String,
    /// When they signed in.
    began: DateTime<Utc>,
    /// First moment at which it no longer holds.
    until: DateTime<Utc>,
}

/// Makes and reads what browsers keep.
#[derive(Clone, Debug)]
pub struct Sessions {
    key: Arc<IdentityKey>,
}

impl Sessions {
    /// Sessions under a key of the deployment's.
    pub fn new(key: Arc<IdentityKey>) -> Self {
        Self { key }
    }

    /// A new session of the key with this digest.
    pub fn begin(digest: String, now: DateTime<Utc>) -> Session {
        Session {
            digest,
            id: random_symbols(16),
            began: now,
            until: now + IDLE,
        }
    }

    /// The cookie's value.
    pub fn write(&self, session: &Session) -> String {
        let Session {
            digest,
            id,
            began,
            until,
        } = session;
        let said = format!(
            "s1.{digest}.{id}.{}.{}",
            began.timestamp_millis(),
            until.timestamp_millis()
        );
        let mark = self.key.console_mark(&format!("session {said}"));
        format!("{said}.{mark}")
    }

    /// The session that a cookie's value says, if it was made here and still holds at `now`.
    pub fn read(&self, value: &str, now: DateTime<Utc>) -> Option<Session> {
        let (said, mark) = value.rsplit_once('.')?;
        if !self.key.is_console_mark(&format!("session {said}"), mark) {
            return None;
        }
        let mut parts = said.strip_prefix("s1.")?.split('.');
        let (digest, id) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let mut time = || DateTime::from_timestamp_millis(parts.next()?.parse().ok()?);
        let (began, until) = (time()?, time()?);
        // A clock that was put back must not make a session last longer.
        let holds = now < until && now < began + LONGEST && began <= now + TimeDelta::minutes(5);
        holds.then_some(Session {
            digest,
            id,
            began,
            until,
        })
    }

    /// The session with its idle time begun anew, if enough of it is used up to write the cookie again.
    pub fn renewed(session: &Session, now: DateTime<Utc>) -> Option<Session> {
        let until = (now + IDLE).min(session.began + LONGEST);
        (until - session.until >= RENEW_AFTER).then(|| Session {
            until,
            ..session.clone()
        })
    }

    /// What every form of this session carries, which a page of another origin cannot know.
    pub fn form_token(&self, session: &Session) -> String {
        self.key
            .console_mark(&format!("form {} {}", session.digest, session.id))
    }

    /// Whether a form carries it.
    pub fn is_form_token(&self, session: &Session, token: &str) -> bool {
        let said = format!("form {} {}", session.digest, session.id);
        self.key.is_console_mark(&said, token)
    }

    /// A line to show on the next page, as a cookie's value.
    pub fn write_flash(&self, text: &str) -> String {
        let text: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let mark = self.key.console_mark(&format!("flash {text}"));
        format!("{text}.{mark}")
    }

    /// The line that a cookie's value says, if it was made here.
    pub fn read_flash(&self, value: &str) -> Option<String> {
        let (text, mark) = value.rsplit_once('.')?;
        if !self.key.is_console_mark(&format!("flash {text}"), mark) {
            return None;
        }
        let mut decoded = form_urlencoded::parse(text.as_bytes());
        decoded.next().map(|(text, _)| text.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(secret: u8) -> Sessions {
        Sessions::new(Arc::new(IdentityKey::from_secret(&[secret; 32])))
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_session_reads_back_and_one_that_was_tampered_with_or_made_elsewhere_does_not() {
        let session = Sessions::begin("d".repeat(64), at(0));
        let value = sessions(1).write(&session);
        assert_eq!(sessions(1).read(&value, at(1)), Some(session.clone()));
        assert_eq!(sessions(2).read(&value, at(1)), None);
        for index in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[index] = if bytes[index] == b'0' { b'1' } else { b'0' };
            let tampered = String::from_utf8(bytes).unwrap();
            assert_eq!(sessions(1).read(&tampered, at(1)), None, "{tampered}");
        }
        for value in ["", ".", "s1", "s1.d.i.1.2.", "é.é"] {
            assert_eq!(sessions(1).read(value, at(1)), None, "{value}");
        }
    }

    #[test]
    fn a_session_ends_an_hour_after_the_last_page_and_eight_hours_after_the_sign_in() {
        let all = sessions(1);
        let mut session = Sessions::begin("d".repeat(64), at(0));
        assert_eq!(all.read(&all.write(&session), at(60)), None);
        assert_eq!(Sessions::renewed(&session, at(4)), None);
        for minute in (0..480).step_by(30) {
            assert!(all.read(&all.write(&session), at(minute)).is_some());
            session = Sessions::renewed(&session, at(minute)).unwrap_or(session);
        }
        assert!(all.read(&all.write(&session), at(479)).is_some());
        assert_eq!(all.read(&all.write(&session), at(480)), None);
    }

    #[test]
    fn a_form_token_is_one_sessions_alone_and_survives_its_renewal() {
        let all = sessions(1);
        let one = Sessions::begin("d".repeat(64), at(0));
        let other = Sessions::begin("d".repeat(64), at(0));
        let token = all.form_token(&one);
        let renewed = Sessions::renewed(&one, at(30)).unwrap();
        assert!(all.is_form_token(&one, &token) && all.is_form_token(&renewed, &token));
        assert!(!all.is_form_token(&other, &token));
        assert!(!all.is_form_token(&one, ""));
    }

    #[test]
    fn a_flash_reads_back_and_nobody_else_can_make_one() {
        let text = "「A&B」を停止しました. +%";
        let value = sessions(1).write_flash(text);
        assert_eq!(sessions(1).read_flash(&value).as_deref(), Some(text));
        assert_eq!(sessions(2).read_flash(&value), None);
        assert!(
            value
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b";,\"\\".contains(&byte))
        );
    }
}
