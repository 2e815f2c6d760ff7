//! Everything a run needs before the load begins: backend, gateway and sessions; and its removal afterwards.

mod programs;

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::child::Running;
use crate::endpoint::{Endpoint, Names};
use crate::fault::RunError;
use crate::options::{Era, Mode, Options};
use crate::rest::{self, Session};
use crate::usage::Usage;

/// Where the load goes, and what has to be taken down after it.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The backends themselves; none if a running gateway is measured.
    pub(crate) direct: Vec<Endpoint>,
    /// The sessions of the gateway; none if only the backend is measured.
    pub(crate) gateway: Vec<Endpoint>,
    /// How long making the sessions took; none if none were made.
    pub(crate) creation: Option<Creation>,
    running: Vec<Running>,
    made: Option<Made>,
    // After the programs that write into it: fields are dropped in this order.
    folder: Option<TempDir>,
}

/// Sessions that were made for the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creation {
    pub(crate) sessions: usize,
    pub(crate) took: Duration,
}

impl Creation {
    #[expect(clippy::cast_precision_loss, reason = "no run has 2^53 sessions")]
    pub(crate) fn per_second(self) -> f64 {
        self.sessions as f64 / self.took.as_secs_f64()
    }
}

/// Sessions to delete at a gateway that lives on.
#[derive(Debug)]
struct Made {
    authority: String,
    ids: Vec<String>,
}

impl Stage {
    pub(crate) async fn set(options: &Options) -> Result<Self, RunError> {
        match &options.url {
            Some(url) => Self::at(options, url).await,
            None => Self::of_our_own(options).await,
        }
    }

    /// Deletes the sessions made at a running gateway, or ends the programs.
    pub(crate) async fn clear(self) -> Result<(), RunError> {
        if let Some(made) = self.made {
            rest::delete_sessions(&made.authority, &made.ids).await?;
        }
        for program in self.running.into_iter().rev() {
            program.stop().await?;
        }
        if let Some(folder) = self.folder {
            folder.close()?;
        }
        Ok(())
    }

    /// What the gateway has used so far, if it was started for this run.
    pub(crate) fn gateway_usage(&self) -> Option<Usage> {
        match &self.running[..] {
            [_backend, gateway] => gateway.usage(),
            _ => None,
        }
    }

    /// The end of the gateway's log, if the gateway has ended by itself.
    pub(crate) fn last_words(&mut self) -> Option<String> {
        let has_ended = self.running.iter_mut().any(Running::has_ended);
        let folder = self.folder.as_ref().filter(|_| has_ended)?;
        Some(programs::end_of_log(folder.path()))
    }

    /// A gateway that runs already.
    async fn at(options: &Options, url: &str) -> Result<Self, RunError> {
        let authority = authority(url).ok_or_else(|| RunError::Url(url.to_owned()))?;
        let (mut made, mut creation) = (None, None);
        let paths = if options.session.is_empty() {
            let (sessions, took) = create(options, &authority, &options.servers).await?;
            creation = Some(took);
            made = Some(Made {
                authority: authority.clone(),
                ids: sessions
                    .iter()
                    .map(|made| made.session_id.clone())
                    .collect(),
            });
            mcp_endpoints(sessions)
        } else {
            let path = |id| format!("/session/{id}/mcp");
            options.session.iter().map(path).collect()
        };
        let names = Names::public(options, &options.servers)?;
        Ok(Self {
            direct: Vec::new(),
            gateway: endpoints(&authority, &paths, options.era, names)?,
            creation,
            running: Vec::new(),
            made,
            folder: None,
        })
    }

    async fn of_our_own(options: &Options) -> Result<Self, RunError> {
        let backend = programs::start_backend(options).await?;
        let addresses = backend.authorities.clone();
        let mut stage = Self {
            direct: direct_endpoints(options, &addresses)?,
            gateway: Vec::new(),
            creation: None,
            running: vec![backend],
            made: None,
            folder: None,
        };
        if options.direct_only {
            return Ok(stage);
        }
        let count = options.backends.get();
        let providers: Vec<_> = (0..count).map(|number| format!("fake{number}")).collect();
        let folder = tempfile::Builder::new().prefix("gateway-load-").tempdir()?;
        let registered = providers.iter().zip(&addresses);
        let gateway = programs::start_gateway(options, folder.path(), registered).await?;
        let authority = gateway.authorities.concat();
        stage.running.push(gateway);
        stage.folder = Some(folder);
        let (sessions, took) = create(options, &authority, &providers).await?;
        stage.creation = Some(took);
        let names = Names::public(options, &providers)?;
        stage.gateway = endpoints(&authority, &mcp_endpoints(sessions), options.era, names)?;
        Ok(stage)
    }
}

/// Makes the sessions of the run, and takes the time.
async fn create(
    options: &Options,
    authority: &str,
    providers: &[String],
) -> Result<(Vec<Session>, Creation), RunError> {
    let (count, begun) = (options.sessions.get(), Instant::now());
    let sessions = rest::create_sessions(authority, providers, count).await?;
    let creation = Creation {
        sessions: count,
        took: begun.elapsed(),
    };
    Ok((sessions, creation))
}

/// The same work without a gateway. A list is asked of one backend that has all the tools of the merged list; anything
/// else goes to the backends in turn.
fn direct_endpoints(options: &Options, addresses: &[String]) -> Result<Vec<Endpoint>, RunError> {
    let (tools, addresses) = match (options.mode, addresses) {
        (Mode::ToolsList, [.., whole]) => (programs::all_tools(options), vec![whole]),
        (_, [each @ .., _]) => (options.tools, each.iter().collect()),
        (_, []) => (options.tools, Vec::new()),
    };
    let names = Arc::new(Names::own(options, tools)?);
    let era = options.direct_era();
    let endpoint = |address: &String| Endpoint::new(address, "/mcp", era, Arc::clone(&names));
    let endpoints = addresses.into_iter().map(endpoint);
    Ok(endpoints.collect::<Result<_, _>>()?)
}

fn endpoints(
    authority: &str,
    paths: &[String],
    era: Era,
    names: Names,
) -> Result<Vec<Endpoint>, RunError> {
    let names = Arc::new(names);
    let endpoint = |path: &String| Endpoint::new(authority, path, era, Arc::clone(&names));
    Ok(paths.iter().map(endpoint).collect::<Result<_, _>>()?)
}

fn mcp_endpoints(sessions: Vec<Session>) -> Vec<String> {
    let path = |session: Session| session.mcp_endpoint;
    sessions.into_iter().map(path).collect()
}

/// Host and port of a plain HTTP URL.
fn authority(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    if url.scheme() != Some(&Scheme::HTTP) {
        return None;
    }
    let port = url.port_u16().unwrap_or(80);
    Some(format!("{}:{port}", url.host()?))
}
