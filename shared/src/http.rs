//! The one edge at which domain errors become HTTP: problems, bodies, keys. Only this module knows status codes.

pub mod auth;
pub mod body;
pub mod creating;
pub mod edge;
pub mod openapi;
pub mod page;
pub mod problem;
mod strict;

pub use body::{Body, BodyIfAny, NoBody};
pub use creating::Creating;
pub use problem::{FieldError, Problem};
