//! `okaeri codes export`: pages of CSV, streamed into a file beside the wanted one, which takes its name when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, header};
use create_promotion::CSV_HEADER;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::domain::code::PromotionId;

use super::api::{Api, Call, Failure, Taker};
use super::state::{Journal, beside, line_ends, sync_parent, unusable};
use super::{Promotion, asked};
use crate::args::Export;
use crate::progress::Progress;
use crate::{CliError, Said};

/// Codes on a page: the most the API gives. Source: design.md §7.
const PAGE: u32 = 20_000;
/// Longest page that is kept in memory, on its way to standard output. Source: Lambda's answers have at most 6 MB.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

/// How far an export is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Reached {
    /// Batches written to their end.
    batches: usize,
    /// Where the current batch goes on: the path that the stack answered with; none at its start.
    next: Option<String>,
    /// Bytes written, all of whole pages.
    bytes: u64,
    /// Codes written.
    pub(super) codes: u64,
}

/// What to export, one after the other: everything, or some batches.
pub(super) struct Source<'a> {
    pub(super) promotion: &'a PromotionId,
    /// Batches; `None` stands for all codes.
    pub(super) batches: Vec<Option<String>>,
}

impl Source<'_> {
    /// The path of the next page; none if there is nothing left.
    fn next(&self, reached: &Reached) -> Option<String> {
        let batch = self.batches.get(reached.batches)?;
        let first = || {
            let path = format!("/v1/promotions/{}/codes?limit={PAGE}", self.promotion);
            batch.as_ref().map_or(path.clone(), |batch| {
                format!(
                    "{path}&batch={}",
                    utf8_percent_encode(batch, NON_ALPHANUMERIC)
                )
            })
        };
        Some(reached.next.clone().unwrap_or_else(first))
    }
}

/// Runs the command.
pub(super) async fn run(args: Export) -> Said {
    let api = Api::open(&args.api)?;
    let promotion = Promotion::read(&api, &args.promotion).await?;
    let total = args.batch.is_none().then_some(promotion.minted);
    let source = Source {
        promotion: &args.promotion,
        batches: vec![args.batch.clone()],
    };
    let progress = Progress::start("exported", total);
    if args.out == Path::new("-") {
        let mut out = Sink::Stdout(Vec::new());
        let written = pull(
            &api,
            &source,
            Reached::default(),
            &mut out,
            |_| Ok(()),
            &progress,
        )
        .await;
        written.map_err(|failure| {
            failure
                .told("What was printed is not all. Standard output cannot be resumed: start anew.")
        })?;
        return Ok(String::new());
    }
    let state = beside(&args.out, ".state");
    refuse_to_replace(&args.out, &state)?;
    let batch = ("batch", json!(args.batch));
    let asked = asked("codes export", &api, &args.promotion, [batch]);
    let (mut journal, mut records) = Journal::open::<Reached>(&state, &asked)?;
    let reached = records.pop().unwrap_or_default();
    let keep = |reached: &Reached| journal.keep(reached);
    match write_file(&api, &source, &args.out, reached, keep, &progress).await {
        Ok(reached) => {
            journal.end()?;
            Ok(format!(
                "Wrote {} codes of {} to {}.\n",
                reached.codes,
                args.promotion,
                args.out.display()
            ))
        }
        Err(failure) if failure.refused_at_once() && !journal.resumed() => {
            let _ = fs::remove_file(beside(&args.out, ".part"));
            journal.end()?;
            Err(failure.told("Nothing was written."))
        }
        Err(failure) => Err(failure.told(&format!(
            "What was written so far is kept in {}. The same command goes on from there.",
            beside(&args.out, ".part").display()
        ))),
    }
}

/// Refuses a file that is there already, unless an unfinished command put it there.
pub(super) fn refuse_to_replace(out: &Path, state: &Path) -> Result<(), CliError> {
    if out.exists() && !state.exists() {
        return Err(CliError::Told(format!(
            "{} exists already. Nothing was done.\nName another file, or move that one away.",
            out.display()
        )));
    }
    Ok(())
}

/// Writes all of `source` to `out`, which is there under its name only when it is whole. `keep` puts each step on record.
pub(super) async fn write_file(
    api: &Api,
    source: &Source<'_>,
    out: &Path,
    reached: Reached,
    keep: impl FnMut(&Reached) -> Result<(), CliError>,
    progress: &Progress,
) -> Result<Reached, Failure> {
    let part = beside(out, ".part");
    if source.next(&reached).is_none() && !part.exists() && out.exists() {
        // It was interrupted after it had put the file in its place.
        return Ok(reached);
    }
    let (mut sink, reached) = Sink::open(&part, reached)?;
    let reached = pull(api, source, reached, &mut sink, keep, progress).await?;
    fs::rename(&part, out).map_err(|error| unusable(out, error))?;
    sync_parent(out).map_err(|error| unusable(out, error))?;
    Ok(reached)
}

/// Appends page after page to `sink`.
async fn pull(
    api: &Api,
    source: &Source<'_>,
    mut reached: Reached,
    sink: &mut Sink,
    mut keep: impl FnMut(&Reached) -> Result<(), CliError>,
    progress: &Progress,
) -> Result<Reached, Failure> {
    progress.from(reached.codes);
    while let Some(path) = source.next(&reached) {
        let mut page = Page::new(sink, &reached, progress);
        let call = Call {
            accept: "text/csv",
            ..Call::get(&path)
        };
        let headers = api.take(&call, &mut page, progress).await?;
        let (bytes, codes) = page.end()?;
        reached.next = next_path(&headers);
        if reached.next.is_none() {
            reached.batches = reached.batches.saturating_add(1);
        }
        reached.bytes = reached.bytes.saturating_add(bytes);
        reached.codes = reached.codes.saturating_add(codes);
        keep(&reached)?;
    }
    Ok(reached)
}

/// The path of the next page, from `Link: <path>; rel="next"`.
fn next_path(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(header::LINK)?.to_str().ok()?;
    let (path, rest) = link.strip_prefix('<')?.split_once('>')?;
    (path.starts_with('/') && rest.contains("rel=\"next\"")).then(|| path.to_owned())
}

/// Where the CSV goes.
enum Sink {
    File(File, PathBuf),
    /// A page waits until it is whole: what was printed cannot be taken back.
    Stdout(Vec<u8>),
}

impl Sink {
    /// Opens a partial file, readable by its owner alone, and says how far it really is: what is behind the last whole page
    /// does not count, and a file that was lost begins anew.
    fn open(part: &Path, reached: Reached) -> Result<(Self, Reached), CliError> {
        let mut options = OpenOptions::new();
        let options = options.create(true).write(true).truncate(false);
        let file = options.mode(0o600).open(part);
        let file = file.map_err(|error| unusable(part, error))?;
        let length = file
            .metadata()
            .map_err(|error| unusable(part, error))?
            .len();
        let reached = if length < reached.bytes {
            Reached::default()
        } else {
            reached
        };
        Ok((Self::File(file, part.to_owned()), reached))
    }

    /// Drops what came after `bytes`.
    fn back_to(&mut self, bytes: u64) -> Result<(), CliError> {
        match self {
            Self::Stdout(page) => page.clear(),
            Self::File(file, path) => {
                file.set_len(bytes)
                    .and_then(|()| file.seek(SeekFrom::Start(bytes)))
                    .map_err(|error| unusable(path, error))?;
            }
        }
        Ok(())
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), CliError> {
        match self {
            Self::File(file, path) => file.write_all(piece).map_err(|error| unusable(path, error)),
            Self::Stdout(page) if page.len().saturating_add(piece.len()) > MAX_PAGE_BYTES => {
                Err(foreign())
            }
            Self::Stdout(page) => {
                page.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    /// Waits until what was written is on disk, or with the reader.
    fn settle(&mut self) -> Result<(), CliError> {
        match self {
            Self::File(file, path) => file.sync_data().map_err(|error| unusable(path, error)),
            Self::Stdout(page) => {
                let mut out = std::io::stdout().lock();
                out.write_all(page)?;
                Ok(out.flush()?)
            }
        }
    }
}

/// One page on its way from the stack to the sink: checks that it is CSV of codes, and keeps its first line only once.
struct Page<'a> {
    sink: &'a mut Sink,
    /// Bytes and codes before this page.
    before: (u64, u64),
    progress: &'a Progress,
    /// How much of the first line was seen.
    header: usize,
    bytes: u64,
    codes: u64,
    last: u8,
}

impl<'a> Page<'a> {
    fn new(sink: &'a mut Sink, reached: &Reached, progress: &'a Progress) -> Self {
        Self {
            sink,
            before: (reached.bytes, reached.codes),
            progress,
            header: 0,
            bytes: 0,
            codes: 0,
            last: b'\n',
        }
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), CliError> {
        self.sink.write(piece)?;
        let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Bytes and codes of the page.
    fn end(self) -> Result<(u64, u64), CliError> {
        if self.header < CSV_HEADER.len() || self.last != b'\n' {
            return Err(foreign());
        }
        self.sink.settle()?;
        Ok((self.bytes, self.codes))
    }
}

impl Taker for Page<'_> {
    fn begin(&mut self, headers: &HeaderMap) -> Result<(), CliError> {
        let kind = headers.get(header::CONTENT_TYPE);
        if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/csv")) {
            return Err(foreign());
        }
        (self.header, self.bytes, self.codes, self.last) = (0, 0, 0, b'\n');
        self.sink.back_to(self.before.0)
    }

    fn piece(&mut self, piece: &[u8]) -> Result<(), CliError> {
        let expected = CSV_HEADER.as_bytes().get(self.header..).unwrap_or_default();
        let (head, rows) = piece.split_at(expected.len().min(piece.len()));
        if !expected.starts_with(head) {
            return Err(foreign());
        }
        self.header = self.header.saturating_add(head.len());
        if self.before.0 == 0 {
            self.write(head)?;
        }
        self.write(rows)?;
        self.last = piece.last().copied().unwrap_or(self.last);
        self.codes = self.codes.saturating_add(line_ends(rows));
        self.progress.at(self.before.1.saturating_add(self.codes));
        Ok(())
    }
}

fn foreign() -> CliError {
    CliError::Told("The stack's answer is no list of codes as this version knows it.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8".parse().unwrap(),
        );
        headers
    }

    /// What a file holds after a page that came in pieces of `size`, and the page's bytes and codes.
    fn written(before: &Reached, page: &str, size: usize) -> Result<(String, u64, u64), CliError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.part");
        fs::write(&path, "01234567890 cut off").unwrap();
        let (mut sink, reached) = Sink::open(&path, before.clone()).unwrap();
        let progress = Progress::start("exported", None);
        let mut taken = Page::new(&mut sink, &reached, &progress);
        taken.begin(&csv())?;
        for piece in page.as_bytes().chunks(size) {
            taken.piece(piece)?;
        }
        let (bytes, codes) = taken.end()?;
        Ok((fs::read_to_string(&path).unwrap(), bytes, codes))
    }

    #[test]
    fn the_first_line_is_written_once_and_what_was_cut_off_is_dropped_however_a_page_is_cut_up() {
        let page = format!("{CSV_HEADER}A,unused,,,\nB,redeemed,,o-1,\n");
        let later = Reached {
            bytes: 10,
            ..Reached::default()
        };
        for size in 1..=page.len() {
            let (text, bytes, codes) = written(&Reached::default(), &page, size).unwrap();
            assert_eq!((text.as_str(), codes), (page.as_str(), 2));
            assert_eq!(bytes, u64::try_from(page.len()).unwrap());
            let (text, ..) = written(&later, &page, size).unwrap();
            assert_eq!(text, "0123456789A,unused,,,\nB,redeemed,,o-1,\n");
        }
    }

    #[test]
    fn what_is_no_list_of_codes_is_refused() {
        for page in [
            "",
            "code,",
            "code;status\nA\n",
            &format!("{CSV_HEADER}A,unused"),
        ] {
            assert!(written(&Reached::default(), page, 7).is_err(), "{page}");
        }
    }

    #[test]
    fn a_partial_file_that_was_lost_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let reached = Reached {
            bytes: 10,
            codes: 1,
            ..Reached::default()
        };
        let (_, now) = Sink::open(&dir.path().join("x.part"), reached).unwrap();
        assert_eq!(now, Reached::default());
    }

    #[test]
    fn only_a_path_of_the_same_stack_is_followed() {
        let link = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LINK, text.parse().unwrap());
            next_path(&headers)
        };
        assert_eq!(
            link("</v1/x?cursor=s1>; rel=\"next\"").as_deref(),
            Some("/v1/x?cursor=s1")
        );
        assert_eq!(link("<https://elsewhere.example/>; rel=\"next\""), None);
        assert_eq!(link("</v1/x>; rel=\"prev\""), None);
    }
}
