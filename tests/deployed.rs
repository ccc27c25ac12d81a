//! The stack deployed from the template, with its release binaries, its queues, stream and schedules, on an emulator of AWS.
//!
//! It needs MiniStack, the SAM CLI and what `sam build` made, which `.ci/run` provides; without them it is skipped.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "to clippy, integration tests and their helpers are no tests; long work tells how far it is"
)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use integration::deployment::{Deployment, STACK, Tools};
use integration::{completed, redemption};
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Longest wait for what the deployment does by itself: its schedules run each minute.
const PATIENCE: Duration = Duration::from_mins(4);

/// Processes of functions that are killed while orders come.
const KILLS: usize = 30;

/// The tools, or `None` if some are absent and none is required.
fn tools() -> Option<Tools> {
    let absent = match Tools::from_env() {
        Ok(tools) => return Some(tools),
        Err(absent) => absent,
    };
    let required = std::env::var("OKAERI_REQUIRE_ALL").is_ok_and(|text| text == "1");
    assert!(!required, "{absent} is not set");
    eprintln!("skipped: {absent} names nothing to deploy with; `.ci/run` sets it");
    None
}

/// Looks each half second until there is something to see.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(seen) = look().await {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("{what}: not within {PATIENCE:?}");
}

/// A promotion and a follow-up that mails its codes at once.
async fn open_shop(deployment: &Deployment) -> Value {
    let promotion = deployment.caller.promotion(json!({})).await;
    let variants = json!([{"name": "at once", "promotion_id": promotion["id"], "delay": "PT0S"}]);
    let terms = json!({"variants": variants});
    deployment.caller.follow_up(&promotion, terms).await;
    promotion
}

fn order(id: &str) -> Value {
    completed(
        id,
        json!({"customer": {"email": format!("{id}@example.jp"), "accepts_marketing": true}}),
    )
}

/// Posts an order until it is taken, as shops do. Answers how often that was.
async fn post(deployment: &Deployment, id: &str) -> usize {
    let event = order(id);
    for tries in 1..200 {
        let request = deployment.caller.signed(&Clock::default(), &event);
        match deployment.caller.try_send(request).await {
            Ok(answer) if answer.status == 200 => return tries,
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("order {id} was never taken");
}

/// The text of each mail, by the address it went to.
async fn mails_by_address(deployment: &Deployment) -> BTreeMap<String, Vec<String>> {
    let mut mails: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mail in deployment.mails().await {
        let to = &mail["To"];
        let address = to.as_str().or_else(|| to[0].as_str()).unwrap_or_default();
        mails
            .entry(address.to_owned())
            .or_default()
            .push(mail.to_string());
    }
    mails
}

/// The code of a promotion in a text.
fn code_in(text: &str, promotion: &Value) -> String {
    let start = text
        .find(&format!("{}-", promotion["id"].as_str().unwrap()))
        .unwrap_or_else(|| panic!("a code in {text}"));
    text[start..].chars().take(19).collect()
}

#[tokio::test]
async fn a_deployed_stack_turns_an_order_into_a_mail_and_its_code_buys_once() {
    let Some(tools) = tools() else { return };
    let began = Instant::now();
    let deployment = Deployment::start(&tools).await;
    eprintln!("deployed after {:?}", began.elapsed());
    let caller = &deployment.caller;
    assert_eq!(
        caller.call("", "GET /healthz", Value::Null).await.status,
        200
    );
    assert_eq!(
        caller
            .call("", "GET /v1/promotions", Value::Null)
            .await
            .status,
        401
    );
    a_key_made_by_the_command_works(&deployment).await;
    doctor_finds_the_deployed_stack_in_order(&deployment).await;
    let promotion = open_shop(&deployment).await;
    for _ in 0..5 {
        post(&deployment, "1001").await;
    }
    let mails = until("a mail", async || {
        let mails = mails_by_address(&deployment).await;
        mails.contains_key("1001@example.jp").then_some(mails)
    })
    .await;
    eprintln!("mailed after {:?}", began.elapsed());
    assert_eq!(mails["1001@example.jp"].len(), 1);
    let code = code_in(&mails["1001@example.jp"][0], &promotion);
    let quoted = caller
        .checkout("POST /v1/quotes", redemption(&[&code]))
        .await;
    assert_eq!(quoted.expect(200).body["codes"][0]["discount"], 396);
    let typed = code.to_lowercase().replace('-', " ");
    let first = caller.redeem("2001", &typed).await.expect(201);
    assert_eq!(
        caller.redeem("2001", &typed).await.expect(200).text,
        first.text
    );
    caller.redeem("2002", &code).await.expect(409);
    let path = format!(
        "GET /v1/promotions/{}/stats",
        promotion["id"].as_str().unwrap()
    );
    let stats = until("the stream to be counted", async || {
        let stats = caller.admin(&path, Value::Null).await.expect(200).body;
        (stats["totals"]["redemptions"] == 1 && stats["totals"]["mails"] == 1).then_some(stats)
    })
    .await;
    assert_eq!(stats["totals"]["discount"], 396);
    caller
        .admin("GET /v1/follow-ups", Value::Null)
        .await
        .expect(200);
    eprintln!("done after {:?}", began.elapsed());
    deployment.stop().await;
}

async fn a_key_made_by_the_command_works(deployment: &Deployment) {
    let made = okaeri(deployment)
        .args(["keys", "create", "--name", "by hand", "--scope", "admin"])
        .args(["--table", &deployment.output("TableName")])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(made.stdout).unwrap();
    let key = said
        .split_whitespace()
        .find(|word| word.starts_with("okaeri_"));
    let key = key.unwrap_or_else(|| panic!("a key in {said}"));
    let listed = deployment
        .caller
        .call(key, "GET /v1/promotions", Value::Null);
    assert_eq!(listed.await.status, 200);
}

/// `okaeri doctor --stack` sees all of the deployment, and finds wrong only what the emulator leaves undone of the template, or what
/// belongs to no template: DNS records, and somebody who gets alarms.
async fn doctor_finds_the_deployed_stack_in_order(deployment: &Deployment) {
    let table = deployment.output("TableName");
    let backups = json!({"TableName": table, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
    let backups = deployment.aws("DynamoDB_20120810.UpdateContinuousBackups", &backups);
    backups.await;
    let expiry = json!({"TableName": table, "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "ttl"}});
    deployment
        .aws("DynamoDB_20120810.UpdateTimeToLive", &expiry)
        .await;
    let ran = okaeri(deployment)
        .args(["doctor", "--stack", STACK])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let expected = [
        "problem: sender identity:",
        "problem: who gets alarms: nobody",
    ];
    let unexpected: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("problem: ") || line.starts_with("not checked: "))
        .filter(|line| !expected.iter().any(|expected| line.starts_with(expected)))
        // Young stacks have alarms that miss data, which emulators may call an alarm.
        .filter(|line| !line.starts_with("problem: alarm WatchMissingAlarm"))
        .collect();
    assert!(unexpected.is_empty(), "{said}");
    for seen in [
        "ok: stack:",
        "ok: table, stream: on",
        "ok: code keys: versions 1",
        "ok: reports on mails:",
        "ok: dead letters of orders: none",
        "ok: API: ",
        "ok: API keys: ",
    ] {
        assert!(said.contains(seen), "{seen}\n{said}");
    }
    assert_eq!(ran.status.code(), Some(1), "{said}");
}

/// The `okaeri` command, for this deployment.
fn okaeri(deployment: &Deployment) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_integration"));
    command.envs(deployment.settings());
    command
}

#[tokio::test]
async fn kills_throttles_and_timeouts_lose_no_order_that_was_taken_and_dead_letters_come_back() {
    let Some(tools) = tools() else { return };
    let deployment = Deployment::start(&tools).await;
    let promotion = open_shop(&deployment).await;
    let queue = deployment.output("OrdersQueueUrl");
    // What fails comes again after 2 seconds instead of 3 minutes.
    let soon = json!({"QueueUrl": queue, "Attributes": {"VisibilityTimeout": "2"}});
    deployment.aws("AmazonSQS.SetQueueAttributes", &soon).await;
    let mut orders = Vec::new();

    let kills = kill_functions_while_posting(&deployment, &mut orders).await;
    eprintln!(
        "{kills} processes of functions killed while {} orders came",
        orders.len()
    );

    throttle_while_posting(&deployment, &mut orders).await;
    let timed_out = time_out_while_posting(&deployment, &mut orders).await;
    eprintln!("{timed_out} dead letters after time-outs");

    until(
        "the orders to be worked off, with dead letters sent again",
        async || {
            redrive(&deployment).await;
            let path = format!(
                "GET /v1/promotions/{}/codes",
                promotion["id"].as_str().unwrap()
            );
            let listed = deployment.caller.admin(&path, Value::Null).await;
            let codes = listed.body["codes"].as_array().map_or(0, Vec::len);
            (codes == orders.len()).then_some(())
        },
    )
    .await;
    let mails = until("all mails", async || {
        let mails = mails_by_address(&deployment).await;
        (mails.len() == orders.len()).then_some(mails)
    })
    .await;
    for id in &orders {
        let mails = &mails[&format!("{id}@example.jp")];
        assert_eq!(mails.len(), 1, "order {id} has one mail");
    }
    deployment.stop().await;
}

/// Kills processes of functions, one after the other, while orders come. Answers how many.
async fn kill_functions_while_posting(deployment: &Deployment, orders: &mut Vec<String>) -> usize {
    let killed = AtomicUsize::new(0);
    let killing = async {
        loop {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let Some(process) = deployment.function_processes().pop() else {
                continue;
            };
            let mut kill = Command::new("kill");
            kill.args(["-9", &process.to_string()]);
            if kill.status().await.is_ok_and(|done| done.success()) {
                killed.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let posting = async {
        while killed.load(Ordering::Relaxed) < KILLS {
            let first = orders.len();
            let ids: Vec<String> = (first..first + 4).map(|id| format!("k{id}")).collect();
            let posts = ids.iter().map(|id| post(deployment, id));
            futures_util::future::join_all(posts).await;
            orders.extend(ids);
        }
    };
    tokio::select! {
        () = posting => {}
        () = killing => {}
    }
    killed.into_inner()
}

/// Takes all concurrency from `order-completed` while orders come, and gives it back.
async fn throttle_while_posting(deployment: &Deployment, orders: &mut Vec<String>) {
    let function = deployment.function("OrderCompleted").await;
    let path = format!("/2017-10-31/functions/{function}/concurrency");
    let none = json!({"ReservedConcurrentExecutions": 0});
    deployment.rest(Method::PUT, &path, &none).await;
    for number in 0..10 {
        let id = format!("t{number}");
        post(deployment, &id).await;
        orders.push(id);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    deployment.rest(Method::DELETE, &path, &Value::Null).await;
}

/// Has `order-completed` wait for a table that never answers, past its time-out, until the orders that come are dead letters; then
/// has it as it was. Answers how many dead letters there were.
async fn time_out_while_posting(deployment: &Deployment, orders: &mut Vec<String>) -> u64 {
    let function = deployment.function("OrderCompleted").await;
    let path = format!("/2015-03-31/functions/{function}/configuration");
    let before = deployment.rest(Method::GET, &path, &Value::Null).await;
    // It takes connections and never says a word.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut variables = before["Environment"]["Variables"].clone();
    variables["AWS_ENDPOINT_URL_DYNAMODB"] =
        json!(format!("http://{}", silent.local_addr().unwrap()));
    let changed = json!({"Timeout": 1, "Environment": {"Variables": variables}});
    deployment.rest(Method::PUT, &path, &changed).await;
    for number in 0..5 {
        let id = format!("o{number}");
        post(deployment, &id).await;
        orders.push(id);
    }
    let dead_letters = deployment.output("OrdersDeadLettersUrl");
    let ask = json!({"QueueUrl": dead_letters, "AttributeNames": ["ApproximateNumberOfMessages"]});
    let count = until("time-outs to end as dead letters", async || {
        let answer = deployment.aws("AmazonSQS.GetQueueAttributes", &ask).await;
        let count = answer["Attributes"]["ApproximateNumberOfMessages"].as_str();
        count
            .and_then(|text| text.parse::<u64>().ok())
            .filter(|count| *count >= 5)
    })
    .await;
    let restored = json!({"Timeout": before["Timeout"], "Environment": {"Variables": before["Environment"]["Variables"]}});
    deployment.rest(Method::PUT, &path, &restored).await;
    count
}

async fn redrive(deployment: &Deployment) {
    let redriven = okaeri(deployment)
        .args(["orders", "redrive"])
        .args([
            "--dead-letters-url",
            &deployment.output("OrdersDeadLettersUrl"),
        ])
        .args(["--queue-url", &deployment.output("OrdersQueueUrl")])
        .output()
        .await
        .unwrap();
    assert!(
        redriven.status.success(),
        "{}{}",
        String::from_utf8_lossy(&redriven.stdout),
        String::from_utf8_lossy(&redriven.stderr)
    );
}
