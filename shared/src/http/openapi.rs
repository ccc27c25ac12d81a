//! What the operations of the OpenAPI document have in common, so that it is written once.
//!
//! Only `okaeri openapi` asks for it; the functions' binaries hold none of this.

use std::borrow::Cow;

use http::StatusCode;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, Schema, Type,
};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Header, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::body::NoBody;
use super::problem::{CODES, FieldError, Problem};
use crate::domain::redemption::CodeAnswer;
use crate::store::Scope;

/// Name of the document's security scheme: a bearer key.
pub const BEARER: &str = "bearer";

/// The header that names a creating request.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKey {
    /// Names the request for a day: the same again gets the same answer, and creates nothing.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        required = false,
        nullable = false
    )]
    pub idempotency_key: Option<String>,
}

/// Who may call a function's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever has a key that covers this scope.
    Key(Scope),
    /// Everybody; the operations say themselves what they answer.
    Public,
}

/// Adds to each operation what it answers because of who may call it, what it takes and that it can fail, and gives every
/// failure without a body of its own that of a [`Problem`].
#[must_use]
pub fn complete(mut api: OpenApi, access: Access) -> OpenApi {
    for item in api.paths.paths.values_mut() {
        for operation in operations(item) {
            complete_operation(operation, access);
        }
    }
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    let components = api.components.get_or_insert_default();
    components.schemas.extend(schemas);
    api
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        patch,
        ..
    } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

fn complete_operation(operation: &mut Operation, access: Access) {
    if let Access::Key(scope) = access {
        let key = SecurityRequirement::new(BEARER, Vec::<String>::new());
        operation.security = Some(vec![key]);
        answer(
            operation,
            StatusCode::UNAUTHORIZED,
            "No valid key was sent.",
        );
        if scope == Scope::Admin {
            answer(
                operation,
                StatusCode::FORBIDDEN,
                "The key's scope is not `admin`.",
            );
        }
        let unknown = "Nothing is known about the outcome: send the same request again. It is never applied twice.";
        answer(operation, StatusCode::SERVICE_UNAVAILABLE, unknown);
    } else {
        operation.security = Some(Vec::new());
    }
    let body = operation.request_body.is_some();
    if body {
        answer(
            operation,
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body has more than 1 MiB.",
        );
    }
    if body || access != Access::Public && takes_parameters(operation) {
        answer(
            operation,
            StatusCode::BAD_REQUEST,
            "Something in the request cannot be; `errors` points at it.",
        );
    }
    if access != Access::Public && names_something(operation) {
        let nothing = "There is nothing at this path.";
        answer(operation, StatusCode::NOT_FOUND, nothing);
        // The gateway decodes paths, so that an encoded `#` or `?` ends them.
        let other = "The path, as the gateway decodes it, takes another method.";
        answer(operation, StatusCode::METHOD_NOT_ALLOWED, other);
    }
    leave_empty_bodies_out(operation);
    for (status, response) in &mut operation.responses.responses {
        if let (Ok(status), RefOr::T(response)) = (status.parse(), response) {
            complete_response(status, response);
        }
    }
}

/// Adds a failure, unless the operation describes it itself.
fn answer(operation: &mut Operation, status: StatusCode, description: &str) {
    let response = ResponseBuilder::new().description(description).build();
    let responses = &mut operation.responses.responses;
    let known = responses.entry(status.as_str().to_owned());
    known.or_insert_with(|| response.into());
}

/// Whether it takes any outside the path; what a path names exists or is unknown.
fn takes_parameters(operation: &Operation) -> bool {
    let outside = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => parameter.parameter_in != ParameterIn::Path,
        RefOr::Ref(_) => true,
    };
    operation.parameters.iter().flatten().any(outside)
}

/// Whether its path has parameters.
fn names_something(operation: &Operation) -> bool {
    let in_path = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Path,
        RefOr::Ref(_) => false,
    };
    operation.parameters.iter().flatten().any(in_path)
}

/// A body that says nothing need not be sent.
fn leave_empty_bodies_out(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        return;
    };
    let empty = Ref::from_schema_name(NoBody::name()).ref_location;
    let is_empty = |content: &RefOr<Content>| match content {
        RefOr::T(content) => {
            matches!(&content.schema, Some(RefOr::Ref(schema)) if schema.ref_location == empty)
        }
        RefOr::Ref(_) => false,
    };
    if body.content.values().any(is_empty) {
        body.required = Some(Required::False);
    }
}

fn complete_response(status: StatusCode, response: &mut Response) {
    if !status.is_client_error() && !status.is_server_error() {
        return;
    }
    if response.content.is_empty() {
        let problem = Content::new(Some(Ref::from_schema_name(Problem::name())));
        let media_type = "application/problem+json".to_owned();
        response.content.insert(media_type, problem.into());
    }
    let header = match status {
        StatusCode::UNAUTHORIZED => ("WWW-Authenticate", Type::String, "`Bearer`."),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => (
            "Retry-After",
            Type::Integer,
            "Seconds after which to try again.",
        ),
        _ => return,
    };
    let (name, kind, description) = header;
    let mut header = Header::new(Object::with_type(kind));
    header.description = Some(description.to_owned());
    response.headers.insert(name.to_owned(), header.into());
}

impl PartialSchema for NoBody {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some("Nothing: the request says it all."))
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
            .into()
    }
}

impl ToSchema for NoBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("NoBody")
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some(description))
        };
        let code = text("Names the failure for programs; it never changes.");
        let status = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("The answer's status again."));
        let errors = ArrayBuilder::new()
            .items(Ref::from_schema_name(FieldError::name()))
            .description(Some(
                "Everything wrong with the request, if that is why it failed.",
            ));
        let codes = ArrayBuilder::new()
            .items(Ref::from_schema_name(CodeAnswer::name()))
            .description(Some("What happened to each code, if codes were refused."));
        ObjectBuilder::new()
            .description(Some("Why a request failed and what to do next (RFC 9457)."))
            .property("type", text("`urn:okaeri:problem:` and the code."))
            .required("type")
            .property("title", text("The failure in a few words."))
            .required("title")
            .property("status", status.minimum(Some(400)).maximum(Some(599)))
            .required("status")
            .property("code", code.enum_values(Some(CODES)))
            .required("code")
            .property(
                "detail",
                text("What happened and what to do, in a sentence or two."),
            )
            .property("errors", errors)
            .property("codes", codes)
            .into()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (name, schema) in [
            (FieldError::name(), FieldError::schema()),
            (CodeAnswer::name(), CodeAnswer::schema()),
        ] {
            schemas.push((name.into_owned(), schema));
        }
        FieldError::schemas(schemas);
        CodeAnswer::schemas(schemas);
    }
}
