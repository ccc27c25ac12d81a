//! How far a long command is, on standard error: a bar on a terminal, else a line now and then.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

/// Time between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// The progress of one command, in codes.
pub(crate) struct Progress {
    what: &'static str,
    total: Option<u64>,
    bar: Option<ProgressBar>,
    told: Cell<Instant>,
}

impl Progress {
    /// Starts at 0 of `total` codes, if that is known; `what` is a word for what is done with them, such as `exported`.
    pub(crate) fn start(what: &'static str, total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            let template = if total.is_some() {
                "{bar:30} {human_pos} of {human_len} codes {prefix}, {per_sec}, {eta} left {wide_msg}"
            } else {
                "{spinner} {human_pos} codes {prefix}, {per_sec} {wide_msg}"
            };
            let style = ProgressStyle::with_template(template);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(what);
            bar
        });
        Self {
            what,
            total,
            bar,
            told: Cell::new(Instant::now()),
        }
    }

    /// Starts from what an earlier run did, which says nothing about the speed of this one.
    pub(crate) fn from(&self, codes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(codes);
            bar.reset_eta();
        }
    }

    /// So many codes are done in all.
    pub(crate) fn at(&self, codes: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_message("");
                bar.set_position(codes);
            }
            None if self.told.get().elapsed() >= EVERY => {
                self.told.set(Instant::now());
                let of = self.total.map(|total| format!(" of {total}"));
                tell(&format!(
                    "{codes}{} codes {}",
                    of.unwrap_or_default(),
                    self.what
                ));
            }
            None => {}
        }
    }

    /// Nothing moves for now, and why.
    pub(crate) fn waits(&self, why: &str) {
        let line = why.lines().next().unwrap_or_default();
        match &self.bar {
            Some(bar) => bar.set_message(format!("(trying again: {line})")),
            None if self.told.get().elapsed() >= EVERY => {
                self.told.set(Instant::now());
                tell(&format!("Trying again: {line}"));
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Nothing is left to tell it to if standard error is closed.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
