use axum::extract::Path;
use axum::http::Method;
use axum::routing::{get, post};
use shared::http::{Problem, body, edge};
use tower::ServiceExt as _;

use super::*;

fn peer() -> SocketAddr {
    "127.0.0.1:5000".parse().unwrap()
}

fn event_of(request: axum::http::request::Builder, body: &[u8]) -> Value {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    event(&parts, body, peer(), DateTime::UNIX_EPOCH)
}

/// Functions that answer what they were sent.
fn functions() -> Router {
    let echo = |request: Request| async move {
        let host = request.headers().get(header::HOST).cloned();
        let cookie = request.headers().get(header::COOKIE).cloned();
        let bytes = body::read(request).await?;
        Ok::<_, Problem>(format!("{host:?} {cookie:?} {:02x?}", bytes.as_ref()))
    };
    let cookies = [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2")];
    let router = Router::new()
        .route("/echo", post(echo))
        .route(
            "/items/{name}",
            get(|Path(name): Path<String>| async move { name }),
        )
        .route(
            "/cookies",
            get(move || async move { (axum::response::AppendHeaders(cookies), vec![0_u8, 159]) }),
        )
        .route("/huge", get(|| async { "x".repeat(MAX_ANSWER_BYTES) }))
        .route("/slow", get(std::future::pending::<()>))
        .route("/panic", get(panics));
    router_with(router)
}

async fn panics() {
    panic!("a bug");
}

fn router_with(router: Router) -> Router {
    super::router(edge::finish(router), Clock::default())
}

async fn send(
    request: axum::http::request::Builder,
    body: impl Into<Body>,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let request = request
        .extension(ConnectInfo(peer()))
        .body(body.into())
        .unwrap();
    let response = functions().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (
        parts.status,
        parts.headers,
        body.collect().await.unwrap().to_bytes().to_vec(),
    )
}

async fn send_text(
    request: axum::http::request::Builder,
    body: impl Into<Body>,
) -> (StatusCode, String) {
    let (status, _, body) = send(request, body).await;
    (status, String::from_utf8(body).unwrap())
}

fn get_of(uri: &str) -> axum::http::request::Builder {
    Request::builder().uri(uri)
}

fn post_of(uri: &str) -> axum::http::request::Builder {
    get_of(uri).method(Method::POST)
}

#[test]
fn only_text_json_xml_and_javascript_arrive_as_text() {
    for (content_type, encoded) in [
        ("text/plain; charset=utf-8", false),
        ("application/json", false),
        ("Application/JSON;charset=utf-8", false),
        ("application/xml", false),
        ("application/javascript", false),
        ("application/x-www-form-urlencoded", true),
        ("application/vnd.api+json", true),
        ("multipart/form-data; boundary=x", true),
        ("", true),
    ] {
        let event = event_of(
            post_of("/").header("content-type", content_type),
            b"List-Unsubscribe=One-Click",
        );
        assert_eq!(event["isBase64Encoded"], encoded, "{content_type}");
    }
    let event = event_of(post_of("/"), b"a=b");
    assert_eq!(
        (&event["body"], &event["isBase64Encoded"]),
        (&json!("YT1i"), &json!(true))
    );
    let not_utf8 = event_of(post_of("/").header("content-type", "text/plain"), &[0xff]);
    assert_eq!(not_utf8["isBase64Encoded"], true);
    assert!(event_of(get_of("/"), b"").get("body").is_none());
}

#[test]
fn the_event_has_a_decoded_path_a_raw_query_joined_headers_and_cookies_apart() {
    let request = get_of("/a%20b/%E3%81%8A?q=%20&q=2")
        .header("X-Signature", "one")
        .header("x-signature", "two")
        .header("cookie", "a=1; b=2")
        .header("cookie", "c=3")
        .header("host", "127.0.0.1:8787")
        .header("x-forwarded-proto", "://")
        .header("connection", "keep-alive");
    let event = event_of(request, b"");
    assert_eq!(event["rawPath"], "/a b/お");
    assert_eq!(event["rawQueryString"], "q=%20&q=2");
    assert_eq!(event["headers"]["x-signature"], "one,two");
    assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
    assert_eq!(event["headers"]["host"], DOMAIN);
    assert_eq!(event["headers"]["x-forwarded-proto"], "http");
    assert!(
        event["headers"].get("cookie").is_none() && event["headers"].get("connection").is_none()
    );
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
}

#[tokio::test]
async fn a_function_gets_the_bytes_that_were_sent_whatever_their_type() {
    let bytes = [0xff, 0x00, b'{'];
    for content_type in ["application/json", "application/octet-stream"] {
        let request = post_of("/echo")
            .header("content-type", content_type)
            .header("cookie", "s=1");
        let (status, text) = send_text(request, bytes.to_vec()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(text, format!("Some({DOMAIN:?}) Some(\"s=1\") [ff, 00, 7b]"));
    }
}

#[tokio::test]
async fn paths_reach_their_route_decoded_and_strange_ones_harm_nothing() {
    assert_eq!(
        send_text(get_of("/items/a%20b"), "").await,
        (StatusCode::OK, "a b".to_owned())
    );
    for uri in [
        "/items/a%2Fb",
        "/%ff",
        "//evil",
        "/%0d%0a",
        "/a%3Fb%23c",
        "/nothing?%zz=%",
    ] {
        let (status, text) = send_text(get_of(uri), "").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{uri}: {text}");
        assert!(text.contains("\"not-found\""), "{uri}: {text}");
    }
    let (status, _) = send_text(get_of("*").method(Method::OPTIONS), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for host in ["127.0.0.1:8787", "[::1]", "a b", "ex ample:99999999", ""] {
        let (status, _) = send_text(get_of("/items/x").header("host", host), "").await;
        assert_eq!(status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn head_answers_like_get_and_other_methods_are_told_so() {
    let (status, text) = send_text(get_of("/items/x").method(Method::HEAD), "").await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, ""));
    for method in [Method::OPTIONS, Method::DELETE] {
        let (status, headers, _) = send(get_of("/items/x").method(method), "").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(headers["allow"], "GET,HEAD");
    }
}

#[tokio::test]
async fn cookies_and_binary_bodies_come_back_whole() {
    let (status, headers, body) = send(get_of("/cookies"), "").await;
    assert_eq!(status, StatusCode::OK);
    let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
    assert_eq!(body, [0, 159]);
}

#[tokio::test]
async fn a_body_above_one_mebibyte_gets_the_functions_answer_and_above_ten_the_gateways() {
    let body = vec![b' '; 1024 * 1024 + 1];
    let (status, text) = send_text(
        post_of("/echo").header("content-type", "application/json"),
        body,
    )
    .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(text.contains("\"body-too-large\""), "{text}");
    let (status, text) = send_text(post_of("/echo"), vec![0; MAX_BODY_BYTES + 1]).await;
    assert_eq!(
        (status, text.as_str()),
        (
            StatusCode::PAYLOAD_TOO_LARGE,
            r#"{"message":"Request Entity Too Large"}"#
        )
    );
}

#[tokio::test]
async fn a_panic_and_an_answer_above_six_megabytes_are_the_gateways_500() {
    for uri in ["/panic", "/huge"] {
        let (status, text) = send_text(get_of(uri), "").await;
        let expected = r#"{"message":"Internal Server Error"}"#;
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::INTERNAL_SERVER_ERROR, expected),
            "{uri}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn after_thirty_seconds_the_gateway_answers_503() {
    let (status, text) = send_text(get_of("/slow"), "").await;
    assert_eq!(
        (status, text.as_str()),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"message":"Service Unavailable"}"#
        )
    );
}

#[tokio::test]
async fn a_head_above_ten_kilobytes_is_refused() {
    let (status, _) = send_text(
        get_of("/echo").header("x-long", "x".repeat(MAX_HEAD_BYTES)),
        "",
    )
    .await;
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
