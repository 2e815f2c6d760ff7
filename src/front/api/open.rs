//! The routes that are open to all, and so not logged either: where to log in, probes, the documentation, the page's files.

use http::{Method, header::IF_NONE_MATCH};
use warp::{
    Filter, Rejection,
    reply::{Reply, Response},
};

use super::{
    DOCS, DOCS_FILE, HEALTH, OPENAPI, PAGE_FILE, PROTECTED_MCP, PROTECTED_RESOURCE, READY, ROOT,
    Route, docs, health, openapi, protected_resource, with,
};
use crate::{
    callers::Callers,
    front::{FrontState, admission::Base, page, problem::Problem},
};

/// All of them; `document` is the OpenAPI document, as the registry is now.
pub(super) fn routes(
    state: FrontState,
    document: openapi::Document,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    login_routes(state.clone())
        .or(health_routes(state))
        .unify()
        .or(documentation_routes(document))
        .unify()
        .or(page_routes())
        .unify()
}

fn login_routes(
    state: FrontState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let known = || warp::path!(".well-known" / "oauth-protected-resource" / ..);
    let gateway = known()
        .and(warp::path::end())
        .and(warp::method())
        .and(with(state.callers.clone()))
        .and(warp::ext::get::<Base>())
        .map(|method: Method, callers: Callers, base| {
            read_only(&PROTECTED_RESOURCE, &method, || {
                protected_resource::of_gateway(&callers, base)
            })
        });
    let endpoint = known()
        .and(warp::path!("session" / String / "mcp"))
        .and(warp::method())
        .and(with(state.callers))
        .and(warp::ext::get::<Base>())
        .map(|id: String, method: Method, callers: Callers, base| {
            read_only(&PROTECTED_MCP, &method, || {
                protected_resource::of_mcp_endpoint(&callers, base, &id)
            })
        });
    gateway.or(endpoint).unify()
}

/// Probes come every few seconds for ever: they are not logged.
fn health_routes(
    state: FrontState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let alive = warp::path!("healthz")
        .and(warp::method())
        .map(|method: Method| read_only(&HEALTH, &method, health::alive));
    let ready = warp::path!("readyz")
        .and(warp::method())
        .and(with(state))
        .then(|method: Method, state| async move {
            match method {
                Method::GET | Method::HEAD => health::ready(state)
                    .await
                    .unwrap_or_else(Problem::into_response),
                _ => READY.method_not_allowed().into_response(),
            }
        });
    alive.or(ready).unify()
}

fn documentation_routes(
    document: openapi::Document,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let page = warp::path!("docs")
        .and(warp::method())
        .map(|method: Method| read_only(&DOCS, &method, || Ok(docs::page())));
    let file = warp::path!("docs" / String)
        .and(warp::method())
        .map(|file: String, method: Method| read_only(&DOCS_FILE, &method, || docs::file(&file)));
    let document = warp::path!("openapi.json")
        .and(warp::method())
        .and(with(document))
        .map(|method: Method, document: openapi::Document| {
            read_only(&OPENAPI, &method, || Ok(openapi::serve(document.now())))
        });
    page.or(file).unify().or(document).unify()
}

fn page_routes() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let root = warp::path::end().and(warp::method()).and(known()).map(
        |method: Method, known: Option<String>| {
            read_only(&ROOT, &method, || Ok(page::root(known.as_deref())))
        },
    );
    let file = warp::path!("page" / String)
        .and(warp::method())
        .and(known())
        .map(|file: String, method: Method, known: Option<String>| {
            read_only(&PAGE_FILE, &method, || page::file(&file, known.as_deref()))
        });
    root.or(file).unify()
}

/// What a browser says that it has of a file.
fn known() -> impl Filter<Extract = (Option<String>,), Error = Rejection> + Copy {
    warp::header::optional(IF_NONE_MATCH.as_str())
}

fn read_only(
    route: &Route,
    method: &Method,
    handler: impl FnOnce() -> Result<Response, Problem>,
) -> Response {
    match *method {
        Method::GET | Method::HEAD => handler(),
        _ => Err(route.method_not_allowed()),
    }
    .unwrap_or_else(Problem::into_response)
}
