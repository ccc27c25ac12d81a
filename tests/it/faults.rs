//! Redemption while requests, answers and transactions go wrong between the SDK and the engine.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use integration::faults::{Fault, FaultProxy};
use integration::{Stack, redemption};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::env::Env;
use tower::ServiceExt;

/// `redeem-code` with faults in front of its table.
struct Faulty {
    stack: Stack,
    proxy: FaultProxy,
    router: axum::Router,
}

async fn router(env: Env, clock: Clock) -> axum::Router {
    let state = redeem_code::State::load(&env, clock).await.unwrap();
    shared::http::edge::finish(redeem_code::router(state))
}

impl Faulty {
    async fn start() -> Self {
        let stack = Stack::start().await;
        let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
        let router = router(stack.env_through(&proxy.url), stack.clock().clone()).await;
        Self {
            stack,
            proxy,
            router,
        }
    }

    async fn code(&self, terms: Value) -> (Value, String) {
        let promotion = self.stack.promotion(terms).await;
        let code = self.stack.codes(&promotion, 1).await.remove(0);
        (promotion, code)
    }

    async fn redeem(&self, order: &str, code: &str) -> (StatusCode, Value) {
        self.send(order, &[code], &Value::Null).await
    }

    async fn send(&self, order: &str, codes: &[&str], customer: &Value) -> (StatusCode, Value) {
        let mut body = redemption(codes);
        if !customer.is_null() {
            body["customer"] = customer.clone();
        }
        let request = Request::put(format!("/v1/redemptions/{order}"))
            .header("authorization", "Bearer okaeri_local_checkout")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }
}

#[tokio::test]
async fn on_lambda_the_first_redemption_finds_remembered_what_applies_by_itself() {
    let mut faulty = Faulty::start().await;
    let automatic = json!({"claim_code": "none", "combinability": "unrestricted"});
    let _ = faulty.stack.promotion(automatic).await;
    let (_, code) = faulty.code(json!({"combinability": "unrestricted"})).await;
    let mut settings = faulty.stack.settings_through(&faulty.proxy.url);
    let runtime = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
    settings.insert(runtime.0.to_owned(), runtime.1.to_owned());
    faulty.router = router(Env::from_map(settings), faulty.stack.clock().clone()).await;
    faulty.proxy.take_operations();
    let (status, answer) = faulty.redeem("1", &code).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(answer["automatic"].as_array().unwrap().len(), 1);
    assert_eq!(
        faulty.proxy.take_operations(),
        ["GetItem", "BatchGetItem", "TransactWriteItems"]
    );
}

#[tokio::test]
async fn a_warm_redemption_is_one_request_to_the_table() {
    let faulty = Faulty::start().await;
    let promotion = faulty.stack.promotion(json!({})).await;
    let codes = faulty.stack.codes(&promotion, 2).await;
    assert_eq!(faulty.redeem("1", &codes[0]).await.0, StatusCode::CREATED);
    faulty.proxy.take_operations();
    assert_eq!(faulty.redeem("2", &codes[1]).await.0, StatusCode::CREATED);
    assert_eq!(faulty.proxy.take_operations(), ["TransactWriteItems"]);
}

#[tokio::test]
async fn a_warm_redemption_with_every_limit_is_one_request_too() {
    let faulty = Faulty::start().await;
    let limits = json!({"budget": 100_000, "redemptions": 100, "per_customer": 5, "shards": 4});
    let group = faulty
        .stack
        .promotion(
            json!({"claim_code": "group", "combinability": "unrestricted", "limits": limits}),
        )
        .await;
    let path = format!(
        "POST /v1/promotions/{}/codes",
        group["id"].as_str().unwrap()
    );
    faulty
        .stack
        .admin(
            &path,
            json!({"code": "WELCOME", "limits": {"redemptions": 50, "per_customer": 5}}),
        )
        .await
        .expect(201);
    let mut codes = vec!["WELCOME".to_owned()];
    for _ in 0..2 {
        codes.push(
            faulty
                .code(json!({"combinability": "unrestricted", "limits": limits}))
                .await
                .1,
        );
    }
    let customer = json!({"id": "7", "email": "hanako@example.jp"});
    let all: Vec<_> = codes.iter().map(String::as_str).collect();
    assert_eq!(
        faulty.send("1", &["WELCOME"], &customer).await.0,
        StatusCode::CREATED
    );
    faulty.proxy.take_operations();
    assert_eq!(
        faulty.send("2", &["WELCOME"], &customer).await.0,
        StatusCode::CREATED
    );
    assert_eq!(faulty.proxy.take_operations(), ["TransactWriteItems"]);
    // Remember the other two promotions as well.
    assert_eq!(
        faulty
            .send("3", &["NOSUCH", all[1], all[2]], &customer)
            .await
            .0,
        StatusCode::NOT_FOUND
    );
    faulty.proxy.take_operations();
    assert_eq!(
        faulty.send("4", &all, &customer).await.0,
        StatusCode::CREATED
    );
    assert_eq!(faulty.proxy.take_operations(), ["TransactWriteItems"]);
}

#[tokio::test]
async fn whatever_happens_to_one_request_the_winner_wins_once_and_nobody_else() {
    let faulty = Faulty::start().await;
    let faults = [
        Fault::DropRequest,
        Fault::ApplyThenDropReply,
        Fault::ApplyThen500,
        Fault::ApplyThenHold(Duration::from_secs(1)),
        Fault::Duplicate,
        Fault::Cancel(vec!["TransactionConflict", "None"]),
        Fault::Cancel(vec!["None", "TransactionConflict"]),
        Fault::Cancel(vec!["ThrottlingError", "None"]),
        Fault::Cancel(vec!["SomethingNew", "ConditionalCheckFailed"]),
        Fault::Cancel(vec!["TransactionConflict", "ConditionalCheckFailed"]),
        Fault::Cancel(vec!["ConditionalCheckFailed", "TransactionConflict"]),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (_, code) = faulty.code(json!({})).await;
        let winner = format!("winner-{number}");
        faulty.proxy.once("TransactWriteItems", fault.clone());
        let (status, first) = faulty.redeem(&winner, &code).await;
        assert_eq!(status, StatusCode::CREATED, "{fault:?}: {first}");
        let (status, again) = faulty.redeem(&winner, &code).await;
        assert_eq!((status, &again), (StatusCode::OK, &first), "{fault:?}");
        let (status, loser) = faulty.redeem(&format!("loser-{number}"), &code).await;
        assert_eq!(
            (status, &loser["code"]),
            (StatusCode::CONFLICT, &json!("code-already-redeemed")),
            "{fault:?}"
        );
    }
    assert_eq!(faulty.proxy.faults(), 11);
}

#[tokio::test]
async fn a_conflict_beside_a_failed_condition_decides_nothing() {
    let faulty = Faulty::start().await;
    let (_, code) = faulty.code(json!({})).await;
    let (_, first) = faulty.redeem("winner", &code).await;
    // The winner's retry fails both conditions; a conflict in place of either must not become a 409.
    for place in [0, 1] {
        faulty
            .proxy
            .once("TransactWriteItems", Fault::MixInConflict(place));
        let (status, again) = faulty.redeem("winner", &code).await;
        assert_eq!(
            (status, &again),
            (StatusCode::OK, &first),
            "conflict at {place}"
        );
    }
    assert_eq!(faulty.proxy.faults(), 2);
}

#[tokio::test]
async fn an_order_sent_twice_is_not_refused_for_the_budget_it_took_itself_between_two_looks() {
    let faulty = Faulty::start().await;
    // No shard alone has enough, so that the first sending looks at all of them; it sees them when the second has won.
    let (_, code) = faulty
        .code(json!({"limits": {"budget": 396, "shards": 2}}))
        .await;
    let (looks, looked) = tokio::sync::oneshot::channel();
    let mut looks = Some(looks);
    faulty
        .proxy
        .plan(move |operation| match (operation, looks.take()) {
            ("TransactGetItems", Some(looks)) => {
                looks.send(()).unwrap();
                Fault::HoldThenApply(Duration::from_millis(400))
            }
            (_, kept) => {
                looks = kept;
                Fault::Pass
            }
        });
    let (first, second) = tokio::join!(faulty.redeem("1", &code), async {
        looked.await.unwrap();
        faulty.redeem("1", &code).await
    });
    assert_eq!(first.1, second.1);
    // On a busy machine the first may see them soon enough to win.
    let mut statuses = [first.0, second.0];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CREATED]);
}

#[tokio::test]
async fn a_lost_answer_still_ends_with_the_winners_answer_after_the_promotion_was_paused_or_ended()
{
    for end in ["pause", "end"] {
        let faulty = Faulty::start().await;
        let (promotion, code) = faulty.code(json!({})).await;
        // Applied, but every answer is lost until the caller gives up.
        faulty.proxy.plan(|operation| match operation {
            "TransactWriteItems" => Fault::ApplyThenDropReply,
            _ => Fault::Pass,
        });
        assert_eq!(
            faulty.redeem("winner", &code).await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
        faulty.proxy.plan(|_| Fault::Pass);
        let path = format!(
            "POST /v1/promotions/{}/{end}",
            promotion["id"].as_str().unwrap()
        );
        faulty.stack.admin(&path, Value::Null).await.expect(200);
        // Terms are remembered for 10 s.
        faulty.stack.advance("PT11S").await;
        let (status, answer) = faulty.redeem("winner", &code).await;
        assert_eq!(status, StatusCode::OK, "{end}: {answer}");
        assert_eq!(answer["discount"], 396);
        let (status, other) = faulty.redeem("other", &code).await;
        assert_eq!(
            (status, &other["code"]),
            (StatusCode::CONFLICT, &json!("code-already-redeemed")),
            "{end}"
        );
    }
}

#[tokio::test]
async fn a_table_that_never_answers_is_a_503_that_says_what_to_do() {
    let faulty = Faulty::start().await;
    let (_, code) = faulty.code(json!({})).await;
    faulty.proxy.plan(|operation| {
        if operation == "TransactWriteItems" {
            Fault::DropRequest
        } else {
            Fault::Pass
        }
    });
    let (status, problem) = faulty.redeem("1", &code).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable"))
    );
    faulty.proxy.plan(|_| Fault::Pass);
    assert_eq!(faulty.redeem("1", &code).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_change_and_a_voiding_whose_answers_are_lost_are_made_once_and_answered_as_made() {
    let stack = Stack::start().await;
    let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
    let env = stack.env_through(&proxy.url);
    let state = create_promotion::State::load(&env, stack.clock().clone())
        .await
        .unwrap();
    let router = shared::http::edge::finish(create_promotion::router(state));
    let send = |method: &str, path: String, body: Value| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", "Bearer okaeri_local_admin")
            .body(Body::from(body.to_string()))
            .unwrap();
        let router = router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            (status, serde_json::from_slice::<Value>(&bytes).unwrap())
        }
    };
    let faults = [
        Fault::DropRequest,
        Fault::ApplyThenDropReply,
        Fault::ApplyThen500,
        Fault::Duplicate,
        Fault::Cancel(vec!["TransactionConflict", "None"]),
    ];
    for fault in faults {
        let promotion = stack.promotion(json!({"limits": {"budget": 1000}})).await;
        let code = stack.codes(&promotion, 1).await.remove(0);
        let path = format!("/v1/promotions/{}", promotion["id"].as_str().unwrap());
        proxy.once("TransactWriteItems", fault.clone());
        let change = json!({"version": 1, "limits": {"budget": 400}});
        let (status, changed) = send("PATCH", path.clone(), change).await;
        assert_eq!((status, &changed["version"]), (200, &json!(2)), "{fault:?}");
        // The budget was moved once: all of it can be spent, and no more.
        let (status, _) = send(
            "PATCH",
            path,
            json!({"version": 2, "limits": {"budget": 396}}),
        )
        .await;
        assert_eq!(status, 200, "{fault:?}");
        proxy.once("TransactWriteItems", fault.clone());
        let (_, voided) = send(
            "POST",
            "/v1/codes/void".to_owned(),
            json!({"codes": [code]}),
        )
        .await;
        assert_eq!(voided["voided"], json!([code]), "{fault:?}");
        let codes = stack.codes(&promotion, 2).await;
        stack
            .redeem(&format!("{}-1", codes[0]), &codes[0])
            .await
            .expect(201);
        let refused = stack
            .redeem(&format!("{}-2", codes[1]), &codes[1])
            .await
            .expect(422);
        assert_eq!(
            refused.body["codes"][0]["reason"], "budget-exhausted",
            "{fault:?}"
        );
    }
}
