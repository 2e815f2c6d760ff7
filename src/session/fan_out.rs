//! One request to every backend of a session at once, and one answer made of theirs.
//!
//! Each runs in a task of its own: the session's actor only starts them.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Map, Value, value::RawValue};
use smol_str::SmolStr;
use tokio::task::yield_now;

use crate::{
    backend::{Backend, Fresh, LinkKey, Listing, list},
    limits::{TOOLS_FILTERED_AT_ONCE, within},
    mcp::{
        discovery::Discovery,
        event::{Freshness, ResultBody},
        failure::Failure,
        name::{BackendName, Naming},
        object::to_raw,
        request::Context,
        shelf::{Item, Shelf},
        tool_filter::ToolFilter,
    },
    routing::{
        capabilities,
        merge::{self, Merged},
        name::Spelling,
    },
};

use super::message::Welcome;

/// The member of a list's `_meta` that names the backends which are missing from it, and why.
const MISSING: &str = "mcp-gateway/missing";

/// A list to be made of every backend's.
pub(super) struct Lists {
    pub(super) shelf: Shelf,
    /// The backends that may have something on it.
    pub(super) backends: Vec<Backend>,
    /// Which of their tools are offered: one for each of them, or none at all.
    pub(super) filters: Vec<Option<Arc<ToolFilter>>>,
    pub(super) link: LinkKey,
    pub(super) context: Context,
    pub(super) naming: Naming,
    pub(super) spelling: Spelling,
    /// Whether what is listed may depend on a credential.
    pub(super) private: bool,
    /// How long a backend is waited for.
    pub(super) deadline: Duration,
}

/// A list that was made.
pub(super) struct Listed {
    pub(super) result: ResultBody,
    /// What tells that it is still good; `None` if it is not to be kept.
    pub(super) parts: Option<Vec<Fresh>>,
    /// Whether each backend has one conversation with everybody, and so this list for all who say the same of
    /// themselves.
    pub(super) by_all: bool,
    /// The keys of the resources or templates that each backend listed.
    pub(super) keys: Vec<(BackendName, Vec<String>)>,
}

impl Lists {
    /// Lists what every backend has, merged. A backend that fails or is late is left out and named:
    /// its return is announced.
    pub(super) async fn make(&self) -> Listed {
        let mut listings = join_all(self.backends.iter().map(|backend| self.ask(backend))).await;
        for (listing, filter) in listings.iter_mut().zip(&self.filters) {
            if let (Ok(listing), Some(filter)) = (listing, filter) {
                offer(&mut listing.items, filter).await;
            }
        }
        let fresh = listings.iter_mut().map(|it| it.as_mut().ok()?.fresh.take());
        let parts: Option<Vec<Fresh>> = fresh.collect();
        let found = || {
            let pairs = self.backends.iter().zip(&listings);
            pairs.filter_map(|(backend, listing)| Some((backend.name(), listing.as_ref().ok()?)))
        };
        let lists = found().map(|(backend, listing)| (backend, &listing.items[..]));
        let Merged { array, doubled } =
            merge::list(self.shelf, lists, (self.naming, self.spelling));
        let member = self.shelf.member();
        if let Some(first) = doubled.first() {
            tracing::warn!(
                items = doubled.len(),
                "left {member} out of the list whose names are there already, {first:?} the first of them"
            );
        }
        let missing = self.missing(&listings);
        let json = match &missing {
            None => format!(r#"{{"{member}":{array}}}"#),
            Some(meta) => format!(r#"{{"{member}":{array},"_meta":{}}}"#, meta.get()),
        };
        let found_all = || found().map(|(_, listing)| listing);
        Listed {
            result: ResultBody {
                json: json.into(),
                typed: false,
                freshness: Some(Freshness {
                    // What lacks a backend must not be kept.
                    ttl_ms: match missing {
                        None => found_all()
                            .map(|it| it.ttl_ms.unwrap_or(0))
                            .min()
                            .unwrap_or(0),
                        Some(_) => 0,
                    },
                    public: !self.private && found_all().all(|it| it.public),
                }),
            },
            by_all: found_all().all(|it| it.by_all),
            parts,
            keys: found()
                // All others are found by their names.
                .filter(|_| matches!(self.shelf, Shelf::Resources | Shelf::Templates))
                .map(|(backend, listing)| {
                    let keys = listing.items.iter().map(|item| item.key.clone());
                    (backend.clone(), keys.collect())
                })
                .collect(),
        }
    }

    async fn ask(&self, backend: &Backend) -> Result<Listing, String> {
        let (name, member) = (backend.name(), self.shelf.member());
        let asked = list(backend, self.shelf, self.link, &self.context);
        let reason = match within(self.deadline, asked).await {
            Ok(Ok(listing)) => {
                if self.shelf == Shelf::Tools {
                    backend.learned(&listing);
                }
                return Ok(listing);
            }
            Ok(Err(failure)) => in_words(failure),
            Err(_) => "it is late".to_owned(),
        };
        tracing::warn!(backend.name = %name, error = reason, "the {member} of {name} are missing from the list");
        Err(reason)
    }

    fn missing(&self, listings: &[Result<Listing, String>]) -> Option<Box<RawValue>> {
        let missing: Map<String, Value> = self
            .backends
            .iter()
            .zip(listings)
            .filter_map(|(backend, listing)| {
                let reason = listing.as_ref().err()?;
                Some((backend.name().to_string(), reason.as_str().into()))
            })
            .collect();
        let mut meta = Map::new();
        (!missing.is_empty()).then(|| {
            meta.insert(MISSING.to_owned(), missing.into());
            to_raw(&meta.into())
        })
    }
}

/// Leaves those tools that a session offers. Others are served in between, whatever names and patterns there are.
async fn offer(tools: &mut Vec<Item>, filter: &ToolFilter) {
    let mut offered = Vec::with_capacity(tools.len());
    for (number, tool) in std::mem::take(tools).into_iter().enumerate() {
        if number % TOOLS_FILTERED_AT_ONCE == TOOLS_FILTERED_AT_ONCE - 1 {
            yield_now().await;
        }
        if filter.offers(&tool.key) {
            offered.push(tool);
        }
    }
    *tools = offered;
}

/// Why a backend is not there, without its name.
fn in_words(failure: Failure) -> String {
    match failure {
        Failure::Unavailable { reason, .. } => reason,
        failure => failure.to_string(),
    }
}

/// Has every backend ready and gathers what they say of themselves. Waits for none longer than
/// `deadline`: a late one is named as such, and shows up by itself. What `known` has of one that is
/// not there still counts.
pub(super) async fn welcome(
    backends: &[(Backend, Option<Discovery>)],
    link: LinkKey,
    context: &Context,
    deadline: Duration,
) -> Welcome {
    let met = join_all(backends.iter().map(|(backend, _)| async move {
        match within(deadline, backend.connect(link, context.clone())).await {
            Ok(Ok(discovery)) => Ok(discovery),
            Ok(Err(failure)) => Err(in_words(failure)),
            Err(_) => Err("it is slow to answer".to_owned()),
        }
    }))
    .await;
    let parts = backends.iter().zip(&met).map(|((backend, _), met)| {
        let part = match met {
            Ok(discovery) => Ok(discovery.instructions.as_deref()),
            Err(reason) => Err(reason.as_str()),
        };
        (backend.name(), part)
    });
    let offered = backends.iter().zip(&met).map(|((_, known), met)| {
        let discovery = met.as_ref().ok().or(known.as_ref())?;
        Some(&*discovery.capabilities)
    });
    Welcome {
        instructions: merge::instructions(parts),
        capabilities: to_raw(&capabilities::unite(offered).into()),
    }
}

/// Finds the own name that a client was shown shortened; the shown one if there is none, or none that is told in time.
pub(super) async fn own_name(
    backend: &Backend,
    shelf: Shelf,
    (link, context): (LinkKey, &Context),
    shown: SmolStr,
    deadline: Duration,
) -> SmolStr {
    let listed = list(backend, shelf, link, context);
    let Ok(Ok(listing)) = within(deadline, listed).await else {
        return shown;
    };
    // One that is really called so comes first; `shown` itself is short enough to spell plainly.
    let names = || listing.items.iter().map(|item| &item.key);
    if names().any(|own| *own == *shown) {
        return shown;
    }
    let spell = |own: &str| Spelling::Underscores.public_name(backend.name(), own);
    let public = spell(&shown);
    names()
        .find(|own| spell(own) == public)
        .map_or(shown, SmolStr::from)
}
