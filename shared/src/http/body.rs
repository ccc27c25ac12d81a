//! Request bodies: read once, refused with JSON pointers.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::problem::{FieldError, Problem};
use super::strict::Strict;

/// Longest body taken, in bytes. Source: design.md §7.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A JSON body as a request, or a JSON answer with status 200. It replaces `axum::Json`, whose refusals are plain text.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let bytes = read(request).await?;
        parse(&bytes)
            .map(Self)
            .map_err(|error| Problem::invalid_body(vec![error]))
    }
}

impl<T: Serialize> IntoResponse for Body<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

/// An answer as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (
            status,
            [(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )],
            body,
        )
            .into_response(),
        Err(error) => Problem::unavailable(&error).into_response(),
    }
}

/// A JSON body that may be left out, which says the same as `{}`.
#[derive(Clone, Copy, Debug)]
pub struct BodyIfAny<T>(pub T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequest<S> for BodyIfAny<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let bytes = read(request).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(T::default()));
        }
        parse(&bytes)
            .map(Self)
            .map_err(|error| Problem::invalid_body(vec![error]))
    }
}

/// The body of an action: none, or `{}`.
#[derive(Clone, Copy, Debug)]
pub struct NoBody;

impl<S: Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let bytes = read(request).await?;
        let empty = bytes.iter().all(u8::is_ascii_whitespace);
        match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes) {
            _ if empty => Ok(Self),
            Ok(object) => match object.keys().next() {
                None => Ok(Self),
                Some(name) => Err(Problem::invalid_body(vec![FieldError::new(
                    pointer(&[name]),
                    "unknown field: this request takes none",
                )])),
            },
            Err(_) => Err(Problem::invalid_body(vec![FieldError::new(
                "",
                "this request takes no body, or {}",
            )])),
        }
    }
}

/// The whole body as it was sent; 413 above [`MAX_BODY_BYTES`].
///
/// # Errors
/// A [`Problem`] if it is too long or the connection broke.
pub async fn read(request: Request) -> Result<Bytes, Problem> {
    match Limited::new(request.into_body(), MAX_BODY_BYTES)
        .collect()
        .await
    {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::invalid_body(vec![FieldError::new(
            "",
            "the body ended before it was complete",
        )])),
    }
}

/// The answer to a body that is too long: 413.
pub fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        "The body is too large",
    )
    .detail(format!(
        "A body has at most {MAX_BODY_BYTES} bytes. Nothing was changed."
    ))
}

/// Reads JSON as a `T`, or says where it cannot be one.
///
/// # Errors
/// A [`FieldError`] with a pointer to the first value that does not fit.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Strict(&mut json)).map_err(|error| {
        let detail = error.inner().to_string();
        let mut segments: Vec<String> = error.path().iter().filter_map(segment).collect();
        if let Some(field) = unknown_field(&detail)
            && segments.last() != Some(&field)
        {
            segments.push(field);
        }
        FieldError::new(pointer(&segments), without_position(&detail))
    })?;
    json.end()
        .map_err(|_| FieldError::new("", "there is text after the JSON value"))?;
    Ok(value)
}

fn segment(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// The name in serde's "unknown field `x`, expected …", which stands at the field's parent.
fn unknown_field(detail: &str) -> Option<String> {
    let rest = detail.strip_prefix("unknown field `")?;
    rest.split_once('`').map(|(name, _)| name.to_owned())
}

/// `serde_json`'s message without its "at line 1 column 2", which the pointer says better.
fn without_position(detail: &str) -> String {
    detail
        .rsplit_once(" at line ")
        .map_or(detail, |(message, _)| message)
        .to_owned()
}

/// The JSON pointer of a path.
fn pointer(segments: &[impl AsRef<str>]) -> String {
    segments.iter().fold(String::new(), |mut pointer, segment| {
        pointer.push('/');
        pointer.push_str(&segment.as_ref().replace('~', "~0").replace('/', "~1"));
        pointer
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::domain::money::Amount;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cart {
        #[expect(dead_code, reason = "only its reading is tested")]
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only its reading is tested")]
        unit_price: Amount,
    }

    #[test]
    fn every_refusal_points_at_the_value_that_does_not_fit() {
        for (json, pointer) in [
            (
                r#"{"lines":[{"unit_price":1},{"unit_price":-1}]}"#,
                "/lines/1/unit_price",
            ),
            (r#"{"lines":[{"unit_price":1.5}]}"#, "/lines/0/unit_price"),
            (
                r#"{"lines":[{"unit_price":9999999999999999999}]}"#,
                "/lines/0/unit_price",
            ),
            (r#"{"lines":[{"unit_price":1,"a/b":2}]}"#, "/lines/0/a~1b"),
            (r#"{"line":[]}"#, "/line"),
            (r#"{"lines":[[1]]}"#, "/lines/0"),
            ("[[]]", ""),
            (r#"{"lines":[{}]}"#, "/lines/0"),
            ("[", ""),
            (r#"{"lines":[]} x"#, ""),
        ] {
            let error = parse::<Cart>(json.as_bytes()).unwrap_err();
            assert_eq!(error.pointer, pointer, "{json}: {}", error.detail);
            assert!(!error.detail.contains(" at line "), "{}", error.detail);
        }
    }
}
