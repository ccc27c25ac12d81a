//! SES: accepts mails as SES does and keeps them, one JSON line each, so that an accepted mail outlives the process.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::clock::Clock;
use shared::domain::follow_up::random_symbols;

use super::LocalError;

/// Longest name and value of a header of ours, in characters. Source: `MessageHeader` in the SES v2 API reference.
const MAX_HEADER_NAME: usize = 126;
const MAX_HEADER_VALUE: usize = 870;
/// Longest name and value of a tag, in characters. Source: `MessageTag` in the SES v2 API reference.
const MAX_TAG: usize = 256;

/// The tag SES adds to every mail sent with a configuration set. Source: "auto-tags" in the SES developer guide.
pub(super) const CONFIGURATION_SET_TAG: &str = "ses:configuration-set";

/// What the account may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Mails in any second.
    pub(super) a_second: u32,
    /// Mails in any 24 hours.
    pub(super) a_day: u64,
}

/// A mail as it was accepted. Source of the shape: design.md §9.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Mail {
    /// The id SES gave it.
    pub(super) id: String,
    /// The outbox row's id, from the tag `mail_id`.
    pub(super) outbox_id: Option<String>,
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) subject: String,
    pub(super) html: String,
    pub(super) text: String,
    /// Only the extra headers that were passed to SES.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) sent_at: DateTime<Utc>,
}

/// A mail as it is kept: with its tags, which SES reports and nobody reads in the inbox.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Accepted {
    #[serde(flatten)]
    pub(super) mail: Mail,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

/// The body of `SendEmail`, as far as it is understood here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendEmail {
    from_email_address: Option<String>,
    #[serde(default)]
    destination: Destination,
    #[serde(default)]
    content: Content,
    #[serde(default)]
    email_tags: Vec<Pair>,
    pub(super) configuration_set_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Destination {
    #[serde(rename = "ToAddresses")]
    to: Vec<String>,
    #[serde(rename = "CcAddresses")]
    cc: Vec<String>,
    #[serde(rename = "BccAddresses")]
    bcc: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Content {
    simple: Option<Simple>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Simple {
    subject: Text,
    #[serde(default)]
    body: Body,
    #[serde(default)]
    headers: Vec<Pair>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Body {
    text: Text,
    html: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Text {
    data: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pair {
    name: String,
    value: String,
}

/// Why a mail was not accepted; nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The request is not one SES would take.
    #[error("{0}")]
    BadRequest(String),
    /// More than the account may send in a second.
    #[error("Maximum sending rate exceeded.")]
    Rate,
    /// More than the account may send in 24 hours.
    #[error("Daily message quota exceeded.")]
    Quota,
    /// The mail could not be kept.
    #[error("the mail could not be kept: {0}")]
    Disk(#[from] std::io::Error),
}

/// The mails accepted so far.
#[derive(Debug)]
pub(super) struct Inbox {
    limits: Limits,
    clock: Clock,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines; what is beyond was never accepted.
    whole: u64,
    count: u64,
    /// Times of the mails of the last 24 hours, oldest first.
    recent: VecDeque<DateTime<Utc>>,
}

impl Inbox {
    /// Opens the inbox in `path` with every mail that was accepted.
    pub(super) fn open(path: &Path, limits: Limits, clock: Clock) -> Result<Self, LocalError> {
        let log = Log::open(path).map_err(|error| LocalError::data(path, error))?;
        Ok(Self {
            limits,
            clock,
            log: Mutex::new(log),
        })
    }

    /// Accepts a mail and answers its id: once this returns, the mail is on disk.
    pub(super) fn accept(&self, request: SendEmail) -> Result<String, Refusal> {
        let mut accepted = read(request)?;
        let mut log = self.log();
        let now = self.clock.now();
        log.check(self.limits, now)?;
        let id = format!("{:012}-{}", log.count.saturating_add(1), random_symbols(12));
        accepted.mail.id.clone_from(&id);
        accepted.mail.sent_at = now;
        log.append(&accepted)?;
        Ok(id)
    }

    /// What the account may send, and how much of it was sent in the last 24 hours.
    pub(super) fn usage(&self) -> (Limits, usize) {
        let mut log = self.log();
        log.forget_before_yesterday(self.clock.now());
        (self.limits, log.recent.len())
    }

    /// All mails as a JSON array, oldest first.
    pub(super) fn json(&self) -> std::io::Result<String> {
        Ok(serde_json::to_string(&self.mails()?)?)
    }

    /// All mails, oldest first.
    pub(super) fn mails(&self) -> std::io::Result<Vec<Mail>> {
        let (accepted, _) = self.accepted_since(0)?;
        Ok(accepted.into_iter().map(|accepted| accepted.mail).collect())
    }

    /// The mails kept beyond the first `bytes`, oldest first, and how many bytes are kept in all. More bytes than are kept mean
    /// another inbox, since deleted, and count as none.
    pub(super) fn accepted_since(&self, bytes: u64) -> std::io::Result<(Vec<Accepted>, u64)> {
        let (text, whole) = self.log().text_since(bytes)?;
        let accepted: Result<Vec<_>, _> = text.lines().map(serde_json::from_str).collect();
        Ok((accepted?, whole))
    }

    /// The mail SES gave this id.
    pub(super) fn mail(&self, id: &str) -> std::io::Result<Option<Mail>> {
        Ok(self.mails()?.into_iter().find(|mail| mail.id == id))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .read(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // A line without its end was being written when the process died: it was never answered.
        let end = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last.saturating_add(1));
        bytes.truncate(end);
        let whole = u64::try_from(end).map_err(std::io::Error::other)?;
        file.set_len(whole)?;
        let mut log = Self {
            path: path.to_owned(),
            file,
            whole,
            count: 0,
            recent: VecDeque::new(),
        };
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let mail: Mail = serde_json::from_slice(line)?;
            log.note(mail.sent_at);
        }
        Ok(log)
    }

    fn check(&mut self, limits: Limits, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.forget_before_yesterday(now);
        let a_second_ago = now - TimeDelta::seconds(1);
        let this_second = self
            .recent
            .iter()
            .rev()
            .take_while(|sent_at| **sent_at > a_second_ago)
            .count();
        if u64::try_from(self.recent.len()).is_ok_and(|sent| sent >= limits.a_day) {
            return Err(Refusal::Quota);
        }
        if u32::try_from(this_second).is_ok_and(|sent| sent >= limits.a_second) {
            return Err(Refusal::Rate);
        }
        Ok(())
    }

    fn forget_before_yesterday(&mut self, now: DateTime<Utc>) {
        let yesterday = now - TimeDelta::hours(24);
        while self
            .recent
            .front()
            .is_some_and(|sent_at| *sent_at <= yesterday)
        {
            self.recent.pop_front();
        }
    }

    fn append(&mut self, accepted: &Accepted) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(accepted)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            self.file.set_len(self.whole)?;
            return Err(error);
        }
        let length = u64::try_from(line.len()).map_err(std::io::Error::other)?;
        self.whole = self.whole.saturating_add(length);
        self.note(accepted.mail.sent_at);
        Ok(())
    }

    fn note(&mut self, sent_at: DateTime<Utc>) {
        self.count = self.count.saturating_add(1);
        self.recent.push_back(sent_at);
    }

    fn text_since(&self, bytes: u64) -> std::io::Result<(String, u64)> {
        let start = if bytes > self.whole { 0 } else { bytes };
        let mut text = String::new();
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(start))?;
        file.take(self.whole.saturating_sub(start))
            .read_to_string(&mut text)?;
        Ok((text, self.whole))
    }
}

/// Reads a request as the mail it asks for, without id and time, or refuses it as SES would.
fn read(request: SendEmail) -> Result<Accepted, Refusal> {
    let refuse = |why: &str| Err(Refusal::BadRequest(why.to_owned()));
    let Destination { to, cc, bcc } = request.destination;
    let (Some(from), Some(simple)) = (request.from_email_address, request.content.simple) else {
        return refuse("FromEmailAddress and Content.Simple are required here.");
    };
    // SES takes up to 50; Okaeri promises one, so that complaints and tags name one person.
    if to.len() != 1 || !cc.is_empty() || !bcc.is_empty() {
        return refuse("Exactly one recipient is taken here.");
    }
    if !to.iter().chain([&from]).all(|address| is_address(address)) {
        return refuse("Local address contains control, whitespace or dot-dot, or is not ASCII.");
    }
    if simple.body.html.data.is_empty() && simple.body.text.data.is_empty() {
        return refuse("Missing required field: Body.");
    }
    if !request
        .email_tags
        .iter()
        .all(|tag| is_tag(&tag.name) && is_tag(&tag.value))
    {
        return refuse("Tag names and values have 1 to 256 of A-Z a-z 0-9 _ - . @.");
    }
    let mut headers = BTreeMap::new();
    for Pair { name, value } in simple.headers {
        if !is_header_name(&name) || !is_header_value(&value) {
            return refuse("A header's name or value is too long or not printable ASCII.");
        }
        if headers.insert(name, value).is_some() {
            return refuse("A header may appear only once.");
        }
    }
    let mut tags: BTreeMap<String, String> = request
        .email_tags
        .into_iter()
        .map(|tag| (tag.name, tag.value))
        .collect();
    if let Some(name) = request.configuration_set_name {
        tags.insert(CONFIGURATION_SET_TAG.to_owned(), name);
    }
    let mail = Mail {
        id: String::new(),
        outbox_id: tags.get("mail_id").cloned(),
        from,
        to,
        subject: simple.subject.data,
        html: simple.body.html.data,
        text: simple.body.text.data,
        headers,
        sent_at: DateTime::UNIX_EPOCH,
    };
    Ok(Accepted { mail, tags })
}

/// `addr` or `Name <addr>`, in printable ASCII: SES wants other names encoded. What stands before the `@` neither begins nor ends
/// with a dot nor has two in a row (RFC 5321, `Dot-string`), as addresses that Japanese telephone companies once gave out do.
fn is_address(text: &str) -> bool {
    let bare = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let parts = bare.split_once('@');
    is_header_value(text)
        && !bare.contains(' ')
        && parts.is_some_and(|(local, domain)| {
            let atoms = local.split('.').all(|atom| !atom.is_empty());
            atoms && !domain.is_empty() && !domain.contains('@')
        })
}

fn is_tag(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@".contains(&byte);
    (1..=MAX_TAG).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_header_name(text: &str) -> bool {
    (1..=MAX_HEADER_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b':')
}

fn is_header_value(text: &str) -> bool {
    let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    (1..=MAX_HEADER_VALUE).contains(&text.len()) && text.bytes().all(printable)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLENTY: Limits = Limits {
        a_second: 1_000,
        a_day: 1_000_000,
    };

    fn open(dir: &tempfile::TempDir, limits: Limits, clock: &Clock) -> Inbox {
        Inbox::open(&dir.path().join("inbox.jsonl"), limits, clock.clone()).unwrap()
    }

    fn request() -> serde_json::Value {
        json!({
            "FromEmailAddress": "=?UTF-8?B?44GK6Iy2?= <hello@shop.example>",
            "Destination": {"ToAddresses": ["hanako@example.jp"]},
            "Content": {"Simple": {
                "Subject": {"Data": "お礼", "Charset": "UTF-8"},
                "Body": {"Text": {"Data": "text"}, "Html": {"Data": "<p>html</p>"}},
                "Headers": [{"Name": "List-Unsubscribe", "Value": "<https://shop.example/u/x>"}]
            }},
            "EmailTags": [{"Name": "mail_id", "Value": "abc"}]
        })
    }

    fn send(inbox: &Inbox, request: &serde_json::Value) -> Result<String, Refusal> {
        inbox.accept(serde_json::from_value(request.clone()).unwrap())
    }

    #[test]
    fn an_accepted_mail_survives_the_process_and_a_torn_one_was_never_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let id = send(&open(&dir, PLENTY, &clock), &request()).unwrap();
        let path = dir.path().join("inbox.jsonl");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"id\":\"torn").unwrap();

        let inbox = open(&dir, PLENTY, &clock);
        let second = send(&inbox, &request()).unwrap();
        let mails = inbox.mails().unwrap();
        assert_eq!([&mails[0].id, &mails[1].id], [&id, &second]);
        assert_ne!(id, second);
    }

    #[test]
    fn the_listing_has_the_promised_shape() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = open(&dir, PLENTY, &Clock::default());
        assert_eq!(inbox.json().unwrap(), "[]");
        let id = send(&inbox, &request()).unwrap();
        let listing: serde_json::Value = serde_json::from_str(&inbox.json().unwrap()).unwrap();
        let sent_at = listing[0]["sent_at"].clone();
        DateTime::parse_from_rfc3339(sent_at.as_str().unwrap()).unwrap();
        let expected = json!([{
            "id": id, "outbox_id": "abc", "from": "=?UTF-8?B?44GK6Iy2?= <hello@shop.example>", "to": ["hanako@example.jp"],
            "subject": "お礼", "html": "<p>html</p>", "text": "text",
            "headers": {"List-Unsubscribe": "<https://shop.example/u/x>"}, "sent_at": sent_at
        }]);
        assert_eq!(listing, expected);
    }

    #[test]
    fn what_ses_would_refuse_is_refused_and_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = open(&dir, PLENTY, &Clock::default());
        let simple = "/Content/Simple";
        for (pointer, value) in [
            (
                "/Destination/ToAddresses",
                json!(["a@example.jp", "b@example.jp"]),
            ),
            ("/Destination/ToAddresses", json!([])),
            ("/Destination/ToAddresses", json!(["no address"])),
            ("/FromEmailAddress", json!("お茶 <hello@shop.example>")),
            ("/EmailTags/0/Value", json!("a b")),
            (&format!("{simple}/Headers/0/Value"), json!("お")),
            (
                &format!("{simple}/Headers/0/Value"),
                json!("a\r\nBcc: x@example.jp"),
            ),
            (&format!("{simple}/Headers/0/Value"), json!("x".repeat(871))),
            (&format!("{simple}/Body"), json!({})),
        ] {
            let mut request = request();
            *request.pointer_mut(pointer).unwrap() = value;
            let refused = send(&inbox, &request);
            assert!(
                matches!(refused, Err(Refusal::BadRequest(_))),
                "{pointer}: {refused:?}"
            );
        }
        assert!(inbox.mails().unwrap().is_empty());
    }

    #[test]
    fn rate_and_quota_are_answered_as_ses_does_and_free_again_with_time() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let inbox = open(
            &dir,
            Limits {
                a_second: 2,
                a_day: 3,
            },
            &clock,
        );
        send(&inbox, &request()).unwrap();
        send(&inbox, &request()).unwrap();
        assert!(matches!(send(&inbox, &request()), Err(Refusal::Rate)));
        clock.advance(TimeDelta::seconds(2));
        send(&inbox, &request()).unwrap();
        assert!(matches!(send(&inbox, &request()), Err(Refusal::Quota)));
        assert_eq!(inbox.usage().1, 3);
        clock.advance(TimeDelta::hours(24));
        assert_eq!(inbox.usage().1, 0);
        send(&inbox, &request()).unwrap();
    }
}
