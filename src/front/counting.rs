//! Counts every request by its route and by how it was answered, whoever answered it: the gate, the admission, a route.
//! What is for the MCP endpoint is told here, too: that is looked at once.

use std::time::Instant;

use http::{Method, Request};
use warp::reply::Response;

use crate::{
    lanes,
    metrics::{HttpAnswers, Metrics},
};

use super::api::ROUTES;

/// Where [`super::api::MCP`] stands among them: nearly all requests are for it, and nobody looks for its number each time.
const MCP_NUMBER: usize = 8;

/// Where they are counted.
pub(super) struct Counting(HttpAnswers);

/// A request that has no answer yet.
pub(super) struct Begun {
    at: Instant,
    method: Method,
    route: Option<usize>,
}

impl Begun {
    /// Whether it is for [`super::api::MCP`]: only then does it reach that route.
    pub(super) fn is_mcp(&self) -> bool {
        self.route == Some(MCP_NUMBER)
    }
}

impl Counting {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let templates = ROUTES.iter().map(|route| route.template);
        Self(metrics.http_answers(templates.collect()))
    }

    /// Begins with a request.
    pub(super) fn begin<B>(request: &Request<B>) -> Begun {
        Begun {
            at: lanes::now().into_std(),
            method: request.method().clone(),
            route: number_of(request.uri().path()),
        }
    }

    /// Its answer begins.
    pub(super) fn answered(&self, begun: &Begun, response: &Response) {
        let method = begun.method.as_str();
        let status = response.status().as_u16();
        self.0
            .observe(method, begun.route, status, begun.at.elapsed());
    }
}

/// The number of the route that a path is of, among all.
fn number_of(path: &str) -> Option<usize> {
    let path = match path.strip_suffix('/') {
        Some(rest) if !rest.is_empty() => rest,
        _ => path,
    };
    if is_mcp(path) {
        return Some(MCP_NUMBER);
    }
    ROUTES.iter().position(|route| is_of(path, route.template))
}

/// Whether a path is of [`super::api::MCP`], which is looked at for every request.
fn is_mcp(path: &str) -> bool {
    let id = path.strip_prefix("/session/");
    let id = id.and_then(|rest| rest.strip_suffix("/mcp"));
    id.is_some_and(|id| !id.is_empty() && !id.as_bytes().contains(&b'/'))
}

/// Whether a path has a template's segments, whatever stands for its parameters.
fn is_of(path: &str, template: &str) -> bool {
    let mut given = path.split('/');
    let mut wanted = template.split('/');
    loop {
        match (given.next(), wanted.next()) {
            (None, None) => return true,
            (Some(given), Some(wanted)) if given == wanted => {}
            (Some(given), Some(wanted)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::api::MCP;

    #[test]
    fn a_path_is_of_one_route_whatever_its_parameters() {
        for (number, route) in ROUTES.iter().enumerate() {
            let path = route.template.replace("{session_id}", "fd4bace9");
            let path = path.replace("{file}", "page.css");
            assert_eq!(number_of(&path), Some(number), "{path}");
            if path != "/" {
                assert_eq!(number_of(&format!("{path}/")), Some(number));
                assert_eq!(number_of(&format!("{path}/no/more")), None);
            }
        }
        for path in [
            "",
            "/session",
            "/session/a/b/mcp",
            "/session//mcp",
            "/session/a/mcp//",
            "//session/a/mcp",
            "/mcp",
            "/nothing",
        ] {
            assert_eq!(number_of(path), None, "{path}");
        }
        assert_eq!(ROUTES[MCP_NUMBER].template, MCP.template);
    }
}
