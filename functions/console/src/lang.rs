//! The two languages of the console.

use http::HeaderMap;
use shared::http::page::preferred_language;

use crate::guard::cookie;

/// Name of the cookie that remembers a language somebody chose.
pub const COOKIE: &str = "lang";

/// A language of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// Japanese.
    Ja,
    /// English.
    En,
}

impl Lang {
    /// The one somebody chose, else the one their browser prefers.
    pub fn of(headers: &HeaderMap) -> Self {
        let chosen = cookie(headers, COOKIE).and_then(|code| Self::from_code(&code));
        let preferred = || preferred_language(headers, &["en", "ja"]).and_then(Self::from_code);
        chosen.or_else(preferred).unwrap_or(Self::En)
    }

    /// The language of a tag that [`Self::code`] writes.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "ja" => Some(Self::Ja),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// Its tag, for `lang` attributes.
    pub fn code(self) -> &'static str {
        self.pick("ja", "en")
    }

    /// The one of two texts that is in this language.
    pub fn pick<T>(self, ja: T, en: T) -> T {
        match self {
            Self::Ja => ja,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_somebody_chose_comes_before_what_their_browser_prefers() {
        let mut headers = HeaderMap::new();
        assert_eq!(Lang::of(&headers), Lang::En);
        headers.insert("accept-language", HeaderValue::from_static("ja,en;q=0.5"));
        assert_eq!(Lang::of(&headers), Lang::Ja);
        headers.insert("cookie", HeaderValue::from_static("a=b; lang=en"));
        assert_eq!(Lang::of(&headers), Lang::En);
        headers.insert("cookie", HeaderValue::from_static("lang=xx"));
        assert_eq!(Lang::of(&headers), Lang::Ja);
    }
}
