//! `okaeri local`: starts the stack, says what to try, and stops it when told to.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Local;
use crate::local::demo::{self, Size};
use crate::local::{self, ADMIN_KEY, CHECKOUT_KEY, Options, Place, Running, WEBHOOK_SECRET};
use crate::{CliError, write};

/// Runs the stack until Ctrl-C or SIGTERM.
pub(crate) async fn run(args: Local) -> Result<(), CliError> {
    if args.demo {
        // What the demo makes go wrong is no news.
        log("error");
    } else {
        log_to_standard_error();
    }
    // Watched from the start, so that no signal is missed.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let place = if args.memory {
        Place::Memory
    } else {
        Place::Directory(args.data)
    };
    let options = Options {
        port: args.port,
        place: place.clone(),
        ses_rate: args.ses_rate,
        ses_quota: args.ses_quota,
        ..Options::default()
    };
    let begun = begin(options, args.demo.then(|| Size::month(args.seed)));
    let stack = tokio::select! {
        stack = begun => stack?,
        _ = interrupt.recv() => return stopped_early(),
        _ = terminate.recv() => return stopped_early(),
    };
    write(&welcome(&stack, &place, args.demo))?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stack.stop().await;
    match place {
        Place::Directory(path) => write(&format!(
            "Stopped. Everything is kept in {}.\n",
            path.display()
        )),
        Place::Memory => write("Stopped. Nothing was kept, as asked by --memory.\n"),
    }
}

/// Starts the stack, with the demo in it if that is asked for.
async fn begin(options: Options, demo: Option<Size>) -> Result<Running, CliError> {
    let Some(size) = demo else {
        return Ok(local::start(options).await?);
    };
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} orders of a made-up month");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let shown = bar.clone();
    let progress = move |done, all| {
        let number = |count| u64::try_from(count).unwrap_or_default();
        shown.set_length(number(all));
        shown.set_position(number(done));
    };
    let played = Box::pin(demo::start(options, size, &progress)).await;
    bar.finish_and_clear();
    let (stack, _) = played.map_err(|error| CliError::Demo(error.to_string()))?;
    Ok(stack)
}

fn stopped_early() -> Result<(), CliError> {
    write("Stopped before it ran. Nothing was begun; what the demo had done is left out.\n")
}

/// Warnings and errors only, unless `RUST_LOG` asks for more: standard output belongs to the person. The engine warns of
/// every condition that does not hold, which is how conditions work.
pub(crate) fn log_to_standard_error() {
    log("warn,dynoxide=error");
}

fn log(filter: &str) {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| filter.to_owned());
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false);
    // It fails only if the process has a logger already, which then serves.
    let _ = logger.with_writer(std::io::stderr).try_init();
}

fn welcome(stack: &Running, place: &Place, demo: bool) -> String {
    let url = stack.url();
    let data = match place {
        Place::Directory(path) => format!("{} (delete it to begin anew)", path.display()),
        Place::Memory => "in memory, gone when it stops".to_owned(),
    };
    let known = format!(
        "Okaeri runs at {url}\n\n\
        \x20 console       {url}/console (sign in with the admin key)\n\
        \x20 inbox         {url}/local/inbox\n\
        \x20 API           {url}/docs\n\
        \x20 admin key     {ADMIN_KEY}\n\
        \x20 checkout key  {CHECKOUT_KEY}\n\
        \x20 webhooks      {url}/v1/webhooks/standard, secret {WEBHOOK_SECRET}\n\
        \x20 data          {data}\n\n"
    );
    if demo {
        return known + &seen(url);
    }
    let [create, mint, redeem] = samples(url);
    known
        + &format!(
            "Try, in another terminal and in this order:\n\n\
        # 1. create a promotion\n{create}\n\n\
        # 2. mint a code for it\n{mint}\n\n\
        # 3. redeem the code with an order\n{redeem}\n\n\
        Then send a sample order: cargo run -q -p okaeri -- orders send --provider standard --email hanako@example.jp --url {url}\n\
        Ctrl-C stops it.\n"
        )
}

/// What to look at after the demo.
fn seen(url: &str) -> String {
    format!(
        "A tea shop has traded here for a month. Look at\n\n\
        \x20 {url}/console                   how it stands; sign in with the admin key\n\
        \x20 {url}/console/promotions        one of each kind: running, nearly spent, paused, to come, over\n\
        \x20 {url}/console/channels          what each influencer and ad brought\n\
        \x20 {url}/console/follow-ups        thank-you mails, two arms and those who got none\n\
        \x20 {url}/console/mails             delivered, bounced, refused, withdrawn, and due\n\
        \x20 {url}/local/inbox               what buyers read\n\n\
        Ctrl-C stops it.\n"
    )
}

/// Three commands that work as printed, one after the other; each shows what the stack answered.
fn samples(url: &str) -> [String; 3] {
    let json = "-H 'Content-Type: application/json'";
    let admin = format!("-H 'Authorization: Bearer {ADMIN_KEY}'");
    let promotion = r#"{"name":"Next time 10% off","currency":"JPY","benefit":{"type":"percent_off","percent":10},"starts_at":"2026-01-01T00:00:00+09:00","ends_at":"2036-01-01T00:00:00+09:00","claim_code":"single_use","combinability":"exclusive"}"#;
    let create = format!(
        "PROMOTION=$(curl -sS {url}/v1/promotions {admin} {json} -d '{promotion}' | tee /dev/stderr | sed -n 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/p'); echo"
    );
    let mint = format!(
        "curl -sS \"{url}/v1/promotions/$PROMOTION/codes\" {admin} {json} -d '{{\"count\":1}}'; echo; CODE=$(curl -sS \"{url}/v1/promotions/$PROMOTION/codes\" {admin} -H 'Accept: text/csv' | tee /dev/stderr | sed -n 's/^\\([^,]*\\),unused,.*/\\1/p' | tail -n 1)"
    );
    let cart = r#"{"currency":"JPY","shipping":500,"lines":[{"sku":"TEA-01","quantity":2,"unit_price":1980}]}"#;
    let body = format!(
        r#"{{"codes":["'"$CODE"'"],"customer":{{"email":"hanako@example.jp"}},"cart":{cart}}}"#
    );
    let checkout = format!("-H 'Authorization: Bearer {CHECKOUT_KEY}'");
    let redeem = format!(
        "curl -sS -X PUT \"{url}/v1/redemptions/sample-$(date +%s)\" {checkout} {json} -d '{body}'; echo"
    );
    [create, mint, redeem]
}
