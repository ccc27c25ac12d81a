//! One order to its mail, and one cancelled on the way, with a death at every request that a function makes for them.
//!
//! The path is receive-order → queue → order-completed → table → send-mail → SES → mail-feedback, and tally beside it. What a
//! function on Lambda loses when it is killed is its memory, and here the whole stack's process dies by SIGKILL, every function
//! with all its state, so this is no kinder. What schedules ask again and again while nothing is due is taken once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use integration::points::{Moment, Mortal, Point};
use integration::{Caller, completed};
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::delivery;
use crate::outcome::assert_all_done;
use crate::say;

/// Stacks that run side by side. Each mostly waits: three kept two cores busy for a third of the time.
const AT_ONCE: usize = 4;
/// How often a point is tried that a run did not come by: what tally counts together depends on what it finds.
const TRIES: usize = 3;

/// Kinds of requests that the path makes at least; SES's `SendEmail` goes by the end of its path.
const OPERATIONS: [&str; 5] = [
    "SendMessage",
    "Query",
    "GetItem",
    "TransactWriteItems",
    "outbound-emails",
];
/// Requests of the path at least: 3 into the queue; 12 to 18 about events, markers, codes and contacts; 8 to send a mail; 8 to take
/// in what SES reports of it; 3 to count it.
const FEWEST: usize = 34;

/// What the shop does, one after the other.
enum Step {
    /// Tells an event, until it is taken.
    Tell(Value),
    /// Lets time pass and everything due be done.
    Wait(&'static str),
}

fn story() -> Vec<Step> {
    let order = |id: &str| {
        completed(
            id,
            json!({"customer": {"email": format!("{id}@example.jp")}}),
        )
    };
    let mut cancelled = order("cancelled");
    cancelled["type"] = json!("order.cancelled");
    vec![
        Step::Tell(order("kept")),
        Step::Tell(order("cancelled")),
        Step::Wait("PT0S"),
        Step::Tell(cancelled),
        Step::Wait("P3D"),
        // What was on its way is settled, or sent again, within two hours.
        Step::Wait("PT2H"),
    ]
}

/// A stack's directory with a follow-up in it; its promotion's id.
async fn prepare(directory: &Path) -> String {
    let process = delivery::start(directory);
    let promotion = process.caller.promotion(json!({})).await;
    let terms = json!({"conditions": {"cooldown_days": 30}});
    process.caller.follow_up(&promotion, terms).await;
    process.kill();
    promotion["id"].as_str().unwrap().to_owned()
}

/// Runs the story on a copy of `prepared`, with a death at `point`. Answers the requests made, or `None` if the run did not come
/// by the point.
async fn live_through(
    prepared: &Path,
    promotion: &str,
    point: Option<(Point, Moment)>,
) -> Option<BTreeMap<String, usize>> {
    let directory = tempfile::tempdir().unwrap();
    copy(prepared, directory.path());
    let mortal = Mortal::new(env!("CARGO_BIN_EXE_integration"), directory.path()).await;
    let told = format!("{point:?}");
    if let Some((point, moment)) = point.clone() {
        mortal.die_at(point, moment);
    }
    let clock = Clock::default();
    let mut caller = rise(&mortal);
    for step in story() {
        while !take(&caller, &clock, &step).await {
            if !mortal.is_alive() {
                caller = rise(&mortal);
            }
        }
    }
    let seen = mortal.seen();
    if point.is_some() && mortal.is_armed() {
        return None;
    }
    // The death may have been the last thing that happened.
    if !mortal.is_alive() {
        caller = rise(&mortal);
    }
    judge(&caller, promotion, &told).await;
    mortal.kill();
    assert_all_done(directory.path());
    Some(seen)
}

/// Lives again, also if that life ends at once.
fn rise(mortal: &Mortal) -> Caller {
    loop {
        if let Some(caller) = tokio::task::block_in_place(|| mortal.live()) {
            return caller;
        }
        mortal.kill();
    }
}

/// Takes a step; whether it was taken is known only if the stack said so.
async fn take(caller: &Caller, clock: &Clock, step: &Step) -> bool {
    let request = match step {
        Step::Tell(event) => caller.signed(clock, event),
        Step::Wait(by) => caller
            .request(reqwest::Method::POST, "/local/clock")
            .json(&json!({"advance": by})),
    };
    let answer = caller.try_send(request).await;
    answer.is_ok_and(|answer| {
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text);
        answer.status == 200
    })
}

async fn judge(caller: &Caller, promotion: &str, told: &str) {
    let inbox = caller.inbox().await;
    let [mail] = &inbox[..] else {
        panic!("{told}: {inbox:?}");
    };
    assert_eq!(mail["to"], json!(["kept@example.jp"]), "{told}");
    let path = format!("GET /v1/promotions/{promotion}/codes");
    let page = caller.admin(&path, Value::Null).await.expect(200).body;
    let codes = page["codes"].as_array().unwrap();
    let text = mail["text"].as_str().unwrap();
    for code in codes {
        let is_mailed = text.contains(code["code"].as_str().unwrap());
        let status = if is_mailed { "unused" } else { "voided" };
        assert_eq!(code["status"], status, "{told}: {codes:?}");
    }
    assert_eq!(codes.len(), 2, "{told}: {codes:?}");
    for (id, field, value) in [
        ("kept", "mail", "sent"),
        ("cancelled", "reason", "cancelled"),
    ] {
        let order = caller
            .admin(&format!("GET /v1/orders/{id}"), Value::Null)
            .await;
        let order = order.expect(200).body;
        let decisions = order["follow_ups"].as_array().unwrap();
        assert_eq!(decisions.len(), 1, "{told}: {order}");
        assert_eq!(decisions[0][field], value, "{told}: {order}");
    }
}

/// All points of a run in which nobody died.
fn points(seen: &BTreeMap<String, usize>) -> Vec<Point> {
    let each = seen.iter().flat_map(|(request, count)| {
        let count = if is_asked_again_and_again(request) {
            1
        } else {
            *count
        };
        (0..count).map(|number| Point {
            request: request.clone(),
            number,
        })
    });
    each.collect()
}

/// What schedules ask for also while nothing is due.
fn is_asked_again_and_again(request: &str) -> bool {
    request.starts_with("Query due") || request.starts_with("GetItem sending")
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_and_after_each_request_of_the_path_an_order_has_one_code_and_one_mail() {
    let began = std::time::Instant::now();
    let prepared = tempfile::tempdir().unwrap();
    let promotion: Arc<str> = prepare(prepared.path()).await.into();
    let seen = live_through(prepared.path(), &promotion, None)
        .await
        .unwrap();
    say(&format!("{} s, {seen:?}", began.elapsed().as_secs()));
    let all: Vec<(Point, Moment)> = points(&seen)
        .into_iter()
        .flat_map(|point| [Moment::Before, Moment::After].map(|moment| (point.clone(), moment)))
        .collect();
    let runs = all.iter().cloned().map(|(point, moment)| {
        let (prepared, promotion) = (prepared.path().to_owned(), Arc::clone(&promotion));
        async move {
            for _ in 0..TRIES {
                let run = live_through(&prepared, &promotion, Some((point.clone(), moment)));
                if run.await.is_some() {
                    return Some((point.request, moment));
                }
            }
            None
        }
    });
    let runs = runs.map(|run| async { tokio::spawn(run).await.unwrap() });
    let met: Vec<_> = futures_util::stream::iter(runs)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let deaths = met.iter().flatten().count();
    let met: BTreeSet<_> = met.into_iter().flatten().collect();
    say(&format!(
        "{} s, {deaths} deaths at {} points",
        began.elapsed().as_secs(),
        all.len() / 2
    ));
    for (point, moment) in &all {
        assert!(
            met.contains(&(point.request.clone(), *moment)),
            "never met: {moment:?} {}",
            point.request
        );
    }
    let operations = met
        .iter()
        .filter_map(|(request, _)| request.split(' ').next());
    let operations: BTreeSet<&str> = operations.collect();
    for operation in OPERATIONS {
        assert!(
            operations.contains(operation),
            "{operation}: {operations:?}"
        );
    }
    assert!(all.len() >= 2 * FEWEST, "{all:?}");
}
