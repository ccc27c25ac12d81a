//! A list of codes, read piece by piece: one code to a line, or CSV with the code first.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::CliError;
use crate::codes::state::{check_of, line_ends, unusable};

/// Codes in a piece: as many as the API voids at once. Source: `MAX_VOIDED` in create-promotion.
const CODES: usize = 1_000;
/// Longest line, in bytes: a row of an export has less than 300.
const MAX_LINE: u64 = 4_096;

/// A place in a list, between two pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Place {
    bytes: u64,
    lines: u64,
    /// Of all before it.
    check: String,
}

impl Place {
    /// Lines before it.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }
}

/// Some codes of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Each with the number of its line, from 1.
    pub(super) codes: Vec<(u64, String)>,
    /// Where the next piece begins.
    pub(super) end: Place,
}

/// The pieces of a list. They are read by a thread of their own, since standard input may keep them waiting.
pub(super) struct Chunks {
    pieces: mpsc::Receiver<Result<Chunk, CliError>>,
}

impl Chunks {
    /// The pieces after `from`. The same list has the same pieces each time.
    pub(super) fn open(list: &Path, from: Place) -> Self {
        let (sender, pieces) = mpsc::channel(1);
        let list = list.to_owned();
        std::thread::spawn(move || {
            let opened = open(&list).and_then(|source| Reader::after(source, &list, &from));
            let mut reader = match opened {
                Ok(reader) => reader,
                Err(error) => {
                    // Nobody waits for it if the command was interrupted.
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            };
            while let Some(piece) = reader.next().transpose() {
                let last = piece.is_err();
                if sender.blocking_send(piece).is_err() || last {
                    return;
                }
            }
        });
        Self { pieces }
    }

    /// The next piece.
    ///
    /// # Errors
    /// [`CliError::Told`] if the list cannot be read, or is not the one that was begun with.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, CliError> {
        self.pieces.recv().await.transpose()
    }
}

/// Lines of a list that can be read twice, for the progress bar.
///
/// # Errors
/// [`CliError::Told`] if it cannot be read.
pub(super) fn count_lines(list: &Path) -> Result<Option<u64>, CliError> {
    if list == Path::new("-") {
        return Ok(None);
    }
    let file = File::open(list).map_err(|error| unusable(list, error))?;
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return Ok(None);
    }
    let mut reader = BufReader::new(file);
    let mut lines = 0_u64;
    loop {
        let piece = reader.fill_buf().map_err(|error| unusable(list, error))?;
        if piece.is_empty() {
            return Ok(Some(lines));
        }
        lines = lines.saturating_add(line_ends(piece));
        let read = piece.len();
        reader.consume(read);
    }
}

fn open(list: &Path) -> Result<Box<dyn BufRead>, CliError> {
    if list == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(list).map_err(|error| unusable(list, error))?;
    Ok(Box::new(BufReader::new(file)))
}

struct Reader<S> {
    source: S,
    name: String,
    bytes: u64,
    lines: u64,
    seen: Sha256,
}

impl<S: BufRead> Reader<S> {
    /// Reads on to a place where an earlier command was.
    fn after(source: S, name: &Path, place: &Place) -> Result<Self, CliError> {
        let mut reader = Self {
            source,
            name: name.display().to_string(),
            bytes: 0,
            lines: 0,
            seen: Sha256::new(),
        };
        let mut line = Vec::new();
        while reader.bytes < place.bytes && reader.line(&mut line)? {}
        if *place != Place::default() && reader.place() != *place {
            return Err(CliError::Told(format!(
                "{} is not the list that was begun with. Nothing more was voided.",
                reader.name
            )));
        }
        Ok(reader)
    }

    fn place(&self) -> Place {
        Place {
            bytes: self.bytes,
            lines: self.lines,
            check: check_of(self.seen.clone()),
        }
    }

    /// The next codes, or `None` at the end.
    fn next(&mut self) -> Result<Option<Chunk>, CliError> {
        let start = self.bytes;
        let mut codes = Vec::new();
        let mut line = Vec::new();
        while codes.len() < CODES && self.line(&mut line)? {
            if let Some(code) = code_of(&line, self.lines == 1) {
                codes.push((self.lines, code));
            }
        }
        Ok((self.bytes > start).then(|| Chunk {
            codes,
            end: self.place(),
        }))
    }

    /// Reads a line; `false` at the end.
    fn line(&mut self, line: &mut Vec<u8>) -> Result<bool, CliError> {
        line.clear();
        let mut limited = (&mut self.source).take(MAX_LINE);
        let read = limited
            .read_until(b'\n', line)
            .map_err(|error| CliError::Told(format!("{} cannot be read: {error}.", self.name)))?;
        self.lines = self.lines.saturating_add(u64::from(read > 0));
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        if read == MAX_LINE && line.last() != Some(&b'\n') {
            return Err(CliError::Told(format!(
                "Line {} of {} is longer than {MAX_LINE} bytes: this is no list of codes.",
                self.lines, self.name
            )));
        }
        self.bytes = self.bytes.saturating_add(read);
        self.seen.update(&line);
        Ok(read > 0)
    }
}

/// The code of a line; none if it is empty, or the heading of CSV.
fn code_of(line: &[u8], first: bool) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_start_matches('\u{feff}').trim();
    if first && text.starts_with("code,") {
        return None;
    }
    let cell = text.split([',', ';', '\t']).next().unwrap_or_default();
    let cell = cell.trim().trim_matches('"').trim();
    (!cell.is_empty()).then(|| cell.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(
        text: &str,
        place: &Place,
    ) -> Result<Reader<BufReader<std::io::Cursor<Vec<u8>>>>, CliError> {
        // A small buffer, so that lines cross it.
        let source = BufReader::with_capacity(5, std::io::Cursor::new(text.as_bytes().to_vec()));
        Reader::after(source, Path::new("list"), place)
    }

    #[test]
    fn lists_and_exports_are_read_alike() {
        let exported = "\u{feff}code,status,channel,order_id,redeemed_at\r\nA-1,unused,,,\r\n\r\nB-2,unused,ad/x,,\r\n";
        let plain = "\nA-1\n\nB-2";
        let quoted = "\n\"A-1\";x\n\n\"B-2\"\n";
        for text in [exported, plain, quoted] {
            let chunk = reader(text, &Place::default())
                .unwrap()
                .next()
                .unwrap()
                .unwrap();
            assert_eq!(
                chunk.codes,
                [(2, "A-1".to_owned()), (4, "B-2".to_owned())],
                "{text}"
            );
        }
        assert!(
            reader("", &Place::default())
                .unwrap()
                .next()
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_list_goes_on_after_any_piece_and_another_list_is_noticed() {
        let list: String = (0..2_500).fold(String::new(), |list, number| {
            list + &format!("C-{number}\n")
        });
        let mut whole = reader(&list, &Place::default()).unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = whole.next().unwrap() {
            pieces.push(piece);
        }
        let sizes: Vec<usize> = pieces.iter().map(|piece| piece.codes.len()).collect();
        assert_eq!(sizes, [1_000, 1_000, 500]);
        for (index, piece) in pieces.iter().enumerate() {
            let mut rest = reader(&list, &piece.end).unwrap();
            assert_eq!(rest.next().unwrap().as_ref(), pieces.get(index + 1));
        }
        let other = list.replacen("C-7\n", "C-8\n", 1);
        assert!(reader(&other, &pieces[0].end).is_err());
        assert!(reader("C-0\n", &pieces[0].end).is_err());
    }

    #[test]
    fn what_has_no_lines_is_no_list() {
        let endless = "x".repeat(10_000);
        assert!(reader(&endless, &Place::default()).unwrap().next().is_err());
    }
}
