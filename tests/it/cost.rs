//! What each operation asks of the table and costs: the units are measured, and held to `docs/cost.md`.

mod prices;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use integration::{Stack, completed, redemption};
use okaeri::local::{Meter, Options, Usage};
use prices::{AS_OF, Bill, MEMORY_MB, REGIONS};
use serde_json::{Value, json};

/// Set to write the table instead of comparing it.
const RENEW: &str = "OKAERI_RENEW_COST";

/// A stack whose table tells what it is asked.
struct Bench {
    stack: Stack,
    meter: Meter,
    rows: Vec<(&'static str, Bill)>,
}

impl Bench {
    async fn start() -> Self {
        let meter = Meter::default();
        let stack = Stack::start_with(Options {
            port: 0,
            meter: Some(meter.clone()),
            ..Options::default()
        })
        .await;
        Self {
            stack,
            meter,
            rows: Vec::new(),
        }
    }

    /// What `function` asks of the table for a call that is answered with `status`.
    async fn call(&self, function: &str, call: &str, body: Value, status: u16) -> (Usage, Value) {
        let _ = self.meter.take();
        let answer = self.stack.admin(call, body).await.expect(status);
        (self.meter.of(function), answer.body)
    }

    /// What `function` asks of the table until nothing is left to do, queries of the due index and looks at whether mail goes out
    /// apart: those it asks in each run, whatever there is to do.
    async fn settled(&self, function: &str, advance: &str) -> Usage {
        self.stack.advance(advance).await;
        self.counted(function)
    }

    fn counted(&self, function: &str) -> Usage {
        let mut sum = Usage::default();
        let asked = self.meter.take();
        for (_, usage) in asked.iter().filter(|(asked, _)| {
            asked.function == function && !["due", "sending"].contains(&asked.kind.as_str())
        }) {
            sum += *usage;
        }
        sum
    }

    fn note(&mut self, operation: &'static str, bill: Bill) {
        self.rows.push((operation, bill));
    }

    /// A call from outside: the API and one invocation.
    fn note_call(&mut self, operation: &'static str, usage: Usage) {
        let (http, invocations) = (1, 1);
        self.note(
            operation,
            Bill {
                usage,
                http,
                invocations,
                ..Bill::default()
            },
        );
    }

    /// Such a call of the admin API that reads.
    async fn note_read(&mut self, operation: &'static str, call: &str) {
        let mut read = Vec::new();
        for _ in 0..TIMES {
            let (usage, _) = self.call("create-promotion", call, Value::Null, 200).await;
            read.push(usage);
        }
        self.note_call(operation, least(read));
    }
}

/// Of several measurements the one with the fewest requests: the others' remembered terms or key had run out.
fn least(of: impl IntoIterator<Item = Usage>) -> Usage {
    let key = |usage: &Usage| (usage.requests, usage.half_writes, usage.half_reads);
    of.into_iter().min_by_key(key).unwrap()
}

fn with_customer(code: &str, order: u32) -> Value {
    let mut body = redemption(&[code]);
    body["customer"] = json!({"email": format!("buyer-{order}@example.jp")});
    body
}

/// Times each operation is measured.
const TIMES: u32 = 3;

async fn staff(bench: &mut Bench) {
    let mut created = Vec::new();
    let mut minted = Vec::new();
    let (mut listed, mut looked_up, mut voided, mut read) = (vec![], vec![], vec![], vec![]);
    for _ in 0..TIMES {
        let body = json!({"name": "Test", "currency": "JPY", "benefit": {"type": "percent_off", "percent": 10}});
        let (usage, promotion) = bench
            .call("create-promotion", "POST /v1/promotions", body, 201)
            .await;
        created.push(usage);
        let id = promotion["id"].as_str().unwrap();
        let path = format!("/v1/promotions/{id}/codes");
        let call = format!("POST {path}");
        let (usage, _) = bench
            .call("create-promotion", &call, json!({"count": 1000}), 201)
            .await;
        minted.push(usage);
        let call = format!("GET {path}");
        let (usage, page) = bench
            .call("create-promotion", &call, Value::Null, 200)
            .await;
        listed.push(usage);
        let code = page["codes"][0]["code"].as_str().unwrap();
        assert_eq!(page["codes"].as_array().unwrap().len(), 1000);
        let one = json!({"code": code});
        let (usage, _) = bench
            .call("create-promotion", "POST /v1/codes/lookup", one, 200)
            .await;
        looked_up.push(usage);
        let one = json!({"codes": [code]});
        let (usage, _) = bench
            .call("create-promotion", "POST /v1/codes/void", one, 200)
            .await;
        voided.push(usage);
        let call = format!("GET /v1/promotions/{id}");
        let (usage, _) = bench
            .call("create-promotion", &call, Value::Null, 200)
            .await;
        read.push(usage);
    }
    bench.note_call("create a promotion", least(created));
    bench.note_call("read a promotion", least(read));
    bench.note_call("mint 1,000 codes", least(minted));
    bench.note_call("list a page of 1,000 codes", least(listed));
    bench.note_call("look up a code", least(looked_up));
    bench.note_call("void a code", least(voided));
}

/// Quotes, redeems and undoes what single-use codes of one promotion give; `terms` are the promotion's.
async fn checkout(bench: &mut Bench, terms: Value, [quote, redeem]: [&'static str; 2], rest: bool) {
    let promotion = bench.stack.promotion(terms).await;
    let codes = bench.stack.codes(&promotion, 9).await;
    let mut orders = 0;
    let (mut quoted, mut redeemed, mut repeated) = (vec![], vec![], vec![]);
    let (mut held, mut confirmed, mut cancelled, mut returned) = (vec![], vec![], vec![], vec![]);
    let of = "redeem-code";
    for code in codes.chunks(3) {
        let id = promotion["id"].as_str().unwrap();
        orders += 1;
        let path = format!("/v1/redemptions/{id}-{orders}");
        let body = with_customer(&code[0], orders);
        let (usage, _) = bench.call(of, "POST /v1/quotes", body.clone(), 200).await;
        let (again, _) = bench.call(of, "POST /v1/quotes", body.clone(), 200).await;
        quoted.extend([usage, again]);
        let put = format!("PUT {path}");
        redeemed.push(bench.call(of, &put, body.clone(), 201).await.0);
        repeated.push(bench.call(of, &put, body, 200).await.0);
        let back = json!({"return_id": "r", "lines": [{"line": 0, "quantity": 1}]});
        let call = format!("POST {path}/returns");
        returned.push(bench.call(of, &call, back, 200).await.0);
        let call = format!("POST {path}/cancel");
        cancelled.push(bench.call(of, &call, Value::Null, 200).await.0);
        let mut body = with_customer(&code[1], orders);
        body["hold_seconds"] = json!(600);
        let call = format!("PUT {path}-held");
        held.push(bench.call(of, &call, body, 201).await.0);
        let call = format!("POST {path}-held/confirm");
        confirmed.push(bench.call(of, &call, Value::Null, 200).await.0);
    }
    bench.note_call(quote, least(quoted));
    bench.note_call(redeem, least(redeemed));
    if rest {
        assert_eq!(
            least(repeated).requests,
            1,
            "a retry is answered by one request"
        );
        bench.note_call("– return one of its lines", least(returned));
        bench.note_call("– cancel it", least(cancelled));
        bench.note_call("hold a single-use code", least(held));
        bench.note_call("– confirm it", least(confirmed));
    }
}

/// A group word in a promotion that limits customers.
async fn group_word(bench: &mut Bench) {
    let terms = json!({"claim_code": "group", "limits": {"per_customer": 1}});
    let promotion = bench.stack.promotion(terms).await;
    let path = format!("/v1/promotions/{}/codes", promotion["id"].as_str().unwrap());
    let word = json!({"code": "HANAKO10", "channel": "influencer/hanako"});
    let _ = bench
        .stack
        .admin(&format!("POST {path}"), word)
        .await
        .expect(201);
    let mut redeemed = Vec::new();
    for order in 0..TIMES {
        let body = with_customer("HANAKO10", order);
        let _ = bench
            .call("redeem-code", "POST /v1/quotes", body.clone(), 200)
            .await;
        let call = format!("PUT /v1/redemptions/group-{order}");
        redeemed.push(bench.call("redeem-code", &call, body, 201).await.0);
    }
    bench.note_call("redeem a group code, once per customer", least(redeemed));
}

/// One redemption from the stream into the sums, then the sums.
async fn statistics(bench: &mut Bench) {
    let promotion = bench.stack.promotion(json!({})).await;
    let codes = bench.stack.codes(&promotion, u64::from(TIMES)).await;
    let mut counted = Vec::new();
    for (order, code) in (0..).zip(&codes) {
        bench.stack.advance("PT0S").await;
        let _ = bench.meter.take();
        let call = format!("PUT /v1/redemptions/counted-{order}");
        let _ = bench
            .stack
            .checkout(&call, with_customer(code, order))
            .await
            .expect(201);
        counted.push(bench.settled("tally", "PT0S").await);
    }
    let bill = Bill {
        usage: least(counted),
        invocations: 1,
        ..Bill::default()
    };
    bench.note("count a redemption (from the stream)", bill);
    let call = format!(
        "GET /v1/promotions/{}/stats",
        promotion["id"].as_str().unwrap()
    );
    bench
        .note_read("read a promotion's statistics", &call)
        .await;
}

/// A link opened by a person, and its visit from the stream into the sums.
async fn links(bench: &mut Bench) {
    let terms = json!({"limits": {"budget": 1_000_000, "shards": 8}});
    let promotion = bench.stack.promotion(terms).await;
    let link = crate::links::link(&bench.stack, &promotion, json!({})).await;
    let (mut opened, mut counted) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        bench.stack.advance("PT0S").await;
        let _ = bench.meter.take();
        crate::links::visit(&bench.stack, &link).await.expect(200);
        opened.push(bench.meter.of("landing"));
        counted.push(bench.settled("tally", "PT0S").await);
    }
    bench.note_call("open a landing link", least(opened));
    let bill = Bill {
        usage: least(counted),
        invocations: 1,
        ..Bill::default()
    };
    bench.note("– count the visit (from the stream)", bill);
    for _ in 0..19 {
        crate::links::link(&bench.stack, &promotion, json!({})).await;
    }
    bench
        .note_read("list a page of 20 links", "GET /v1/links")
        .await;
}

/// What one order and its mail ask of each function in turn.
async fn thanks(bench: &mut Bench) {
    let promotion = bench.stack.promotion(json!({})).await;
    let follow_up = bench.stack.follow_up(&promotion, json!({})).await;
    let mut received = Vec::new();
    let mut issued = Vec::new();
    let mut counted_order = Vec::new();
    let (mut sent, mut heard, mut counted_mail) = (vec![], vec![], vec![]);
    for order in 0..TIMES {
        bench.stack.advance("PT0S").await;
        let _ = bench.meter.take();
        let person = json!({"customer": {"email": format!("hanako-{order}@example.jp")}});
        let event = completed(&format!("thanked-{order}"), person);
        let _ = bench
            .stack
            .standard_webhook(bench.stack.clock(), &event)
            .await
            .expect(200);
        bench.stack.advance("PT0S").await;
        received.push(bench.meter.of("receive-order"));
        counted_order.push(bench.meter.of("tally"));
        issued.push(bench.counted("order-completed"));
        bench.stack.advance("P3D").await;
        heard.push(bench.meter.of("mail-feedback"));
        counted_mail.push(bench.meter.of("tally"));
        sent.push(bench.counted("send-mail"));
    }
    assert_eq!(bench.stack.inbox().await.len(), 3);
    let send = Bill {
        usage: least(received),
        http: 1,
        invocations: 1,
        sends: 1,
        ..Bill::default()
    };
    bench.note("receive an order's webhook", send);
    let queued = |usage, messages| Bill {
        usage,
        invocations: messages,
        polls: 2 * messages,
        ..Bill::default()
    };
    bench.note(
        "– decide on it, issue code and mail",
        queued(least(issued), 1),
    );
    let stream = |usage| Bill {
        usage,
        invocations: 1,
        ..Bill::default()
    };
    bench.note("– count it", stream(least(counted_order)));
    let mail = Bill {
        usage: least(sent),
        invocations: 1,
        mails: 1,
        ..Bill::default()
    };
    bench.note("send its mail", mail);
    bench.note(
        "– hear what became of it (sent, delivered)",
        queued(least(heard), 2),
    );
    bench.note("– count it ", stream(least(counted_mail)));
    let call = format!(
        "GET /v1/follow-ups/{}/results",
        follow_up["id"].as_str().unwrap()
    );
    bench.note_read("read a follow-up's results", &call).await;
}

/// What the scheduled functions ask when there is nothing to do.
async fn schedules(bench: &mut Bench) {
    let env = || {
        bench
            .stack
            .env_through(bench.stack.running().dynamodb_url())
    };
    let clock = || bench.stack.clock().clone();
    let budget = Duration::from_mins(2);
    let mail = send_mail::State::load(&env(), clock()).await.unwrap();
    let holds = lapse_holds::State::load(&env(), clock()).await.unwrap();
    let watch = ::watch::State::load(&env(), clock()).await.unwrap();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let _ = bench.meter.take();
        send_mail::handle(&mail, budget).await.unwrap();
        let mails = bench.meter.of("");
        let _ = bench.meter.take();
        lapse_holds::handle(&holds, budget).await.unwrap();
        let ended = bench.meter.of("");
        let _ = bench.meter.take();
        ::watch::handle(&watch).await.unwrap();
        runs.push([mails, ended, bench.meter.of("")]);
    }
    let names = [
        "a run of `send-mail`, nothing due",
        "a run of `lapse-holds`, nothing due",
        "a run of `watch`, for a shop of five promotions",
    ];
    for (name, usage) in names.into_iter().zip(runs[1]) {
        let bill = Bill {
            usage,
            invocations: 1,
            ..Bill::default()
        };
        bench.note(name, bill);
    }
}

#[tokio::test]
async fn every_operation_costs_what_the_table_of_costs_says() {
    let mut bench = Bench::start().await;
    staff(&mut bench).await;
    let mut shop = Bench::start().await;
    let plain = ["quote a single-use code", "redeem a single-use code"];
    checkout(&mut shop, json!({}), plain, true).await;
    let terms = json!({"limits": {"budget": 1_000_000, "per_customer": 5, "shards": 8}});
    let limited = [
        "quote one of a promotion with budget, 8 shards and customer limit",
        "redeem one of a promotion with budget and customer limit",
    ];
    checkout(&mut shop, terms, limited, false).await;
    group_word(&mut shop).await;
    let warm = shop
        .rows
        .iter()
        .filter(|(name, _)| name.starts_with("redeem"));
    assert!(
        warm.clone().all(|(_, bill)| bill.usage.requests == 1),
        "{:?}",
        shop.rows
    );
    bench.rows.append(&mut shop.rows);
    let mut thanked = Bench::start().await;
    statistics(&mut thanked).await;
    links(&mut thanked).await;
    thanks(&mut thanked).await;
    bench.rows.append(&mut thanked.rows);
    let mut quiet = Bench::start().await;
    for _ in 0..5 {
        quiet.stack.promotion(json!({})).await;
    }
    schedules(&mut quiet).await;
    bench.rows.append(&mut quiet.rows);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cost.md");
    let measured = page(&bench.rows);
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(&path, &measured).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        measured, written,
        "docs/cost.md says otherwise: if that is meant, write it anew with {RENEW}=1 cargo test -p integration --test it -- cost::"
    );
}

/// What the page says before the table.
const HEAD: &str = include_str!("cost/head.md");

fn page(rows: &[(&str, Bill)]) -> String {
    let mut text = HEAD.replace("{as_of}", AS_OF);
    text = text.replace("{memory}", &MEMORY_MB.to_string());
    let [first, second] = REGIONS.map(|prices| prices.region);
    writeln!(text, "| operation | requests | read units | write units | Lambda ms | USD per 1,000, {first} | {second} |").unwrap();
    text.push_str("|---|---|---|---|---|---|---|\n");
    for (operation, bill) in rows {
        let Usage {
            requests,
            half_reads,
            half_writes,
            untold,
        } = bill.usage;
        let [first, second] = REGIONS.map(|prices| dollars(bill.per_thousand(&prices)));
        let (reads, writes, ms) = (units(half_reads), units(half_writes), bill.lambda_ms());
        let at_least = if untold > 0 { "≥ " } else { "" };
        let operation = operation.trim_end();
        writeln!(
            text,
            "| {operation} | {requests} | {reads} | {at_least}{writes} | {ms} | {first} | {second} |"
        )
        .unwrap();
    }
    text
}

fn units(halves: u64) -> String {
    let rest = if halves % 2 == 1 { ".5" } else { "" };
    format!("{}{rest}", halves / 2)
}

fn dollars(hundred_thousandths: u64) -> String {
    format!(
        "{}.{:05}",
        hundred_thousandths / 100_000,
        hundred_thousandths % 100_000
    )
}

/// Asks the engine itself, past every stand-in for AWS.
async fn ask(stack: &Stack, operation: &str, body: Value) -> Value {
    let http = reqwest::Client::new().post(stack.running().dynamodb_url());
    let request = http
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test/20261122/ap-northeast-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
        .header("x-amz-date", "20261122T000000Z")
        .body(body.to_string());
    request.send().await.unwrap().json().await.unwrap()
}

/// The rules that the table rests on. Source: "`DynamoDB` read and write operations" and "Transactions: how it works".
#[tokio::test]
async fn the_engine_counts_units_as_aws_documents_them() {
    let bench = Bench::start().await;
    let table = &bench.stack.running().settings()["TABLE_NAME"];
    let key = json!({"pk": {"S": "units#1"}, "sk": {"S": "a"}});
    let item = |bytes: usize, more: Value| {
        let mut item = key.clone();
        item["text"] = json!({"S": "x".repeat(bytes)});
        for (name, value) in more.as_object().unwrap() {
            item[name] = value.clone();
        }
        item
    };
    let due = json!({"due_shard": {"S": "units"}, "due_ms": {"N": "1"}});
    let put = |item: Value| json!({"TableName": table, "Item": item});
    let get =
        |consistent: bool| json!({"TableName": table, "Key": key, "ConsistentRead": consistent});
    let both = |item: Value| json!({"TransactItems": [{"Put": put(item)}]});
    let read = json!({"TransactItems": [{"Get": {"TableName": table, "Key": key}}]});
    let cases = [
        (
            "a write is a unit per KB, rounded up",
            "PutItem",
            put(item(1_500, json!({}))),
            (0, 4),
        ),
        (
            "a smaller item in place of a larger counts as the larger",
            "PutItem",
            put(item(10, json!({}))),
            (0, 4),
        ),
        (
            "an index it enters is written too",
            "PutItem",
            put(item(10, due)),
            (0, 4),
        ),
        (
            "a write in a transaction counts twice, the entry leaving its index once",
            "TransactWriteItems",
            both(item(900, json!({}))),
            (0, 6),
        ),
        (
            "a transaction of 4.1 KB is twice 5 units",
            "TransactWriteItems",
            both(item(4_150, json!({}))),
            (0, 20),
        ),
        (
            "a consistent read is a unit per 4 KB, rounded up",
            "GetItem",
            get(true),
            (4, 0),
        ),
        ("any other half of that", "GetItem", get(false), (2, 0)),
        (
            "a read in a transaction twice that",
            "TransactGetItems",
            read,
            (8, 0),
        ),
    ];
    for (rule, operation, body, units) in cases {
        let _ = bench.meter.take();
        let answer = ask(&bench.stack, operation, body).await;
        let used = bench.meter.of("");
        assert_eq!(
            (used.half_reads, used.half_writes),
            units,
            "{rule}: {answer}"
        );
        assert_eq!((used.requests, used.untold), (1, 0), "{rule}");
    }
}
