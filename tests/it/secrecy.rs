//! No code text and nobody's address where they do not belong.

use std::path::{Path, PathBuf};

use integration::{Process, completed};
use serde_json::{Value, json};
use shared::clock::Clock;

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
