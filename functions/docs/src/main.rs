//! The Lambda function `docs`.

use shared::http::edge;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    lambda_http::run(edge::finish(docs::router())).await
}
