//! The console over HTTP, as a browser asks for it, without a browser.

mod channels;
mod codes;
mod follow_ups;
mod guard;
mod hostile;
mod mails;
mod orders;
mod overview;
mod promotions;
mod settings;

use http::header;
use integration::{Answer, Caller, Stack};
use okaeri::local::ADMIN_KEY;
use reqwest::{Method, RequestBuilder};

/// Somebody at a browser: their cookies, and the token of the last page's forms.
pub(crate) struct Staff<'a> {
    caller: &'a Caller,
    origin: String,
    http: reqwest::Client,
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) token: String,
    pub(crate) language: &'static str,
}

impl<'a> Staff<'a> {
    /// Somebody who is not signed in.
    pub(crate) fn stranger(stack: &'a Stack) -> Self {
        let policy = reqwest::redirect::Policy::none();
        Self {
            caller: stack,
            origin: stack.running().url().to_owned(),
            http: reqwest::Client::builder().redirect(policy).build().unwrap(),
            cookies: Vec::new(),
            token: String::new(),
            language: "en",
        }
    }

    /// Somebody who signed in with the admin key.
    pub(crate) async fn signed_in(stack: &'a Stack) -> Self {
        let mut staff = Self::stranger(stack);
        let answer = staff.post("/console/sign-in", &[("key", ADMIN_KEY)]).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        staff
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.origin);
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = self
            .http
            .request(method, url)
            .header("accept-language", self.language);
        if cookies.is_empty() {
            request
        } else {
            request.header("cookie", cookies.join("; "))
        }
    }

    /// Sends it and keeps what the answer sets.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Answer {
        let answer = self.caller.send(request).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, rules) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !rules.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        if let Some(token) = hidden(&answer.text, "token") {
            self.token = token;
        }
        answer
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path);
        self.send(request).await
    }

    /// Sends a form of the last page, as browsers do.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = self.form(fields);
        let request = self
            .request(Method::POST, path)
            .header("origin", &self.origin);
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        self.send(request).await
    }

    pub(crate) fn form(&self, fields: &[(&str, &str)]) -> String {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("token", &self.token);
        body.extend_pairs(fields);
        body.finish()
    }

    /// Sends a form and goes where it leads.
    pub(crate) async fn post_and_follow(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", text_of(&answer.text));
        let to = location(&answer);
        self.get(&to).await.expect(200)
    }
}

/// Where an answer leads.
pub(crate) fn location(answer: &Answer) -> String {
    answer.headers[header::LOCATION]
        .to_str()
        .unwrap()
        .to_owned()
}

/// The value of a hidden field.
pub(crate) fn hidden(page: &str, name: &str) -> Option<String> {
    let start = format!("type=\"hidden\" name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&start)?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// A page's text without its markup, for messages.
pub(crate) fn text_of(page: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for symbol in page.chars() {
        match symbol {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            symbol if !inside => text.push(symbol),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
