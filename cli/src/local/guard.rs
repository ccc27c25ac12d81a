//! Who may use `/local/*`: callers on this machine that address it as this machine. Keeps other sites' pages, and names that
//! were pointed at this machine after the fact (DNS rebinding), away from mails and the clock.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use shared::http::Problem;
use tokio::net::TcpListener;

/// Names of this machine, as `Host` and `Origin` spell them.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Puts the guard before every answer of `router`.
pub(super) fn keep(router: Router, listener: &TcpListener) -> std::io::Result<Router> {
    let port = listener.local_addr()?.port();
    Ok(router.layer(middleware::from_fn_with_state(port, check)))
}

async fn check(State(port): State<u16>, request: Request, next: Next) -> Result<Response, Problem> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let from_here = peer.is_some_and(|ConnectInfo(peer)| peer.ip().is_loopback());
    if from_here
        && host_is_loopback(request.uri(), request.headers())
        && origin_is_own(request.headers(), port)
    {
        return Ok(next.run(request).await);
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "Only from this machine").detail(format!(
        "Paths below /local answer only callers on this machine: use http://127.0.0.1:{port}, without an Origin of another site."
    )))
}

/// Whether every place that names the host names this machine.
fn host_is_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    host.is_some_and(is_loopback_authority)
        && hosts.next().is_none()
        && uri
            .authority()
            .is_none_or(|authority| is_loopback_authority(authority.as_str()))
}

/// A loopback name, with or without a port.
fn is_loopback_authority(text: &str) -> bool {
    LOOPBACK.iter().any(|name| {
        text.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
            && text.get(name.len()..).is_some_and(is_port)
    })
}

/// Nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Whether the request comes from no web page, or from one of this stack's own.
fn origin_is_own(headers: &HeaderMap, port: u16) -> bool {
    let own = |origin: &str| {
        LOOPBACK
            .iter()
            .any(|name| origin == format!("http://{name}:{port}"))
    };
    headers
        .get_all(header::ORIGIN)
        .iter()
        .all(|origin| origin.to_str().is_ok_and(own))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn status(peer: &str, uri: &str, headers: &[(&str, &str)]) -> StatusCode {
        let router = Router::new().route("/local/inbox", get(|| async { "mails" }));
        let router = router.layer(middleware::from_fn_with_state(8787_u16, check));
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer: SocketAddr = peer.parse().unwrap();
        let request = request
            .extension(ConnectInfo(peer))
            .body(Body::empty())
            .unwrap();
        router.oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn callers_on_this_machine_that_address_it_as_such_pass() {
        for headers in [
            &[("host", "127.0.0.1:8787")][..],
            &[("host", "LOCALHOST")],
            &[("host", "[::1]:8787")],
            &[
                ("host", "localhost:8787"),
                ("origin", "http://localhost:8787"),
            ],
            &[
                ("host", "localhost:8787"),
                ("origin", "http://127.0.0.1:8787"),
            ],
        ] {
            assert_eq!(
                status("127.0.0.1:5000", "/local/inbox", headers).await,
                StatusCode::OK,
                "{headers:?}"
            );
        }
        assert_eq!(
            status("[::1]:5000", "/local/inbox", &[("host", "localhost")]).await,
            StatusCode::OK
        );
    }

    #[tokio::test]
    async fn other_machines_hosts_and_sites_are_refused() {
        for headers in [
            &[][..],
            &[("host", "shop.example")],
            &[("host", "127.0.0.1.evil.example:8787")],
            &[("host", "localhost.evil.example")],
            &[("host", "localhost:evil")],
            &[("host", "127.0.0.1:8787@evil.example")],
            &[("host", "localhost"), ("host", "evil.example")],
            &[
                ("host", "localhost:8787"),
                ("origin", "https://evil.example"),
            ],
            &[("host", "localhost:8787"), ("origin", "null")],
            &[
                ("host", "localhost:8787"),
                ("origin", "http://localhost:3000"),
            ],
            &[
                ("host", "localhost:8787"),
                ("origin", "http://localhost:8787.evil.example"),
            ],
        ] {
            let status = status("127.0.0.1:5000", "/local/inbox", headers).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{headers:?}");
        }
        let host = [("host", "localhost")];
        assert_eq!(
            status("192.168.0.7:5000", "/local/inbox", &host).await,
            StatusCode::FORBIDDEN
        );
        let absolute = "http://evil.example/local/inbox";
        assert_eq!(
            status("127.0.0.1:5000", absolute, &host).await,
            StatusCode::FORBIDDEN
        );
    }
}
