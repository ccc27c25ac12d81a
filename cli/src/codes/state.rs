//! What a bulk command has done so far, kept in a small file so that the same command goes on wherever it was cut off.
//!
//! The first line says what was asked, each later one how far it is. Every line is on disk before the command goes on; a
//! line cut off by a crash does not count. No line holds a code or a key.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use shared::domain::follow_up::random_symbols;

use crate::CliError;

/// Longest state file that is read, in bytes: 100,000 records of a voiding, which is 10^8 codes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// How every journal begins, so that one cut off in its first line is told from a file that is none.
const HEAD: &[u8] = b"{\"id\":\"";

/// What was asked, by the names of the options.
pub(super) type Asked = Map<String, Value>;

#[derive(Deserialize, Serialize)]
struct Head {
    id: String,
    asked: Asked,
}

/// A state file, held by this process alone.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    id: String,
    resumed: bool,
}

impl Journal {
    /// Starts a journal for what is asked, or takes up one that was left for the same; then also its records, in order.
    ///
    /// # Errors
    /// [`CliError::Told`] if it cannot be written, is in use, or was left by a command that asked for something else.
    pub(super) fn open<R: DeserializeOwned>(
        path: &Path,
        asked: &Asked,
    ) -> Result<(Self, Vec<R>), CliError> {
        let mut file = open_locked(path)?;
        let mut text = Vec::new();
        (&mut file)
            .take(MAX_BYTES)
            .read_to_end(&mut text)
            .map_err(|error| unusable(path, error))?;
        let end_of = |newline: usize| newline.saturating_add(1);
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, end_of);
        let cut_off = text.get(whole..).unwrap_or_default();
        if whole == 0 && !cut_off.starts_with(HEAD) && !HEAD.starts_with(cut_off) {
            return Err(foreign(path));
        }
        let lines = std::str::from_utf8(text.get(..whole).unwrap_or_default());
        let mut lines = lines.map_err(|_| foreign(path))?.lines();
        let journal = |file, id: String, resumed| Self {
            path: path.to_owned(),
            file,
            id,
            resumed,
        };
        let Some(first) = lines.next() else {
            let mut journal = journal(file, random_symbols(26), false);
            journal.begin(asked).map_err(|error| {
                let _ = fs::remove_file(path);
                unusable(path, error)
            })?;
            return Ok((journal, Vec::new()));
        };
        let head: Head = serde_json::from_str(first).map_err(|_| foreign(path))?;
        same(path, &head.asked, asked)?;
        let records: Result<Vec<R>, _> = lines.map(serde_json::from_str).collect();
        let records = records.map_err(|_| foreign(path))?;
        let end = u64::try_from(whole).unwrap_or(u64::MAX);
        file.set_len(end)
            .and_then(|()| file.seek(SeekFrom::Start(end)))
            .map_err(|error| unusable(path, error))?;
        Ok((journal(file, head.id, true), records))
    }

    /// A random name for what was asked: the same each time it is taken up.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether it was taken up, not started.
    pub(super) fn resumed(&self) -> bool {
        self.resumed
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a record and waits until it is on disk.
    ///
    /// # Errors
    /// [`CliError::Told`] if it cannot be written.
    pub(super) fn keep(&mut self, record: &impl Serialize) -> Result<(), CliError> {
        let line = serde_json::to_string(record).map_err(|error| unusable(&self.path, error))?;
        self.line(line).map_err(|error| unusable(&self.path, error))
    }

    /// Removes it: all is done, or nothing was begun.
    ///
    /// # Errors
    /// [`CliError::Told`] if it stays, which would make the same command report the old outcome again.
    pub(super) fn end(self) -> Result<(), CliError> {
        fs::remove_file(&self.path).map_err(|error| unusable(&self.path, error))
    }

    /// Whatever is there holds no whole line, so nothing was begun on its strength.
    fn begin(&mut self, asked: &Asked) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        let head = Head {
            id: self.id.clone(),
            asked: asked.clone(),
        };
        self.line(serde_json::to_string(&head)?)?;
        sync_parent(&self.path)
    }

    fn line(&mut self, mut line: String) -> std::io::Result<()> {
        line.push('\n');
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()
    }
}

fn open_locked(path: &Path) -> Result<File, CliError> {
    let mut options = OpenOptions::new();
    let options = options.create(true).read(true).write(true).truncate(false);
    let file = options.mode(0o600).open(path);
    let file = file.map_err(|error| unusable(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(unusable(path, error)),
        Err(TryLockError::WouldBlock) => Err(CliError::Told(format!(
            "Another okaeri is at work on {}. Nothing was done here.\nLet it finish, or stop it first.",
            path.display()
        ))),
    }
}

/// Refuses to go on with what somebody else, or another command, began.
fn same(path: &Path, began: &Asked, asked: &Asked) -> Result<(), CliError> {
    let names = began.keys().chain(asked.keys());
    let Some(name) = names
        .into_iter()
        .find(|name| began.get(*name) != asked.get(*name))
    else {
        return Ok(());
    };
    let shown = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let path = path.display();
    Err(CliError::Told(format!(
        "{path} keeps an unfinished command that was begun with another {name}: {} there, {} now. Nothing was done.\nRepeat that command as it was to finish it. To give it up, delete {path}: what it did so far stays done.",
        shown(began.get(name)),
        shown(asked.get(name)),
    )))
}

fn foreign(path: &Path) -> CliError {
    CliError::Told(format!(
        "{} is no state of this command, or of another version of it. Nothing was done and it was left as it is.\nMove it away, or name another place.",
        path.display()
    ))
}

/// A file that cannot be read or written.
pub(super) fn unusable(path: &Path, why: impl std::fmt::Display) -> CliError {
    CliError::Told(format!("{} cannot be used: {why}.", path.display()))
}

/// Waits until a file that was made, renamed or removed is so on disk too.
pub(super) fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

/// The first 32 bits of a hash, to notice that something is another: too little to find out what it was.
pub(super) fn check_of(hash: Sha256) -> String {
    let digest = hash.finalize();
    let bits = digest.iter().take(4);
    let bits = bits.fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
    format!("{bits:08x}")
}

/// Line ends in some text.
pub(super) fn line_ends(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// `path` with `ending` behind its whole name: `codes.csv` becomes `codes.csv.part`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(count: u64) -> Asked {
        let Value::Object(asked) = json!({"command": "codes mint", "count": count}) else {
            unreachable!()
        };
        asked
    }

    #[test]
    fn a_journal_is_taken_up_with_its_id_and_whole_records_wherever_it_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.state");
        let (mut journal, none) = Journal::open::<u32>(&path, &asked(5)).unwrap();
        assert!(none.is_empty() && !journal.resumed());
        let id = journal.id().to_owned();
        let head = fs::metadata(&path).unwrap().len();
        for record in [1000_u32, 2000, 3000] {
            journal.keep(&record).unwrap();
        }
        drop(journal);
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (journal, records) = Journal::open::<u32>(&path, &asked(5)).unwrap();
            let cut = u64::try_from(cut).unwrap();
            assert_eq!(journal.id() == id, cut >= head, "{cut}");
            let lines = usize::try_from(cut.saturating_sub(head) / 5).unwrap();
            assert_eq!(records, [1000, 2000, 3000][..lines], "{cut}");
        }
    }

    #[test]
    fn a_journal_of_another_command_is_refused_by_name_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.state");
        drop(Journal::open::<u32>(&path, &asked(5)).unwrap());
        let refused = Journal::open::<u32>(&path, &asked(6)).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("another count: 5 there, 6 now"),
            "{refused}"
        );
        assert!(Journal::open::<u32>(&path, &asked(5)).unwrap().0.resumed());
    }

    #[test]
    fn two_commands_never_share_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.state");
        let held = Journal::open::<u32>(&path, &asked(5)).unwrap();
        let refused = Journal::open::<u32>(&path, &asked(5)).unwrap_err();
        assert!(refused.to_string().contains("Another okaeri"), "{refused}");
        held.0.end().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_journal_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        for text in ["dear diary\nno state\n", "dear diary", "{}"] {
            fs::write(&path, text).unwrap();
            assert!(Journal::open::<u32>(&path, &asked(5)).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
