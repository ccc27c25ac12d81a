//! `okaeri doctor`: finds what is wrong, and only that, and sets right what it may.

mod corruptions;
mod life;
pub(crate) mod table;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corruptions::Corrupted;
use integration::faults::{Fault, FaultProxy};
use integration::{Stack, redemption};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::store::{AuditMode, AuditProgress, AuditReport, Repair, Store};
use table::{Table, number, set_number, sk};

async fn audit(stack: &Stack, store: &Store, mode: AuditMode) -> AuditReport {
    store
        .audit(mode, stack.clock().now(), &mut |_| {})
        .await
        .unwrap()
}

/// All differences as a person reads them.
fn told(report: &AuditReport) -> Vec<String> {
    report.differences.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_clean_table_shows_no_difference_whatever_happened_in_it() {
    let stack = Stack::start().await;
    life::live(&stack).await;
    // Until all is counted, the statistics change.
    stack.advance("PT0S").await;
    let store = stack.running().store().unwrap();
    for mode in [AuditMode::Look, AuditMode::Repair] {
        let before = Table::of(&stack).all_items().await;
        let report = audit(&stack, &store, mode).await;
        assert_eq!(told(&report), [""; 0]);
        assert_eq!((report.open, report.unknown), (0, 0));
        assert_eq!(report.items, u64::try_from(before.len()).unwrap());
        assert_eq!(Table::of(&stack).all_items().await, before);
    }
}

/// A generator of numbers that are the same in every run (xorshift, G. Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn of_100_seeded_corruptions_100_are_found_and_those_repaired_stay_so() {
    let stack = Stack::start().await;
    life::live(&stack).await;
    let (table, store) = (Table::of(&stack), stack.running().store().unwrap());
    let whole = table.items().await;
    let corruptions = corruptions::all();
    assert!(corruptions.len() >= 20);
    let (mut dice, mut missed, mut repaired) = (Dice(20_261_122), Vec::new(), 0);
    for round in 0..100 {
        let (name, fits, corrupt) = corruptions[round % corruptions.len()];
        let fitting: Vec<_> = whole.iter().filter(|item| fits(item)).collect();
        assert!(!fitting.is_empty(), "nothing in the table fits {name}");
        let item = fitting[dice.below(fitting.len())];
        match corrupt(item.clone()) {
            Corrupted::Changed(wrong) => table.put(&wrong).await,
            Corrupted::Deleted => table.delete(item).await,
        }
        let place = format!("{name} ({} {})", table::pk(item), sk(item));
        let wrong = table.items().await;
        let found = audit(&stack, &store, AuditMode::Look).await;
        assert_eq!(
            table.items().await,
            wrong,
            "looking wrote something: {place}"
        );
        if found.differences.is_empty() {
            missed.push(place.clone());
        }
        let by_repair = audit(&stack, &store, AuditMode::Repair).await;
        let again = audit(&stack, &store, AuditMode::Look).await;
        assert_eq!(
            again.differences.len(),
            by_repair.left(),
            "{place}: {:?}\nthen {:?}",
            told(&by_repair),
            told(&again)
        );
        assert!(
            again
                .differences
                .iter()
                .all(|left| left.repair == Repair::ByHand),
            "{place}: {:?}",
            told(&again)
        );
        repaired += usize::from(again.differences.is_empty());
        table.restore(&whole).await;
    }
    assert_eq!(missed, [""; 0]);
    assert!(repaired >= 60, "only {repaired} of 100 were repaired");
    assert_eq!(told(&audit(&stack, &store, AuditMode::Look).await), [""; 0]);
}

#[tokio::test]
async fn a_record_that_contradicts_itself_repairs_nothing_else() {
    let stack = Stack::start().await;
    life::live(&stack).await;
    let (table, store) = (Table::of(&stack), stack.running().store().unwrap());
    let whole = table.items().await;
    for status in ["cancelled", "paid"] {
        let mut record = whole
            .iter()
            .find(|item| table::pk(item) == "order#single-1")
            .unwrap()
            .clone();
        table::set_text(&mut record, "status", status);
        table.put(&record).await;
        let wrong = table.items().await;
        let report = audit(&stack, &store, AuditMode::Repair).await;
        assert!(report.differences.len() > 1, "{:?}", told(&report));
        assert_eq!(
            report.left(),
            report.differences.len(),
            "{:?}",
            told(&report)
        );
        assert_eq!(table.items().await, wrong);
        table.restore(&whole).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_running_redemptions_the_doctor_finds_nothing_and_breaks_nothing() {
    let stack = Arc::new(Stack::start().await);
    let limits =
        json!({"budget": 1_000_000, "redemptions": 5_000, "per_customer": 1_000, "shards": 2});
    let promotion = stack.promotion(json!({"limits": limits})).await;
    let codes = stack.codes(&promotion, 600).await;
    let open = Arc::new(AtomicBool::new(true));
    let mut tills = Vec::new();
    for (till, codes) in codes.chunks(150).enumerate() {
        let (stack, codes, open) = (stack.clone(), codes.to_vec(), open.clone());
        tills.push(tokio::spawn(async move {
            for (index, code) in codes.iter().enumerate() {
                if !open.load(Ordering::SeqCst) {
                    return index;
                }
                let order = format!("{till}-{index}");
                let mut body = redemption(&[code]);
                body["customer"] = json!({"id": "7"});
                if index % 3 == 0 {
                    body["hold_seconds"] = json!(3_600);
                }
                stack
                    .checkout(&format!("PUT /v1/redemptions/{order}"), body)
                    .await
                    .expect(201);
                let then = ["confirm", "cancel"][index % 2];
                let call = format!("POST /v1/redemptions/{order}/{then}");
                stack.checkout(&call, Value::Null).await.expect(200);
            }
            codes.len()
        }));
    }
    // Bulk, and a slow table, so that a scan takes many pages and orders come in between them.
    let table = Table::of(&stack);
    for number in 0..4 {
        for kind in ["idempotency", "person"] {
            let key = format!("{kind}#{number}");
            let bulk = "x".repeat(350_000);
            let item = json!({"pk": {"S": key}, "sk": {"S": "bulk"}, "bulk": {"S": bulk}});
            table.put(&item).await;
        }
    }
    let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
    proxy.plan(|operation| match operation {
        "Scan" => Fault::ApplyThenHold(Duration::from_millis(20)),
        _ => Fault::Pass,
    });
    let env = stack.env_through(&proxy.url);
    let store = Store::connect(&env, &Aws::from_env(&env).unwrap()).unwrap();
    let mut looked_twice = 0;
    for mode in [AuditMode::Look, AuditMode::Repair]
        .into_iter()
        .cycle()
        .take(2)
    {
        let mut passes = 0;
        let mut progress = |at: AuditProgress| passes = at.pass;
        let report = store.audit(mode, stack.clock().now(), &mut progress).await;
        let report = report.unwrap();
        assert_eq!(told(&report), [""; 0]);
        looked_twice += u32::from(passes > 1);
    }
    assert!(looked_twice > 0, "no scan met an order on its way");
    open.store(false, Ordering::SeqCst);
    let mut orders = 0;
    for till in tills {
        orders += till.await.unwrap();
    }
    assert!(orders > 0);
    let report = audit(&stack, &store, AuditMode::Look).await;
    assert_eq!((told(&report), report.open), (Vec::new(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_repairs_at_once_correct_a_sum_once() {
    let stack = Arc::new(Stack::start().await);
    let promotion = stack
        .promotion(json!({"limits": {"budget": 10_000, "shards": 2}}))
        .await;
    let code = stack.codes(&promotion, 1).await.remove(0);
    stack.redeem("1", &code).await.expect(201);
    let table = Table::of(&stack);
    for mut shard in table.items().await {
        if sk(&shard) == "shard" {
            let more = number(&shard, "budget_left") + 100;
            set_number(&mut shard, "budget_left", more);
            table.put(&shard).await;
        }
    }
    let repair = || {
        let stack = stack.clone();
        tokio::spawn(async move {
            let store = stack.running().store().unwrap();
            audit(&stack, &store, AuditMode::Repair).await
        })
    };
    let (one, other) = (repair(), repair());
    one.await.unwrap();
    other.await.unwrap();
    let store = stack.running().store().unwrap();
    assert_eq!(told(&audit(&stack, &store, AuditMode::Look).await), [""; 0]);
}

#[tokio::test]
async fn a_counter_put_back_by_a_restore_is_raised_before_codes_are_handed_out_twice() {
    let stack = Stack::start().await;
    let promotion = stack.promotion(json!({})).await;
    let first = stack.codes(&promotion, 10).await;
    let table = Table::of(&stack);
    let items = table.items().await;
    let old = items.iter().find(|item| sk(item) == "counter").unwrap();
    let second = stack.codes(&promotion, 10).await;
    stack.redeem("1", &second[4]).await.expect(201);
    // The counter and its batches are as they were; what was redeemed since is not lost.
    table.put(old).await;
    for batch in table.items().await {
        if sk(&batch).starts_with("batch#") && !items.contains(&batch) {
            table.delete(&batch).await;
        }
    }
    let store = stack.running().store().unwrap();
    let report = audit(&stack, &store, AuditMode::Repair).await;
    let behind = report
        .differences
        .iter()
        .find(|found| found.repair == Repair::Done)
        .unwrap();
    assert_eq!(
        (behind.expected.as_str(), behind.found.as_str()),
        ("at least 15", "10")
    );
    stack.advance("PT1M").await;
    let fresh = stack.codes(&promotion, 10).await;
    let known: Vec<_> = first.iter().chain(&second[..5]).collect();
    assert!(fresh.iter().all(|code| !known.contains(&code)));
    let path = format!(
        "GET /v1/promotions/{}/codes?limit=100",
        promotion["id"].as_str().unwrap()
    );
    let listed = stack.admin(&path, Value::Null).await.expect(200).body;
    assert!(listed["codes"].as_array().unwrap().len() >= 20);
}

#[tokio::test]
async fn the_command_says_by_its_exit_status_whether_the_books_agree() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let doctor = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_integration"));
        let output = command
            .arg("doctor")
            .args(more)
            .arg("--data")
            .arg(&data)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), said)
    };
    assert_eq!(doctor(&[]).0, 2, "there is no data");
    let stack = Stack::start_in(&data).await;
    let limits = json!({"budget": 10_000, "per_customer": 3});
    let promotion = stack.promotion(json!({"limits": limits})).await;
    let codes = stack.codes(&promotion, 2).await;
    let mut body = redemption(&[&codes[0]]);
    body["customer"] = json!({"email": "hanako@example.jp"});
    stack
        .checkout("PUT /v1/redemptions/1", body)
        .await
        .expect(201);
    let (status, said) = doctor(&[]);
    assert_eq!(status, 0, "{said}");
    let table = Table::of(&stack);
    for mut item in table.items().await {
        if sk(&item) == "shard" {
            set_number(&mut item, "budget_left", 10_000);
            table.put(&item).await;
        }
    }
    let (status, said) = doctor(&[]);
    assert_eq!(status, 1, "{said}");
    let id = promotion["id"].as_str().unwrap();
    assert!(
        said.contains(&format!(
            "promotion {id}): expected 9604, found 10000. --repair sets it right."
        )),
        "{said}"
    );
    let (status, said) = doctor(&["--repair"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("Repaired."), "{said}");
    stack.stop().await;
    let (status, said) = doctor(&[]);
    assert_eq!(status, 0, "{said}");
    assert!(
        !said.contains(&codes[0]) && !said.contains("hanako"),
        "{said}"
    );
}
