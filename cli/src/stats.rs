//! `okaeri stats rebuild`: the statistics from the ledger.

use std::fmt::Write as _;

use shared::clock::Clock;

use crate::args::Rebuild;
use crate::table::Table;
use crate::{CliError, Said};

/// Counts every record anew and sets the sums right.
pub(crate) async fn rebuild(options: Rebuild) -> Said {
    let zone = match (options.time_zone, &options.target.table) {
        (Some(zone), _) => zone,
        (None, None) => chrono_tz::Asia::Tokyo,
        (None, Some(_)) => {
            return Err(CliError::Told(
                "Name the shop's time zone as the deployment has it (its parameter TimeZone): --time-zone Asia/Tokyo.\nUnder another one, orders would move to other days."
                    .to_owned(),
            ));
        }
    };
    let table = Table::open(&options.target).await?;
    let rebuilt = table
        .store()
        .rebuild_stats(zone, Clock::default().now())
        .await;
    table.close().await;
    let report = rebuilt.map_err(|error| {
        CliError::Told(format!(
            "{error}\nWhat was set right by then stays so; run it again. For a deployment, check the table's name, AWS_REGION and the credentials."
        ))
    })?;
    let mut said = format!(
        "Read {} redemptions, mails and counts of visits: {} counted otherwise than before, {} sums set right.\n",
        report.records, report.recounted, report.repaired
    );
    if report.open > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(
            said,
            "Orders kept changing {} sums while they were looked at: run it again while fewer orders come in.",
            report.open
        );
    }
    Ok(said)
}
