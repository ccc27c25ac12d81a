//! Starts a stack with the demo in it: whole, or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use super::{DemoError, Ledger, Size, fill};
use crate::local::{self, LocalError, Options, Place, Running};

/// Hears how many of all orders are done.
pub type Progress = dyn Fn(usize, usize) + Send + Sync;

/// Starts a stack that the demo was played on. On disk it is played beside the directory and moved there when it is done, so that
/// no stack ever goes on with half of it; what an earlier one left there is removed.
///
/// # Errors
/// [`DemoError::NotEmpty`] if there is data already, which is left as it is; else why the stack did not start or the demo not end.
pub async fn start(
    options: Options,
    size: Size,
    progress: &Progress,
) -> Result<(Running, Ledger), DemoError> {
    let Place::Directory(path) = options.place.clone() else {
        let stack = local::start(size.begun(options)).await?;
        let ledger = Box::pin(fill(&stack, size, progress)).await?;
        return Ok((stack, ledger));
    };
    if has_data(&path) {
        return Err(DemoError::NotEmpty { path });
    }
    let aside = aside(&path);
    remove(&aside)?;
    let begun = Options {
        place: Place::Directory(aside.clone()),
        ..options.clone()
    };
    let stack = local::start(size.begun(begun)).await?;
    // Mails name the port they were sent from.
    let port = stack
        .url()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let played = Box::pin(fill(&stack, size, progress)).await;
    stack.stop().await;
    let ledger = match played {
        Ok(ledger) => ledger,
        Err(error) => {
            remove(&aside)?;
            return Err(error);
        }
    };
    fs::rename(&aside, &path).map_err(|error| LocalError::data(&path, error))?;
    let port = port.unwrap_or(options.port);
    let stack = local::start(Options { port, ..options }).await?;
    Ok((stack, ledger))
}

fn has_data(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

/// Where the demo is played: beside the directory, since only there it can be moved from in one step.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".demo");
    path.with_file_name(name)
}

fn remove(path: &Path) -> Result<(), LocalError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LocalError::data(path, error))
        }
        _ => Ok(()),
    }
}
