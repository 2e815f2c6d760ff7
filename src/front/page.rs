//! The page for people, at `/`: files of ours inside the program, as they were written.
//!
//! They hold nothing secret and are open to all; what the page shows it asks of the API, as whoever has signed in.

use std::{fmt::Write as _, sync::LazyLock};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG},
};
use sha2::{Digest as _, Sha256};
use warp::reply::Response;

use super::problem::Problem;

/// Everything from the gateway itself, nothing inline. What a tool shows, a picture or a sound, comes as `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; media-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/// Its links to other places open beside it, and must not have a hand on it.
const OPENERS: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// Bytes of a file's hash that tell its states apart.
const TAG_BYTES: usize = 12;

/// One file of the page.
struct File {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    tag: String,
}

/// Names files of `src/front/page/`.
macro_rules! files {
    ($($name:literal as $content_type:expr),+ $(,)?) => {
        vec![$(File::new($name, $content_type, include_bytes!(concat!("page/", $name)))),+]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
/// The page itself.
const INDEX: &str = "index.html";

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    files![
        "index.html" as HTML,
        "api.js" as SCRIPT,
        "base.css" as STYLE,
        "build.js" as SCRIPT,
        "catalogue.js" as SCRIPT,
        "change.js" as SCRIPT,
        "connect.js" as SCRIPT,
        "dom.js" as SCRIPT,
        "events.js" as SCRIPT,
        "field.js" as SCRIPT,
        "live.js" as SCRIPT,
        "main.js" as SCRIPT,
        "mcp.js" as SCRIPT,
        "offers.js" as SCRIPT,
        "options.js" as SCRIPT,
        "parts.css" as STYLE,
        "plot.js" as SCRIPT,
        "polling.js" as SCRIPT,
        "providers.js" as SCRIPT,
        "questions.js" as SCRIPT,
        "result.js" as SCRIPT,
        "roots.js" as SCRIPT,
        "run.js" as SCRIPT,
        "schema_form.js" as SCRIPT,
        "schema_words.js" as SCRIPT,
        "session.js" as SCRIPT,
        "sessions.js" as SCRIPT,
        "signin.js" as SCRIPT,
        "streaming.js" as SCRIPT,
        "theme.js" as SCRIPT,
        "try.js" as SCRIPT,
        "views.css" as STYLE,
        "words.js" as SCRIPT,
        "icon.svg" as "image/svg+xml",
    ]
});

impl File {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let tag = hash
            .iter()
            .take(TAG_BYTES)
            .fold(String::new(), |mut tag, byte| {
                // Writing to a text cannot fail.
                let _infallible = write!(tag, "{byte:02x}");
                tag
            });
        Self {
            name,
            content_type,
            bytes,
            tag: format!("\"{tag}\""),
        }
    }

    fn answer(&self, known: Option<&str>) -> Response {
        let is_known = known.is_some_and(|known| known.contains(&self.tag) || known == "*");
        let (status, body) = if is_known {
            (StatusCode::NOT_MODIFIED, Bytes::new())
        } else {
            (StatusCode::OK, Bytes::from_static(self.bytes))
        };
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(OPENERS, HeaderValue::from_static("same-origin"));
        // Asked for each time, and sent once: files of two releases must never meet in one browser.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

/// Shows the page, on which people build, watch and try sessions.
#[utoipa::path(
    get, path = "/", operation_id = "page", tag = "page",
    responses(
        (status = 200, description = "The page.", content_type = "text/html", body = String,
            headers(("ETag" = String, description = "Which state of the page it is."))),
        (status = 304, description = "The browser has it."),
    )
)]
pub(super) fn root(known: Option<&str>) -> Response {
    let page = file(INDEX, known);
    page.unwrap_or_else(warp::reply::Reply::into_response)
}

/// Serves a file of the page.
#[utoipa::path(
    get, path = "/page/{file}", operation_id = "pageFile", tag = "page",
    params(("file" = String, Path, description = "A file that the page names.", example = "main.js")),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/css"), (String = "text/html"), (String = "text/javascript"), (String = "image/svg+xml"))),
        (status = 304, description = "The browser has it."),
        (status = 404, description = "There is no such file."),
    )
)]
pub(super) fn file(name: &str, known: Option<&str>) -> Result<Response, Problem> {
    let file = FILES.iter().find(|file| file.name == name);
    Ok(file.ok_or_else(Problem::no_such_path)?.answer(known))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn folder() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/front/page");
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn each_file_of_the_folder_is_served_and_none_is_too_long_to_read() {
        let served: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(served, folder());
        for file in FILES.iter() {
            let text = std::str::from_utf8(file.bytes).unwrap();
            let lines = text.lines().count();
            assert!(lines <= 400, "{}: {lines} lines", file.name);
            let longest = text.lines().map(str::len).max();
            assert!(longest <= Some(140), "{}: {longest:?}", file.name);
        }
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere_and_nothing_stands_inline() {
        for file in FILES.iter() {
            let text = std::str::from_utf8(file.bytes).unwrap();
            let foreign = text.split("://").skip(1);
            // A name of letters, and a folder, which is of no other place.
            let known =
                |rest: &&str| rest.starts_with("www.w3.org/2000/svg") || rest.starts_with('/');
            let named: Vec<&str> = foreign.filter(|rest| !known(rest)).collect();
            assert!(named.is_empty(), "{} names another place", file.name);
            for inline in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "eval(",
                "onclick=",
            ] {
                assert!(!text.contains(inline), "{}: {inline}", file.name);
            }
        }
        let page = std::str::from_utf8(FILES[0].bytes).unwrap();
        assert!(!page.contains("<style") && !page.contains("style="));
        assert!(
            page.matches("<script").count()
                == page.matches("<script src=").count()
                    + page.matches("<script type=\"module\" src=").count()
        );
    }

    #[test]
    fn a_file_that_a_browser_has_is_not_sent_again() {
        let first = file("main.js", None).unwrap();
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        let again = file("main.js", Some(&format!("\"other\", W/{tag}"))).unwrap();
        assert_eq!(
            (first.status().as_u16(), again.status().as_u16()),
            (200, 304)
        );
        assert_eq!(file("main.js", Some("\"x\"")).unwrap().status(), 200);
        let strange = file("../page.rs", None).map(|response| response.status());
        assert_eq!(strange.unwrap_err().status(), 404);
    }
}
