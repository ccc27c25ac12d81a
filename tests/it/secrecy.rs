//! No code text and nobody's address where they do not belong.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use integration::{Process, completed, redemption};
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::doctor::table::{Table, number, pk, sk};
use crate::main_job::code_in;

#[tokio::test]
async fn no_code_text_reaches_the_table_the_logs_or_a_url() {
    let directory = tempfile::tempdir().unwrap();
    let stack = Process::start(env!("CARGO_BIN_EXE_integration"), directory.path());
    let caller = &stack.caller;
    let promotion = caller.promotion(json!({})).await;
    caller.follow_up(&promotion, json!({})).await;
    let clock = Clock::default();
    caller
        .standard_webhook(
            &clock,
            &completed("1", json!({"customer": {"email": "sachiko@example.jp"}})),
        )
        .await
        .expect(200);
    let mut codes = caller.codes(&promotion, 20).await;
    caller.redeem("10", &codes[0]).await.expect(201);
    caller
        .checkout("POST /v1/redemptions/10/cancel", Value::Null)
        .await
        .expect(200);
    caller.redeem("11", &codes[1]).await.expect(201);
    caller.redeem("12", &codes[1]).await.expect(409);
    caller.advance("P3D").await;
    let inbox = caller.inbox().await;
    let mailed = code_in(&inbox[0], &promotion);
    caller.redeem("13", &mailed).await.expect(201);
    let html = inbox[0]["html"].as_str().unwrap();
    for link in html
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        let sent_to_a_server = link.split('#').next().unwrap();
        assert!(!sent_to_a_server.contains(&mailed[5..]), "{link}");
    }
    codes.push(mailed);
    let logs = stack.kill();

    let id = promotion["id"].as_str().unwrap();
    let mut kept = 0;
    // The inbox is what people read, not part of the product's data.
    let files = files(directory.path())
        .into_iter()
        .filter(|file| !name(file).starts_with("inbox"));
    let mut places: Vec<(String, Vec<u8>)> = files
        .map(|file| (name(&file), std::fs::read(&file).unwrap()))
        .collect();
    places.push(("the logs".to_owned(), logs.into_bytes()));
    for (place, bytes) in &places {
        kept += usize::from(holds(bytes, id));
        for code in &codes {
            for text in [code.clone(), code.replace('-', ""), code[5..].to_owned()] {
                assert!(!holds(bytes, &text), "a code's text is in {place}");
            }
        }
        let may_hold_addresses = place.contains("db") || place.contains("sqlite");
        assert!(
            may_hold_addresses || !holds(bytes, "sachiko@example.jp"),
            "an address is in {place}"
        );
    }
    assert!(kept > 0, "the scan did not see the table");
}

/// Buyers' addresses, one for each provider, and what becomes of each: mailed, mailed, bounced, forgotten while due.
const BUYERS: [(&str, &str); 4] = [
    ("standard", "sachiko@example.jp"),
    ("shopify", "kazuo@example.jp"),
    ("woocommerce", "bounce+michiko@simulator.amazonses.com"),
    ("stripe", "tsuneo@example.jp"),
];
const STAFF: &str = "tencho@shop.example";
/// What `orders send` calls every buyer, and what a checkout knows of one.
const NAME: &str = "花子";
const PHONE: &str = "+819011112222";
const CUSTOMER_ID: &str = "himitsu-7788";

async fn send_orders(stack: &Process, directory: &Path, number: u64) {
    for (index, (provider, email)) in (number..).zip(BUYERS) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_integration"));
        command.args(["orders", "send", "--provider", provider, "--email", email]);
        command.args(["--order-id", &index.to_string()]);
        command.arg("--data").arg(directory);
        let output = command.output().await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
    }
    stack.caller.advance("PT1S").await;
}

/// Quotes, redeems, holds, confirms, returns, cancels and tries in vain, each as a customer who is known by everything.
async fn trade(stack: &Process, codes: &[String]) {
    let caller = &stack.caller;
    let customer = json!({"id": CUSTOMER_ID, "email": BUYERS[0].1, "phone": PHONE});
    let body = |code: &str| {
        let mut body = redemption(&[code]);
        body["customer"] = customer.clone();
        body
    };
    caller
        .checkout("POST /v1/quotes", body(&codes[0]))
        .await
        .expect(200);
    for (order, code) in ["700", "701", "702"].iter().zip(codes) {
        let mut body = body(code);
        body["hold_seconds"] = json!(60);
        let call = format!("PUT /v1/redemptions/{order}");
        caller.checkout(&call, body).await.expect(201);
    }
    let after = |call: &'static str| caller.checkout(call, Value::Null);
    after("POST /v1/redemptions/700/confirm").await.expect(200);
    after("POST /v1/redemptions/701/cancel").await.expect(200);
    let returned = json!({"return_id": "r1", "lines": [{"line": 0, "quantity": 1}]});
    caller
        .checkout("POST /v1/redemptions/700/returns", returned)
        .await
        .expect(200);
    let unknown = body("ZZZZ-7K3M-9QXA-2F4T");
    caller
        .checkout("PUT /v1/redemptions/703", unknown)
        .await
        .expect(404);
    let again = body(&codes[0]);
    caller
        .checkout("PUT /v1/redemptions/704", again)
        .await
        .expect(409);
    let code = json!({"code": codes[3]});
    caller
        .admin("POST /v1/codes/lookup", code)
        .await
        .expect(200);
    let codes = json!({"codes": [codes[3]]});
    caller.admin("POST /v1/codes/void", codes).await.expect(200);
}

fn personal() -> Vec<&'static str> {
    let addresses = BUYERS.iter().map(|(_, email)| *email);
    let addresses = addresses.flat_map(|email| [email, email.split_once('@').unwrap().0]);
    addresses.chain([STAFF, NAME, PHONE, CUSTOMER_ID]).collect()
}

#[tokio::test]
async fn after_a_run_through_every_function_addresses_names_and_codes_are_only_where_they_belong() {
    let directory = tempfile::tempdir().unwrap();
    let stack = Process::start(env!("CARGO_BIN_EXE_integration"), directory.path());
    let caller = &stack.caller;
    let limits = json!({"budget": 100_000, "per_customer": 5});
    let promotion = caller.promotion(json!({"limits": limits})).await;
    let id = promotion["id"].as_str().unwrap();
    let follow_up = caller.follow_up(&promotion, json!({})).await;
    let follow_up = follow_up["id"].as_str().unwrap();
    let mut codes = caller.codes(&promotion, 4).await;
    let customers =
        json!({"customers": [{"email": BUYERS[1].1, "phone": PHONE, "id": CUSTOMER_ID}]});
    let bind = format!("POST /v1/promotions/{id}/codes");
    caller.admin(&bind, customers).await.expect(201);
    trade(&stack, &codes).await;
    let to = json!({"to": STAFF});
    caller
        .admin(&format!("POST /v1/follow-ups/{follow_up}/test"), to)
        .await
        .expect(200);

    send_orders(&stack, directory.path(), 100).await;
    caller.advance("P3D").await;
    let inbox = caller.inbox().await;
    assert_eq!(inbox.len(), 5, "the test mail and one to each buyer");
    codes.extend(inbox[1..].iter().map(|mail| code_in(mail, &promotion)));
    let unsubscribe = inbox.iter().find(|mail| mail["to"] == json!([BUYERS[0].1]));
    let link = unsubscribe.unwrap()["headers"]["List-Unsubscribe"]
        .as_str()
        .unwrap();
    let path = link.trim_matches(['<', '>']).splitn(4, '/').nth(3).unwrap();
    let one_click = caller.request(reqwest::Method::POST, &format!("/{path}"));
    caller.send(one_click).await.expect(200);
    send_orders(&stack, directory.path(), 200).await;
    let forget = json!({"email": BUYERS[3].1});
    let forgotten = caller.admin("POST /v1/customers/forget", forget).await;
    assert_eq!(forgotten.expect(200).body["mails_withdrawn"], 1);
    let mut odd = completed("1", json!({"customer": {"email": BUYERS[1].1}}));
    odd["data"]["order_id"] = json!("#1");
    let mut clock = Clock::default();
    clock = {
        clock.advance(TimeDelta::days(3));
        clock
    };
    let kept = caller.standard_webhook(&clock, &odd).await.expect(200).body;
    assert_eq!(kept["quarantined"], true);
    caller.advance("P1D").await;

    let address = std::fs::read(directory.path().join("stack.json")).unwrap();
    let address: Value = serde_json::from_slice(&address).unwrap();
    let table = Table::at(address["dynamodb_url"].as_str().unwrap(), "okaeri-local");
    let items = table.items().await;
    let kinds: std::collections::BTreeSet<&str> = items
        .iter()
        .map(|item| pk(item).split('#').next().unwrap())
        .collect();
    for kind in [
        "mail",
        "person",
        "thank-you",
        "order",
        "customer",
        "attempts",
        "test-mail",
    ] {
        assert!(kinds.contains(kind), "the run left no {kind}: {kinds:?}");
    }
    let mut contacts = 0;
    for item in &items {
        let text = item.to_string();
        if pk(item).starts_with("person#") && sk(item) == "contact" {
            contacts += 1;
            // Eight days: what the clock moved and what the last mails wait for.
            let longest = Clock::default().now() + TimeDelta::days(30 + 8);
            assert!(
                (1..longest.timestamp()).contains(&number(item, "ttl")),
                "{text}"
            );
            assert!(
                !text.contains(BUYERS[3].1),
                "the forgotten one is still there"
            );
            continue;
        }
        for personal in personal() {
            assert!(!text.contains(personal), "{personal} is in {text}");
        }
        for code in &codes {
            assert!(!holds(text.as_bytes(), &code[5..]), "a code is in {text}");
        }
    }
    assert_eq!(contacts, 3, "one for each buyer but the forgotten one");

    let logs = stack.kill();
    assert!(logs.contains("worked on a mail"), "the run was not logged");
    let kept_apart = |file: &Path| {
        let name = name(file);
        name.starts_with("inbox") || name.starts_with("table.db")
    };
    let files = files(directory.path())
        .into_iter()
        .filter(|file| !kept_apart(file));
    let mut places: Vec<(String, Vec<u8>)> = files
        .map(|file| (name(&file), std::fs::read(&file).unwrap()))
        .collect();
    places.push(("the logs".to_owned(), logs.into_bytes()));
    for (place, bytes) in &places {
        for personal in personal() {
            assert!(!holds(bytes, personal), "{personal} is in {place}");
        }
        for code in &codes {
            assert!(!holds(bytes, &code[5..]), "a code's text is in {place}");
        }
    }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
