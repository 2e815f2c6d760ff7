//! A gateway that runs already: sessions are made for the run, if it is one of ours, and deleted after it.

use http::Uri;
use http::uri::Scheme;

use super::gateway::{create, endpoints, mcp_endpoints};
use super::{Made, Side};
use crate::endpoint::Names;
use crate::fault::RunError;
use crate::options::Options;

pub(super) async fn set(options: &Options) -> Result<Side, RunError> {
    let given = options.url.clone().unwrap_or_default();
    let (authority, path) = parts(&given).ok_or(RunError::Url(given))?;
    let is_exact = path.is_none();
    let (mut made, mut creation) = (None, None);
    let paths = if let Some(path) = path {
        vec![path]
    } else if options.session.is_empty() {
        let (sessions, took) = create(options, &authority, &options.servers).await?;
        creation = Some(took);
        let ids = sessions.iter().map(|made| made.session_id.clone());
        made = Some(Made {
            authority: authority.clone(),
            ids: ids.collect(),
        });
        mcp_endpoints(sessions)
    } else {
        let path = |id| format!("/session/{id}/mcp");
        options.session.iter().map(path).collect()
    };
    let names = Names {
        is_exact,
        ..Names::public(options, &options.servers)
    };
    let endpoints = endpoints(&authority, &paths, options.era, names);
    Ok(Side {
        creation,
        made,
        ..Side::at(endpoints)
    })
}

/// Host and port of a plain HTTP URL; and its path, if it has one.
fn parts(url: &str) -> Option<(String, Option<String>)> {
    let url: Uri = url.parse().ok()?;
    if url.scheme() != Some(&Scheme::HTTP) {
        return None;
    }
    let port = url.port_u16().unwrap_or(80);
    let path = Some(url.path()).filter(|path| *path != "/");
    Some((format!("{}:{port}", url.host()?), path.map(str::to_owned)))
}
