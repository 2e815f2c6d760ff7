//! A contest: several sides do the same work in turn, round by round, so that a machine that slows down slows all.

use tokio::time::Instant;

use crate::backends::Backends;
use crate::crew::Crew;
use crate::fault::RunError;
use crate::options::Options;
use crate::side::{Creation, Kind, Side};
use crate::tally::{Stretch, Tally};
use crate::usage::{Usage, spent};

/// Work, with a name where a contest has more than one.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) label: String,
    pub(crate) options: Options,
}

/// One side under one setting.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) kind: Kind,
    pub(crate) setting: usize,
    pub(crate) rounds: Vec<Round>,
    /// Its programs at the end of the load.
    pub(crate) usage: Option<Usage>,
    pub(crate) creation: Option<Creation>,
    /// Why it did not take part, or not to the end.
    pub(crate) failure: Option<RunError>,
}

/// What one side did in one round, and what processor time it took.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) tally: Tally,
    pub(crate) spent: Spent,
}

/// Processor time, as far as it is known; none of the side if it has no program of its own.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) side: Option<std::time::Duration>,
    pub(crate) backend: Option<std::time::Duration>,
    pub(crate) load: Option<std::time::Duration>,
}

/// A side that takes part.
#[derive(Debug)]
struct Entrant {
    side: Side,
    findings: Findings,
}

/// Holds the contest: every side under every setting. The rounds are those of the first setting.
pub(crate) async fn hold(settings: &[Setting], kinds: &[Kind]) -> Result<Vec<Findings>, RunError> {
    let mut backends = Vec::new();
    for setting in settings {
        backends.push(Backends::start(&setting.options).await?);
    }
    let (mut entrants, mut absent) = enter(settings, kinds, &backends).await;
    put_load(settings, &mut entrants, &backends).await?;
    let mut findings = Vec::new();
    for mut entrant in entrants {
        if let Some(log) = entrant.side.last_words() {
            let source = entrant.findings.failure.take().unwrap_or(RunError::Ended);
            entrant.findings.failure = Some(RunError::Logged {
                source: Box::new(source),
                log,
            });
        }
        let cleared = entrant.side.clear().await;
        let failure = &mut entrant.findings.failure;
        *failure = failure.take().or(cleared.err());
        findings.push(entrant.findings);
    }
    for backends in backends {
        backends.stop().await?;
    }
    findings.append(&mut absent);
    findings.sort_by_key(|one| (one.setting, kinds.iter().position(|kind| *kind == one.kind)));
    Ok(findings)
}

/// Holds the contest with every side that must be there, or fails with what keeps one from it.
pub(crate) async fn hold_whole(
    settings: &[Setting],
    kinds: &[Kind],
) -> Result<Vec<Findings>, RunError> {
    let mut findings = hold(settings, kinds).await?;
    let mut needed = findings.iter_mut().filter(|one| one.kind.is_needed());
    match needed.find_map(|one| one.failure.take()) {
        Some(failure) => Err(failure),
        None => Ok(findings),
    }
}

/// Brings all sides up; those that do not come up are not waited for.
async fn enter(
    settings: &[Setting],
    kinds: &[Kind],
    backends: &[Backends],
) -> (Vec<Entrant>, Vec<Findings>) {
    let (mut entrants, mut absent) = (Vec::new(), Vec::new());
    for (number, setting) in settings.iter().enumerate() {
        for kind in kinds.iter().copied() {
            let mut findings = Findings {
                kind,
                setting: number,
                rounds: Vec::new(),
                usage: None,
                creation: None,
                failure: None,
            };
            match Side::set(kind, &setting.options, &backends[number]).await {
                Ok(side) => {
                    findings.creation = side.creation;
                    entrants.push(Entrant { side, findings });
                }
                Err(error) => {
                    findings.failure = Some(error);
                    absent.push(findings);
                }
            }
        }
    }
    (entrants, absent)
}

async fn put_load(
    settings: &[Setting],
    entrants: &mut [Entrant],
    backends: &[Backends],
) -> Result<(), RunError> {
    let work = |entrant: &Entrant| &settings[entrant.findings.setting].options;
    let works: Vec<_> = entrants
        .iter()
        .map(|entrant| (work(entrant), &entrant.side.endpoints[..]))
        .collect();
    let crew = Crew::new(&works)?;
    drop(works);
    for (number, entrant) in entrants.iter_mut().enumerate() {
        entrant.findings.failure = crew.open(number).await.err();
    }
    let rounds = settings
        .first()
        .map_or(0, |setting| setting.options.rounds.get());
    for _ in 0..rounds {
        for (number, entrant) in entrants.iter_mut().enumerate() {
            if entrant.findings.failure.is_some() {
                continue;
            }
            let options = work(entrant);
            let backend = &backends[entrant.findings.setting];
            let now = || (entrant.side.usage(), backend.usage(), Usage::of_own());
            let from = Instant::now() + options.warmup;
            let until = from + options.stretch();
            let before = now();
            let tally = crew.load(number, Stretch { from, until }).await?;
            let after = now();
            let spent = Spent {
                side: spent(before.0, after.0),
                backend: spent(before.1, after.1),
                load: spent(before.2, after.2),
            };
            entrant.findings.rounds.push(Round { tally, spent });
        }
    }
    for entrant in entrants.iter_mut() {
        entrant.findings.usage = entrant.side.usage();
    }
    crew.close().await
}
