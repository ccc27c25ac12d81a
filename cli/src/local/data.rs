//! The data directory: one stack at a time, secrets made once, every file whole at any moment a process may die.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::domain::follow_up::random_symbols;
use tempfile::TempDir;

use super::{LocalError, Place, WEBHOOK_SECRET, WOOCOMMERCE_CONSENT_KEY, settings};

/// Symbols of a generated secret, 5 random bits each: 260 bits.
const SECRET_SYMBOLS: usize = 52;

/// A directory held by this process alone.
#[derive(Debug)]
pub(super) struct Data {
    path: PathBuf,
    /// Held as long as the process lives; the system lets go of it however the process ends.
    _lock: File,
    /// Deletes the directory of a stack in memory when it stops.
    temporary: Option<TempDir>,
}

/// Whether a stack runs on a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// None does, but its data is there.
    Stopped,
    /// There is no such data.
    Nothing,
    /// One does.
    Running {
        /// Where it answers.
        url: String,
        /// Where its engine answers.
        dynamodb_url: String,
        /// Where its stand-ins of the other services answer.
        aws_url: String,
    },
}

#[derive(Deserialize, Serialize)]
struct Address {
    url: String,
    dynamodb_url: String,
    #[serde(default)]
    aws_url: String,
}

#[derive(Deserialize, Serialize)]
struct ClockFile {
    offset_ms: i64,
}

#[derive(Deserialize, Serialize)]
struct Keys {
    code_keys: BTreeMap<u32, String>,
    identity_key: String,
}

impl Data {
    /// Makes the directory unless it is there, and locks it.
    pub(super) fn open(place: &Place) -> Result<Self, LocalError> {
        let (path, temporary) = match place {
            Place::Directory(path) => (path.clone(), None),
            Place::Memory => {
                let temporary = tempfile::Builder::new().prefix("okaeri-").tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|error| LocalError::data(&path, error))?;
        let lock = lock_file(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path,
                _lock: lock,
                temporary,
            }),
            Err(TryLockError::WouldBlock) => {
                let url = read_address(&path)?.map(|address| address.url);
                Err(LocalError::InUse { path, url })
            }
            Err(TryLockError::Error(error)) => Err(LocalError::data(&path, error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The table's file, unless the stack is in memory.
    pub(super) fn table(&self) -> Option<PathBuf> {
        self.temporary.is_none().then(|| self.path.join("table.db"))
    }

    /// The file of what was written to the table and is not counted yet.
    pub(super) fn stream(&self) -> PathBuf {
        self.path.join("stream")
    }

    /// How far the stack's clock ran ahead when it was last moved, if it ever was.
    pub(super) fn clock_offset(&self) -> Result<Option<TimeDelta>, LocalError> {
        let file: Option<ClockFile> = read_json(&self.path.join("clock.json"))?;
        Ok(file.map(|file| TimeDelta::milliseconds(file.offset_ms)))
    }

    /// Keeps how far the stack's clock runs ahead.
    pub(super) fn keep_clock_offset(&self, offset: TimeDelta) -> Result<(), LocalError> {
        let file = ClockFile {
            offset_ms: offset.num_milliseconds(),
        };
        write_json(&self.path.join("clock.json"), &file)
    }

    /// All secrets by name, as Secrets Manager holds them on AWS. Keys are made the first time and kept.
    pub(super) fn secrets(&self) -> Result<BTreeMap<String, String>, LocalError> {
        let path = self.path.join("secrets.json");
        let keys = if let Some(keys) = read_json::<Keys>(&path)? {
            keys
        } else {
            let keys = Keys {
                code_keys: BTreeMap::from([(1, random_symbols(SECRET_SYMBOLS))]),
                identity_key: random_symbols(SECRET_SYMBOLS),
            };
            write_json(&path, &keys)?;
            keys
        };
        let code_keys = serde_json::to_string(&keys.code_keys)
            .map_err(|error| LocalError::data(&path, error))?;
        let shop = |shop: &str| serde_json::json!({"shop": shop, "secrets": [WEBHOOK_SECRET]});
        let webhooks = serde_json::json!({
            "generated": WEBHOOK_SECRET,
            "shopify": shop("okaeri-tea.myshopify.com"),
            "woocommerce": {"shop": "shop.example", "secrets": [WEBHOOK_SECRET], "consent_key": WOOCOMMERCE_CONSENT_KEY},
            "stripe": shop("shop.example"),
        });
        Ok(BTreeMap::from([
            (settings::CODE_KEYS.to_owned(), code_keys),
            (settings::IDENTITY_KEY.to_owned(), keys.identity_key),
            (settings::WEBHOOK_SECRETS.to_owned(), webhooks.to_string()),
        ]))
    }

    /// Says where the stack answers, for the commands that talk to it.
    pub(super) fn record_url(
        &self,
        url: &str,
        dynamodb_url: &str,
        aws_url: &str,
    ) -> Result<(), LocalError> {
        let address = Address {
            url: url.to_owned(),
            dynamodb_url: dynamodb_url.to_owned(),
            aws_url: aws_url.to_owned(),
        };
        write_json(&address_path(&self.path), &address)
    }

    /// Takes [`Data::record_url`] back. Left behind, it does no harm: without the lock nobody reads it.
    pub(super) fn forget_url(&self) {
        if let Err(error) = fs::remove_file(address_path(&self.path)) {
            tracing::warn!(%error, "the stack's address could not be removed");
        }
    }
}

/// Whether a stack runs on this directory.
pub(super) fn find(path: &Path) -> Result<Found, LocalError> {
    if !path.join("lock").exists() {
        return Ok(Found::Nothing);
    }
    match lock_file(path)?.try_lock() {
        Ok(()) => Ok(Found::Stopped),
        Err(TryLockError::Error(error)) => Err(LocalError::data(path, error)),
        Err(TryLockError::WouldBlock) => match read_address(path)? {
            Some(address) => Ok(Found::Running {
                url: address.url,
                dynamodb_url: address.dynamodb_url,
                aws_url: address.aws_url,
            }),
            None => Err(LocalError::data(
                path,
                "a stack is starting or stopping on it; try again",
            )),
        },
    }
}

fn lock_file(path: &Path) -> Result<File, LocalError> {
    let path = path.join("lock");
    let mut options = OpenOptions::new();
    let opened = options
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    opened.map_err(|error| LocalError::data(&path, error))
}

fn address_path(path: &Path) -> PathBuf {
    path.join("stack.json")
}

fn read_address(path: &Path) -> Result<Option<Address>, LocalError> {
    read_json(&address_path(path))
}

/// What a file holds, or `None` if there is none.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LocalError> {
    match fs::read(path) {
        Ok(bytes) => {
            // The parser's message is left out: it may quote a secret.
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|_| LocalError::data(path, "it is not what this version writes"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocalError::data(path, error)),
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), LocalError> {
    let bytes = serde_json::to_vec(value).map_err(|error| LocalError::data(path, error))?;
    write_whole(path, &bytes).map_err(|error| LocalError::data(path, error))
}

/// Writes a file, readable by its owner alone, that at any moment is there whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let partial = path.with_extension(PARTIAL);
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(bytes)?;
    fs::rename(&partial, path)
}

/// Extension of files that [`write_whole`] did not finish.
pub(super) const PARTIAL: &str = "partial";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn place() -> (TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Directory(dir.path().join("data"));
        (dir, place)
    }

    #[test]
    fn a_second_stack_on_the_same_data_is_told_where_the_first_answers() {
        let (_dir, place) = place();
        let first = Data::open(&place).unwrap();
        first
            .record_url(
                "http://127.0.0.1:1",
                "http://127.0.0.1:2",
                "http://127.0.0.1:3",
            )
            .unwrap();
        let refused = Data::open(&place).unwrap_err();
        assert!(
            matches!(&refused, LocalError::InUse { url: Some(url), .. } if url == "http://127.0.0.1:1"),
            "{refused}"
        );
        drop(first);
        Data::open(&place).unwrap();
    }

    #[test]
    fn secrets_are_made_once_and_only_their_owner_can_read_them() {
        let (_dir, place) = place();
        let first = Data::open(&place).unwrap();
        let made = first.secrets().unwrap();
        assert_eq!(made, first.secrets().unwrap());
        let mode = fs::metadata(first.path().join("secrets.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let (_other, place) = self::place();
        assert_ne!(made, Data::open(&place).unwrap().secrets().unwrap());
    }

    #[test]
    fn the_clock_offset_is_kept_with_the_data() {
        let (_dir, place) = place();
        let data = Data::open(&place).unwrap();
        assert_eq!(data.clock_offset().unwrap(), None);
        data.keep_clock_offset(TimeDelta::days(3)).unwrap();
        drop(data);
        assert_eq!(
            Data::open(&place).unwrap().clock_offset().unwrap(),
            Some(TimeDelta::days(3))
        );
    }

    #[test]
    fn a_stack_is_found_only_while_it_holds_the_lock() {
        let (_dir, place) = place();
        let Place::Directory(path) = &place else {
            unreachable!()
        };
        assert_eq!(find(path).unwrap(), Found::Nothing);
        let data = Data::open(&place).unwrap();
        data.record_url("http://a", "http://b", "http://c").unwrap();
        let running = Found::Running {
            url: "http://a".to_owned(),
            dynamodb_url: "http://b".to_owned(),
            aws_url: "http://c".to_owned(),
        };
        assert_eq!(find(path).unwrap(), running);
        drop(data);
        assert_eq!(find(path).unwrap(), Found::Stopped);
    }
}
