//! HTTP to a stack: one request to one on this machine, or many over kept connections to one anywhere.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use shared::aws::describe;
use tokio::net::TcpStream;

use crate::CliError;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps connections, and leaves the body of an answer where it is until it is read. TLS is what the AWS clients use:
/// rustls on ring, with the system's roots.
#[derive(Debug)]
pub(crate) struct Pooled(legacy::Client<HttpsConnector<HttpConnector>, Body>);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// In words.
    pub(crate) text: String,
    /// Whether there was no connection either, so that the request cannot have been seen.
    pub(crate) unconnected: bool,
}

impl Pooled {
    /// A client; the roots of trust are read only if it is to use TLS.
    ///
    /// # Errors
    /// [`CliError::Told`] if the system has none.
    pub(crate) fn new(tls: bool) -> Result<Self, CliError> {
        let unusable = |error: &dyn std::fmt::Display| {
            CliError::Told(format!(
                "This machine's root certificates cannot be used: {error}. Nothing was done."
            ))
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let config = if tls {
            config
                .with_native_roots()
                .map_err(|error| unusable(&error))?
        } else {
            config.with_root_certificates(rustls::RootCertStore::empty())
        };
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(config.with_no_client_auth());
        let builder = if tls {
            builder.https_only()
        } else {
            builder.https_or_http()
        };
        let connector = builder.enable_http1().wrap_connector(connector);
        Ok(Self(
            legacy::Client::builder(TokioExecutor::new()).build(connector),
        ))
    }

    /// Sends one request.
    ///
    /// # Errors
    /// [`Unanswered`] says why nothing was answered; the request may have been applied all the same.
    pub(crate) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Unanswered> {
        self.0.request(request).await.map_err(|error| Unanswered {
            unconnected: error.is_connect(),
            text: describe(&error),
        })
    }
}

/// Sends a request whose URI is absolute, and answers status and body.
///
/// # Errors
/// [`CliError::Told`] if nothing answers there.
pub(crate) async fn send(request: Request<Body>) -> Result<(StatusCode, Bytes), CliError> {
    let uri = request.uri().clone();
    let answer = exchange(request).await;
    answer.map_err(|error| {
        CliError::Told(format!(
            "Nothing usable answers at {uri}: {error}.\nStart the stack with `cargo run -p okaeri`, or name another with --url http://127.0.0.1:PORT."
        ))
    })
}

async fn exchange(
    mut request: Request<Body>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error>> {
    let authority = match (request.uri().scheme_str(), request.uri().authority()) {
        (Some("http"), Some(authority)) => authority.clone(),
        _ => return Err("only http:// addresses of this machine are taken".into()),
    };
    let address = format!(
        "{}:{}",
        authority.host(),
        authority.port_u16().unwrap_or(80)
    );
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request
        .headers_mut()
        .insert(header::HOST, authority.as_str().parse()?);
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    Ok((parts.status, body.collect().await?.to_bytes()))
}
