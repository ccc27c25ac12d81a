//! The function `redeem-code` in many operating-system processes, each with caches, SDK and connections of its own, all with
//! one table behind one proxy. Lambda gives a process one call at a time; here each takes as many as come.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Stdio;

use shared::clock::Clock;
use shared::env::Env;
use shared::http::edge;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::Caller;

/// What this package's binary is asked for to be the function.
pub const REDEEM_CODE: &str = "redeem-code";

/// Is the function until standard input ends, which it does with whoever started this process: says where it answers, then
/// answers there.
///
/// # Errors
/// Whatever kept it from starting.
pub async fn serve_redeem_code() -> Result<(), Box<dyn Error>> {
    let state = redeem_code::State::load(&Env::process(), Clock::default()).await?;
    let router = edge::finish(redeem_code::router(state));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    let mut nothing = Vec::new();
    let mut input = tokio::io::stdin();
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        ended = input.read_to_end(&mut nothing) => drop(ended?),
    }
    Ok(())
}

/// One running process. It ends with its value.
#[derive(Debug)]
pub struct Member {
    /// Calls it.
    pub caller: Caller,
    _child: Child,
}

impl Member {
    /// Starts `binary` (this package's) with nothing in its environment but `settings`, and waits until it answers.
    pub async fn start(binary: &str, settings: &BTreeMap<String, String>) -> Self {
        let mut child = Command::new(binary)
            .arg(REDEEM_CODE)
            .env_clear()
            .envs(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the function starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let url = lines.next_line().await.expect("a line");
        Self {
            caller: Caller::new(&url.expect("the function says where it answers")),
            _child: child,
        }
    }
}
