//! `okaeri codes`: bulk commands in a process of their own, which is stopped, cut off and killed on its way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use integration::Stack;
use integration::gate::{Gate, Stop};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// What a command said, and whether it succeeded.
#[derive(Debug)]
struct Said {
    ok: bool,
    out: String,
    err: String,
}

fn command(directory: &Path, url: &str, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_integration"));
    command
        .current_dir(directory)
        .env_remove("OKAERI_API_KEY")
        .arg("codes")
        .args(words.split_whitespace())
        .args(["--url", url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn start(directory: &Path, url: &str, words: &str) -> Child {
    command(directory, url, words).spawn().unwrap()
}

async fn end(child: Child) -> Said {
    let output = child.wait_with_output().await.unwrap();
    Said {
        ok: output.status.success(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn run(directory: &Path, url: &str, words: &str) -> Said {
    end(start(directory, url, words)).await
}

impl Said {
    fn expect(self) -> Self {
        assert!(self.ok, "{self:?}");
        self
    }

    fn refused(self, with: &str) -> Self {
        assert!(!self.ok && self.err.contains(with), "{self:?}");
        self
    }
}

/// Names of the files in a directory.
fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Starts the command, kills it where the gate stops it, and leaves the gate open.
async fn killed_at(gate: &mut Gate, directory: &Path, words: &str, request: usize, stop: Stop) {
    gate.at(request, stop);
    let mut child = start(directory, &gate.url, words);
    tokio::select! {
        () = gate.stopped() => child.kill().await.unwrap(),
        _ = child.wait() => panic!("request {request} never came: {:?}", end(child).await),
    }
    gate.plan(|_| Stop::Pass);
}

async fn minted(stack: &Stack, id: &str) -> Value {
    let read = format!("GET /v1/promotions/{id}");
    let read = stack.admin(&read, Value::Null).await;
    read.expect(200).body["minted"].clone()
}

async fn mint(stack: &Stack, count: u64) -> String {
    let promotion = stack.promotion(json!({})).await;
    let id = promotion["id"].as_str().unwrap().to_owned();
    let body = json!({"count": count, "channel": "ad/x"});
    stack
        .admin(&format!("POST /v1/promotions/{id}/codes"), body)
        .await
        .expect(201);
    id
}

#[tokio::test]
async fn an_export_killed_at_every_page_and_within_it_ends_as_the_same_file() {
    let (stack, directory) = (Stack::start().await, tempfile::tempdir().unwrap());
    let directory = directory.path();
    let id = mint(&stack, 45_000).await;
    let mut gate = Gate::start(stack.running().url()).await;
    let whole = format!("export --promotion {id} --out whole.csv");
    let said = run(directory, &gate.url, &whole).await.expect();
    assert_eq!(
        said.out,
        format!("Wrote 45000 codes of {id} to whole.csv.\n")
    );
    let whole = fs::read_to_string(directory.join("whole.csv")).unwrap();
    assert_eq!(whole.lines().count(), 45_001);
    assert_eq!(whole.matches("code,status").count(), 1);

    let words = format!("export --promotion {id} --out cut.csv");
    // Each run asks for the promotion first; the k-th goes on with the k-th page.
    for page in 0..3 {
        for stop in [
            Stop::Before,
            Stop::After,
            Stop::Within(5),
            Stop::Within(100_001),
        ] {
            killed_at(&mut gate, directory, &words, 1, stop).await;
            assert!(!directory.join("cut.csv").exists());
        }
        // Past this page, to the next request.
        if page < 2 {
            killed_at(&mut gate, directory, &words, 2, Stop::Before).await;
        }
    }
    gate.plan(|_| Stop::Pass);
    run(directory, &gate.url, &words).await.expect();
    assert_eq!(gate.requests(), 2, "whole pages are not fetched again");
    assert_eq!(
        fs::read_to_string(directory.join("cut.csv")).unwrap(),
        whole
    );
    assert_eq!(files(directory), ["cut.csv", "whole.csv"]);
}

#[tokio::test]
async fn broken_answers_and_refusals_for_now_are_tried_again_within_one_run() {
    let (stack, directory) = (Stack::start().await, tempfile::tempdir().unwrap());
    let directory = directory.path();
    let id = mint(&stack, 25_000).await;
    let gate = Gate::start(stack.running().url()).await;
    gate.plan(|number| match number {
        0 | 4 => Stop::Refuse(503),
        2 => Stop::Refuse(429),
        3 => Stop::CutAt(100_000),
        6 => Stop::CutAt(0),
        _ => Stop::Pass,
    });
    let words = format!("export --promotion {id} --out -");
    let said = run(directory, &gate.url, &words).await.expect();
    assert_eq!(said.out.lines().count(), 25_001);
    assert_eq!(said.err, "");
    let words = format!("export --promotion {id} --out file.csv");
    gate.at(2, Stop::CutAt(40));
    run(directory, &gate.url, &words).await.expect();
    assert_eq!(
        fs::read_to_string(directory.join("file.csv")).unwrap(),
        said.out
    );

    gate.plan(|number| {
        if number < 2 {
            Stop::Pass
        } else {
            Stop::Refuse(503)
        }
    });
    let words = format!("export --promotion {id} --out later.csv --retry-for 0");
    run(directory, &gate.url, &words)
        .await
        .refused("The same command goes on from there");
    assert_eq!(
        files(directory),
        ["file.csv", "later.csv.part", "later.csv.state"]
    );
    gate.plan(|_| Stop::Pass);
    run(directory, &gate.url, &words).await.expect();
    assert_eq!(
        fs::read_to_string(directory.join("later.csv")).unwrap(),
        said.out
    );
}

#[tokio::test]
async fn an_interrupted_minting_begun_again_mints_what_was_asked_and_no_more() {
    let (stack, directory) = (Stack::start().await, tempfile::tempdir().unwrap());
    let directory = directory.path();
    let promotion = stack.promotion(json!({})).await;
    let id = promotion["id"].as_str().unwrap();
    let mut gate = Gate::start(stack.running().url()).await;
    let words =
        format!("mint --promotion {id} --count 250 --batch-size 100 --channel ad/x --out new.csv");
    // Before the stack sees a batch, and after it minted it, for each of three; then within the file.
    for batch in 0..3 {
        for stop in [Stop::Before, Stop::After, Stop::Within(3)] {
            killed_at(&mut gate, directory, &words, 1, stop).await;
        }
        assert_eq!(minted(&stack, id).await, (250).min(100 * (batch + 1)));
        killed_at(&mut gate, directory, &words, 2, Stop::Before).await;
    }
    for stop in [Stop::Before, Stop::Within(600)] {
        killed_at(&mut gate, directory, &words, 1, stop).await;
    }
    let said = run(directory, &gate.url, &words).await.expect();
    assert!(
        said.out
            .starts_with(&format!("Minted 250 codes of {id}.\n")),
        "{}",
        said.out
    );
    assert_eq!(said.out.matches("batch ").count(), 3);
    assert_eq!(minted(&stack, id).await, 250);
    assert_eq!(files(directory), ["new.csv"]);
    let written = fs::read_to_string(directory.join("new.csv")).unwrap();
    let all = run(
        directory,
        &gate.url,
        &format!("export --promotion {id} --out -"),
    )
    .await;
    assert_eq!(all.out, written);
    assert_eq!(written.lines().count(), 251);

    // The same words once it is done ask for more, but never over a file.
    run(directory, &gate.url, &words)
        .await
        .refused("exists already");
    let words = words.replace("new.csv", "more.csv");
    run(directory, &gate.url, &words).await.expect();
    assert_eq!(minted(&stack, id).await, 500);
}

#[tokio::test]
async fn an_unfinished_minting_goes_on_only_as_it_was_begun_and_under_the_same_key() {
    let (stack, directory) = (Stack::start().await, tempfile::tempdir().unwrap());
    let directory = directory.path();
    let promotion = stack.promotion(json!({})).await;
    let id = promotion["id"].as_str().unwrap();
    let mut gate = Gate::start(stack.running().url()).await;
    let words = format!("mint --promotion {id} --count 7 --resume left.json");
    killed_at(&mut gate, directory, &words, 1, Stop::After).await;
    let other = words.replace("--count 7", "--count 8");
    run(directory, &gate.url, &other)
        .await
        .refused("another count: 7 there, 8 now");
    let other_key = command(directory, &gate.url, &words)
        .env("OKAERI_API_KEY", "okaeri_local_checkout")
        .spawn();
    end(other_key.unwrap()).await.refused("forbidden");
    assert_eq!(files(directory), ["left.json"]);
    let kept = fs::read_to_string(directory.join("left.json")).unwrap();
    assert!(!kept.contains("okaeri_local"), "{kept}");
    let said = run(directory, &gate.url, &words).await.expect();
    assert!(said.out.contains(": 7 codes\n"), "{}", said.out);
    assert_eq!(minted(&stack, id).await, 7);
    assert!(files(directory).is_empty());
}

/// The totals a voiding printed.
fn totals(said: &Said) -> BTreeMap<&str, u64> {
    let pairs = said.out.lines().filter_map(|line| line.split_once(' '));
    pairs
        .filter_map(|(name, rest)| Some((name, rest.split(' ').next()?.parse().ok()?)))
        .collect()
}

#[tokio::test]
async fn a_voiding_killed_at_every_request_ends_with_every_code_of_the_list_void() {
    let (stack, directory) = (Stack::start().await, tempfile::tempdir().unwrap());
    let directory = directory.path();
    let id = mint(&stack, 2_300).await;
    let mut gate = Gate::start(stack.running().url()).await;
    run(
        directory,
        &gate.url,
        &format!("export --promotion {id} --out list.csv"),
    )
    .await
    .expect();
    let list = fs::read_to_string(directory.join("list.csv")).unwrap();
    let second = list.lines().nth(2).unwrap().split(',').next().unwrap();
    stack.redeem("1", second).await.expect(201);

    let words = format!("void --promotion {id} --from list.csv");
    let dry = run(directory, &gate.url, &format!("{words} --dry-run"))
        .await
        .expect();
    assert_eq!(totals(&dry)["would_be_voided"], 2_299);
    assert_eq!(totals(&dry)["already_redeemed"], 1);
    for request in 0..3 {
        for stop in [Stop::Before, Stop::After] {
            killed_at(&mut gate, directory, &words, 1, stop).await;
        }
        if request < 2 {
            killed_at(&mut gate, directory, &words, 2, Stop::Before).await;
        }
    }
    let said = run(directory, &gate.url, &words).await.expect();
    let found = totals(&said);
    assert_eq!(found["voided"] + found["already_voided"], 2_299, "{said:?}");
    assert_eq!((found["already_redeemed"], found["unknown"]), (1, 0));
    assert!(said.out.contains("this command's own"), "{}", said.out);
    let after = run(
        directory,
        &gate.url,
        &format!("export --promotion {id} --out -"),
    )
    .await;
    assert_eq!(after.out.matches(",voided,").count(), 2_299);
    assert_eq!(files(directory), ["list.csv"]);
    let again = run(directory, &gate.url, &words).await.expect();
    assert_eq!(totals(&again)["already_voided"], 2_299);
}

#[tokio::test]
async fn a_list_by_hand_voids_only_codes_of_its_promotion_and_says_what_the_others_are() {
    let (stack, directory) = (Stack::start().await, tempfile::tempdir().unwrap());
    let directory = directory.path();
    let (ours, others) = (
        stack.promotion(json!({})).await,
        stack.promotion(json!({})).await,
    );
    let group = stack.promotion(json!({"claim_code": "group"})).await;
    let id = ours["id"].as_str().unwrap();
    let (codes, foreign) = (stack.codes(&ours, 3).await, stack.codes(&others, 1).await);
    let add = format!(
        "POST /v1/promotions/{}/codes",
        group["id"].as_str().unwrap()
    );
    stack
        .admin(&add, json!({"code": "HANAKO10"}))
        .await
        .expect(201);
    let list = format!(
        "{}\r\n\r\n{}\n{}\nHANAKO10\nnot a code!\n{}\n{id}-0000-0000-0000",
        codes[0].to_lowercase(),
        codes[1],
        foreign[0],
        codes[0]
    );
    fs::write(directory.join("list"), list).unwrap();
    let url = stack.running().url();
    let words = format!("void --promotion {id} --from list");
    let dry = run(directory, url, &format!("{words} --dry-run"))
        .await
        .expect();
    assert_eq!(totals(&dry)["would_be_voided"], 2);
    let said = run(directory, url, &words).await.expect();
    let expected = "voided 2\nalready_voided 0\nalready_redeemed 0\nunknown 2\nof_other_promotions 2 (left alone; first on line 4)\nrepeated 1\n";
    assert!(said.out.ends_with(expected), "{}", said.out);
    stack.redeem("1", &foreign[0]).await.expect(201);
    stack.redeem("2", &codes[2]).await.expect(201);
    stack.redeem("3", &codes[1]).await.expect(422);

    fs::write(directory.join("words"), "hanako1o\nNOBODY\n").unwrap();
    let words = format!(
        "void --promotion {} --from words",
        group["id"].as_str().unwrap()
    );
    let found = run(directory, url, &words).await.expect();
    assert_eq!(totals(&found)["voided"], 1);
    assert_eq!(totals(&found)["of_other_promotions"], 1);
}

#[tokio::test]
async fn what_cannot_work_is_said_at_once_and_leaves_nothing_behind() {
    let (stack, directory) = (Stack::start().await, tempfile::tempdir().unwrap());
    let directory = directory.path();
    let id = mint(&stack, 3).await;
    let url = stack.running().url();
    let group = stack.promotion(json!({"claim_code": "group"})).await;
    let group = group["id"].as_str().unwrap();
    let unknown = if id == "0000" { "0001" } else { "0000" };
    for (words, said) in [
        (format!("mint --promotion {unknown} --count 1"), "not-found"),
        (
            format!("export --promotion {unknown} --out x.csv"),
            "not-found",
        ),
        (
            format!("void --promotion {unknown} --from {}", file!()),
            "not-found",
        ),
        (
            format!("mint --promotion {id} --count 1 --channel a,b"),
            "/channel",
        ),
        (
            format!("mint --promotion {group} --count 1"),
            "no single-use codes",
        ),
        (
            format!("mint --promotion {id} --count 1000000 --batch-size 1"),
            "1000 batches",
        ),
        (
            format!("export --promotion {id} --batch nope --out x.csv"),
            "not-found",
        ),
        (
            format!("export --promotion {id} --out no/where/x.csv"),
            "cannot be used",
        ),
        (
            format!("mint --promotion {id} --count 1 --out no/where/x.csv"),
            "cannot be used",
        ),
        (
            format!("void --promotion {id} --from missing"),
            "missing cannot be used",
        ),
    ] {
        let refused = run(directory, url, &words).await.refused(said);
        assert_eq!(
            (refused.out.as_str(), files(directory).len()),
            ("", 0),
            "{words}: {refused:?}"
        );
    }
    let export = format!("export --promotion {id} --out x.csv");
    let wrong = command(directory, url, &export)
        .env("OKAERI_API_KEY", "wrong")
        .spawn();
    end(wrong.unwrap()).await.refused("unauthenticated");
    run(directory, "http://127.0.0.1:9", &export)
        .await
        .refused("Nothing answers at http://127.0.0.1:9");
    run(directory, "https://shop.example", &export)
        .await
        .refused("OKAERI_API_KEY");
    run(directory, "http://shop.example", &export)
        .await
        .refused("https://");
    assert!(files(directory).is_empty());
    assert_eq!(minted(&stack, &id).await, 3);
}

/// Peak memory of a process so far, in KiB.
fn peak(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Exports `count` codes through a process; answers its peak memory in KiB, looked at before the last page's end arrives.
async fn exported(count: u64) -> u64 {
    let (stack, directory) = (Stack::start().await, tempfile::tempdir().unwrap());
    let id = mint(&stack, count).await;
    let mut gate = Gate::start(stack.running().url()).await;
    let pages = usize::try_from(count.div_ceil(20_000)).unwrap();
    gate.at(pages, Stop::Within(10_000));
    let words = format!("export --promotion {id} --out all.csv");
    let mut child = start(directory.path(), &gate.url, &words);
    gate.stopped().await;
    let peak = peak(&child);
    child.kill().await.unwrap();
    gate.plan(|_| Stop::Pass);
    run(directory.path(), &gate.url, &words).await.expect();
    let bytes = fs::metadata(directory.path().join("all.csv"))
        .unwrap()
        .len();
    assert_eq!(bytes, 41 + count * 34);
    peak
}

#[tokio::test]
async fn an_export_of_a_million_takes_no_more_memory_than_one_of_a_hundred_thousand() {
    let (few, many) = (exported(100_000).await, exported(1_000_000).await);
    assert!(many < few + 4 * 1024, "{few} KiB, then {many} KiB");
}
