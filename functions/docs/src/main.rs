//! The Lambda function `docs`.

use lambda_http::tracing::init_default_subscriber;
use shared::http::edge;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    init_default_subscriber();
    lambda_http::run(edge::finish(docs::router())).await
}
