//! The `okaeri` command: the local stack (`local`), API keys (`keys`), codes in bulk (`codes`), orders (`orders`),
//! whether mails go out (`mail`), the reconciler (`doctor`), statistics (`stats`), loads (`bench`) and the OpenAPI document (`openapi`).
//!
//! [`local::start`] is what the integration tests start in their own process.

mod args;
mod bench;
mod client;
mod codes;
mod deployed;
mod doctor;
mod keys;
pub mod local;
mod mail;
pub mod openapi;
mod orders;
mod progress;
mod run_local;
mod stats;
mod table;

pub use args::Args;

/// What a command has to say, or why it failed and what to do next.
type Said = Result<String, CliError>;

/// Why a command failed, in words for the person who called it.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The local stack did not start, or its data cannot be used.
    #[error(transparent)]
    Local(#[from] local::LocalError),
    /// The demo could not be played.
    #[error("the demo ended early: {0}")]
    Demo(String),
    /// A key command could not do what it was asked.
    #[error("{0}")]
    Told(String),
    /// Standard output is closed.
    #[error("the answer could not be written: {0}")]
    Output(#[from] std::io::Error),
    /// The doctor found differences that are still there.
    #[error("{0}")]
    Differences(String),
    /// The doctor could not look.
    #[error("the books could not be checked: {0}")]
    NotChecked(String),
    /// The doctor could not look at a deployed stack, or not at all of it.
    #[error("{0}")]
    Unseen(String),
}

impl CliError {
    /// What the process ends with: 2 if nothing could be looked at, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotChecked(_) | Self::Unseen(_) => 2,
            Self::Local(_)
            | Self::Demo(_)
            | Self::Told(_)
            | Self::Output(_)
            | Self::Differences(_) => 1,
        }
    }
}

/// Runs one command to its end.
///
/// # Errors
/// [`CliError`], which says what happened and what to do next.
pub async fn run(args: Args) -> Result<(), CliError> {
    use args::Command;
    let said = match args.command.unwrap_or(Command::Local(args.local)) {
        Command::Local(options) => return run_local::run(options).await,
        Command::Doctor(options) => return doctor::run(options).await,
        Command::Keys(command) => keys::run(command).await?,
        Command::Codes(command) => codes::run(command).await?,
        Command::Orders(args::Orders::Send(order)) => orders::send(order).await?,
        Command::Orders(args::Orders::Replay(options)) => orders::replay(options).await?,
        Command::Orders(args::Orders::Redrive(options)) => orders::redrive(options).await?,
        Command::Orders(args::Orders::Forget(options)) => orders::forget(options).await?,
        Command::Orders(args::Orders::Quarantine(command)) => orders::quarantine(command).await?,
        Command::Stats(args::Stats::Rebuild(options)) => stats::rebuild(options).await?,
        Command::Mail(command) => mail::run(command).await?,
        Command::Bench(options) => bench::run(options).await?,
        Command::Openapi => openapi::document(),
    };
    write(&said)
}

/// Writes to standard output.
fn write(text: &str) -> Result<(), CliError> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
