//! One HTTP request to a stack on this machine.

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::CliError;

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
