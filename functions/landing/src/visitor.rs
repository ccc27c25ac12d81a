//! Who opens a link: a person, as far as a request tells, or a program. Nothing of it is kept.

use http::{HeaderMap, HeaderName, Method, header};

/// Whether opening a link with this request counts as a visit: a person's browser, as far as it says, that was sent there to show
/// the page.
pub(crate) fn is_visit(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_ascii_lowercase()
    };
    method == Method::GET
        && !PREFETCH.iter().any(|name| {
            let said = text(&HeaderName::from_static(name));
            ["prefetch", "prerender", "preview"]
                .iter()
                .any(|word| said.contains(word))
        })
        && matches!(
            text(&HeaderName::from_static("sec-fetch-dest")).as_str(),
            "" | "document"
        )
        // From our own page: its language was switched.
        && text(&HeaderName::from_static("sec-fetch-site")) != "same-origin"
        && is_persons(&text(&header::USER_AGENT))
}

/// Headers in which browsers say that nobody looks yet: Chrome and Safari (`Sec-Purpose` in the Fetch standard, `Purpose` before it),
/// Firefox (`X-Moz`), Safari's previews (`X-Purpose`).
const PREFETCH: [&str; 4] = ["sec-purpose", "purpose", "x-moz", "x-purpose"];

/// Whether a user agent, in lower case, is that of a browser in somebody's hands. Every browser begins with `Mozilla/`, but for
/// Opera's old one; most programs do not.
fn is_persons(agent: &str) -> bool {
    let browser = agent.starts_with("mozilla/") || agent.starts_with("opera/");
    // A telephone called Cubot is no bot.
    let agent = agent.replace("cubot", "");
    browser && !PROGRAMS.iter().any(|(word, _)| agent.contains(word))
}

/// Words in the user agents of programs that call themselves browsers, and who says so. Sources: the operators' own pages, and where
/// they have none, the lists `monperrus/crawler-user-agents` and `omrilotan/isbot`. Some scanners of mail pass for browsers to the last
/// letter (Microsoft's Safe Links, for one); they cannot be told from people, and count.
const PROGRAMS: [(&str, &str); 46] = [
    (
        "bot",
        "Googlebot, bingbot, Slackbot, Twitterbot, Discordbot, Applebot, YandexBot, GPTBot and most others",
    ),
    ("crawl", "crawlers that say so"),
    ("spider", "Baiduspider, Bytespider, 360Spider"),
    ("slurp", "Yahoo! Slurp"),
    ("facebookexternalhit", "Meta: link previews"),
    (
        "meta-external",
        "Meta: meta-externalagent, meta-externalfetcher",
    ),
    ("mediapartners-google", "Google AdSense"),
    ("google-inspectiontool", "Google Search Console"),
    ("googleother", "Google: research fetches"),
    (
        "google-read-aloud",
        "Google: reads pages aloud ahead of time",
    ),
    ("google web preview", "Google: page previews"),
    ("googleimageproxy", "Gmail: images of mails"),
    ("feedfetcher", "Google: feeds"),
    ("chrome-lighthouse", "PageSpeed Insights, Lighthouse"),
    (
        "bingpreview",
        "Microsoft: page previews, also of links in Outlook",
    ),
    (
        "skypeuripreview",
        "Microsoft: link previews in Skype and Teams",
    ),
    (
        "microsoft office",
        "Office opens a link itself before the browser does",
    ),
    ("ms-office", "the same"),
    ("yahoomailproxy", "Yahoo! Mail"),
    ("line-poker", "LINE: link previews"),
    ("whatsapp", "WhatsApp: link previews"),
    ("telegram", "Telegram: link previews"),
    ("viber", "Viber: link previews"),
    ("embedly", "Embedly: link previews"),
    ("iframely", "Iframely: link previews"),
    ("hatena", "Hatena: bookmarks and link cards"),
    (
        "pinterest/",
        "Pinterest: pin sources; its app says [Pinterest/…]",
    ),
    ("ia_archiver", "Internet Archive"),
    ("archive.org", "Internet Archive"),
    ("headlesschrome", "Chrome driven by a program"),
    ("phantomjs", "PhantomJS"),
    ("puppeteer", "Puppeteer"),
    ("playwright", "Playwright"),
    ("selenium", "Selenium"),
    ("barracuda", "Barracuda: scans links in mails"),
    ("mimecast", "Mimecast: scans links in mails"),
    ("proofpoint", "Proofpoint: scans links in mails"),
    ("trendmicro", "Trend Micro: scans links in mails"),
    ("symantec", "Symantec: scans links in mails"),
    ("cloudmark", "Cloudmark: scans links in mails"),
    ("urlscan", "urlscan.io"),
    ("virustotal", "VirusTotal"),
    ("netcraft", "Netcraft"),
    ("censysinspect", "Censys"),
    ("pingdom", "uptime checks"),
    ("preview", "whatever says that it previews"),
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

    fn counts(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        is_visit(method, &headers.collect())
    }

    fn agent_counts(agent: &str) -> bool {
        counts(&Method::GET, &[("user-agent", agent)])
    }

    #[test]
    fn browsers_in_somebodys_hands_count() {
        for agent in [
            CHROME,
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Mozilla/5.0 (Linux; Android 14; CUBOT P80) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
            // Browsers inside apps, where most people open an influencer's link.
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 355.0.0.28.102 (iPhone15,2; iOS 18_1; ja_JP; ja; scale=3.00)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.18.0",
            "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/490.0.0.0;]",
            "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18",
        ] {
            assert!(agent_counts(agent), "{agent}");
        }
    }

    #[test]
    fn programs_do_not_count_nor_does_who_says_nothing() {
        for agent in [
            "",
            "curl/8.14.1",
            "Wget/1.25.0",
            "python-requests/2.32",
            "Go-http-client/2.0",
            "okhttp/4.12.0",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "facebookexternalhit/1.1;line-poker/1.0",
            "Twitterbot/1.0",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "WhatsApp/2.23.20.0",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
            "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
            "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
            "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))",
            "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
        ] {
            assert!(!agent_counts(agent), "{agent}");
        }
        for (word, _) in PROGRAMS {
            assert!(!agent_counts(&format!("{CHROME} {word}")), "{word}");
            assert_eq!(word, word.to_ascii_lowercase());
        }
    }

    #[test]
    fn what_nobody_looks_at_yet_does_not_count() {
        let agent = ("user-agent", CHROME);
        for (header, counted) in [
            (("purpose", "prefetch"), false),
            (("sec-purpose", "prefetch"), false),
            (("sec-purpose", "prefetch;prerender"), false),
            (("x-moz", "prefetch"), false),
            (("x-purpose", "preview"), false),
            (("sec-fetch-dest", "image"), false),
            (("sec-fetch-dest", "document"), true),
            (("sec-fetch-site", "same-origin"), false),
            (("sec-fetch-site", "cross-site"), true),
            (("sec-fetch-site", "none"), true),
        ] {
            assert_eq!(
                counts(&Method::GET, &[agent, header]),
                counted,
                "{header:?}"
            );
        }
        assert!(!counts(&Method::HEAD, &[agent]));
    }
}
