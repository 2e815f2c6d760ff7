//! `GET /docs`: Swagger UI from files inside the binary, so that it works offline.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use utoipa_swagger_ui::Config;
use warp::reply::Response;

use crate::front::problem::Problem;

/// Everything from the gateway itself. Swagger UI writes styles into its elements and draws its
/// icons from `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Swagger UI's own page names its files relative to `/docs/`; this one works at `/docs` too.
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Multi-MCP Gateway: API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/index.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/swagger-ui-standalone-preset.js"></script>
<script src="/docs/swagger-initializer.js"></script>
</body>
</html>
"#;

/// Shows this API in the browser.
#[utoipa::path(
    get, path = "/docs", operation_id = "docs", tag = "documentation",
    responses((status = 200, description = "Swagger UI.", content_type = "text/html", body = String))
)]
pub(super) fn page() -> Response {
    let mut response = Response::new(PAGE.into());
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Serves a file of Swagger UI.
#[utoipa::path(
    get, path = "/docs/{file}", operation_id = "docsFile", tag = "documentation",
    params(("file" = String, Path, description = "A file that the page names.", example = "swagger-ui.css")),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/css"), (String = "text/html"), (String = "text/javascript"), (String = "image/png"))),
        (status = 404, description = "There is no such file."),
    )
)]
pub(super) fn file(name: &str) -> Result<Response, Problem> {
    // Without the badge of the validator on the net.
    let config = Config::<'static>::from("/openapi.json").validator_url("none");
    let file = utoipa_swagger_ui::serve(name, Arc::new(config))
        .ok()
        .flatten();
    let file = file.ok_or_else(Problem::no_such_path)?;
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let mut response = Response::new(bytes.into());
    let headers = response.headers_mut();
    let content_type = HeaderValue::try_from(file.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}
