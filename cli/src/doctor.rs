//! `okaeri doctor`: compares all books with the orders' records, and repairs them. `--stack` is in `deployed`.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use shared::clock::Clock;
use shared::store::{AuditMode, AuditProgress, AuditReport};

use crate::args::Doctor;
use crate::table::Table;
use crate::{CliError, deployed, write};

/// Looks, says what it found, and fails if anything is left.
pub(crate) async fn run(options: Doctor) -> Result<(), CliError> {
    if let Some(stack) = &options.stack {
        return deployed::run(stack).await;
    }
    let looked = look(&options).await;
    let report = looked.map_err(|error| CliError::NotChecked(error.to_string()))?;
    write(&told(&report))?;
    match report.left() {
        0 => Ok(()),
        1 => Err(CliError::Differences("1 difference is left".to_owned())),
        left => Err(CliError::Differences(format!(
            "{left} differences are left"
        ))),
    }
}

async fn look(options: &Doctor) -> Result<AuditReport, CliError> {
    let mode = if options.repair {
        AuditMode::Repair
    } else {
        AuditMode::Look
    };
    let table = Table::open(&options.target).await?;
    let mut progress = progress();
    let report = table
        .store()
        .audit(mode, Clock::default().now(), &mut progress)
        .await;
    table.close().await;
    report.map_err(|error| {
        CliError::Told(format!(
            "{error}\nWhat was repaired by then stays repaired; run it again. For a deployment, check the table's name, AWS_REGION and the credentials."
        ))
    })
}

/// Tells a person who waits how far it is.
fn progress() -> impl FnMut(AuditProgress) + Send + Sync {
    let watched = std::io::stderr().is_terminal();
    move |AuditProgress { pass, items }| {
        if watched {
            // Nothing depends on whether it is seen.
            let _ = write!(
                std::io::stderr(),
                "\rReading the table, time {pass}: {items} items \r"
            );
        }
    }
}

fn told(report: &AuditReport) -> String {
    let mut said = String::new();
    for difference in &report.differences {
        // Writing to a string cannot fail.
        let _ = writeln!(said, "{difference}");
    }
    let found = report.differences.len();
    let repaired = found.saturating_sub(report.left());
    let _ = match found {
        0 => writeln!(said, "Looked at {} items: all books agree.", report.items),
        _ => writeln!(
            said,
            "Looked at {} items: {found} differences, {repaired} of them repaired.",
            report.items
        ),
    };
    if report.open > 0 {
        let _ = writeln!(
            said,
            "Orders kept changing {} sums while they were looked at. What was seen of them is as it should be; to be sure, look again while fewer orders come in.",
            report.open
        );
    }
    if report.unknown > 0 {
        let _ = writeln!(
            said,
            "{} items are of kinds this version does not know: use the newest version.",
            report.unknown
        );
    }
    said
}
