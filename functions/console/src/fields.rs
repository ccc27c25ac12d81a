//! What a form sent.

use axum::extract::FromRequestParts;
use http::request::Parts;
use unicode_normalization::UnicodeNormalization;

use crate::failure::Failure;

/// A form's fields in the order in which they were sent. The guard reads them and checks the form's token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a form's body.
    pub fn read(body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body);
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// Fields made here, such as those a form begins with.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// The first value of a field, without space around it; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// Every value of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.0.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| value.trim())
    }

    /// Whether a box is checked, or a button of that name was pressed.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Puts a value in place of all a field had.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// Every field with its value.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The fields as a form's body, without those named.
    pub fn body_without(&self, names: &[&str]) -> String {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(self.pairs().filter(|(name, _)| !names.contains(name)));
        body.finish()
    }
}

/// A number as people write it: full-width digits, separators of thousands and spaces are forgiven. Empty text is none.
pub fn tidy_number(text: &str) -> String {
    let folded = text.nfkc();
    folded
        .filter(|symbol| {
            !symbol.is_whitespace()
                && !matches!(symbol, ',' | '、' | '¥' | '￥' | '円' | '%' | '\u{2019}')
        })
        .collect()
}

impl<S: Sync> FromRequestParts<S> for Fields {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name_trimmed_and_written_back() {
        let fields = Fields::read("a=+x+&b=%E8%8A%B1&a=2&key=k".as_bytes());
        assert_eq!(
            (fields.get("a"), fields.get("b"), fields.get("c")),
            ("x", "花", "")
        );
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["x", "2"]);
        assert!(fields.has("b") && !fields.has("c"));
        assert_eq!(
            Fields::read(fields.body_without(&["key"]).as_bytes())
                .all("a")
                .count(),
            2
        );
        assert!(!fields.body_without(&["key"]).contains("key"));
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (typed, tidy) in [
            ("１２，３４５", "12345"),
            (" 1 234 ", "1234"),
            ("¥5,000", "5000"),
            ("12.5%", "12.5"),
            ("３０００円", "3000"),
            ("", ""),
            ("abc", "abc"),
        ] {
            assert_eq!(tidy_number(typed), tidy, "{typed}");
        }
    }
}
