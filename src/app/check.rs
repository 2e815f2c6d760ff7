//! `mcp-gateway check`: is the registry right, and do its providers answer?

use std::{fmt::Write as _, io::Write as _, process::ExitCode, time::Instant};

use futures_util::future::join_all;

use crate::{
    backend::{Backend, HttpClients, LinkKey, Start, Witness, list},
    config::Config,
    mcp::{failure::Failure, request::Context, shelf::Shelf},
    metrics::Metrics,
    registry::{ProviderSpec, Registry},
};

use super::{AppError, progress::Progress};

/// What one provider said.
struct Finding {
    name: String,
    ms: u128,
    said: Said,
}

/// What came of trying a provider.
enum Said {
    /// It answered, in this revision and with so many tools.
    Ok { revision: String, tools: usize },
    /// It needs a credential that only a session brings.
    Skipped,
    /// It did not, for this reason.
    Failed(String),
}

/// Checks the registry and, if asked to, every provider in it; prints what it finds.
///
/// Ends with success only if nothing is wrong.
pub(super) async fn run(config: &Config, connect: bool) -> Result<ExitCode, AppError> {
    let registry = super::read_registry(config)?;
    let mut text = format!(
        "{}: {}, no mistakes\n",
        config.registry_path.display(),
        super::counted(registry.len() as u64, "provider")
    );
    let mut all_answer = true;
    if connect {
        let findings = try_all(&registry, Metrics::new()?).await;
        all_answer = !findings
            .iter()
            .any(|finding| matches!(finding.said, Said::Failed(_)));
        text.push_str(&table(&findings));
    }
    // A closed standard output has no reader; the exit code still tells.
    let _closed = std::io::stdout().write_all(text.as_bytes());
    Ok(if all_answer {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn try_all(registry: &Registry, metrics: Metrics) -> Vec<Finding> {
    let clients = HttpClients::new(metrics);
    let progress = Progress::counting(registry.len(), "asking providers");
    let progress = &progress;
    join_all(registry.iter().map(|spec| {
        let clients = clients.clone();
        async move {
            let began = Instant::now();
            let said = try_one(spec, clients).await;
            progress.step();
            Finding {
                name: spec.name.to_string(),
                ms: began.elapsed().as_millis(),
                said,
            }
        }
    }))
    .await
}

/// Connects with the provider's default credential and lists its tools.
async fn try_one(spec: &std::sync::Arc<ProviderSpec>, clients: HttpClients) -> Said {
    if spec.auth.must_be_brought() {
        return Said::Skipped;
    }
    let start = Start {
        number: 0,
        name: spec.name.clone(),
        spec: Some(spec.clone()),
        credential: Ok(None),
        clients,
        witness: Witness::another(),
        remembered: Vec::new(),
        report: std::sync::Arc::new(drop),
    };
    let (backend, life) = Backend::start(start);
    let tried = async {
        backend
            .connect(LinkKey::Default, Context::default())
            .await?;
        list(
            &backend,
            Shelf::Tools,
            LinkKey::Default,
            &Context::default(),
        )
        .await
    };
    let tried: Result<_, Failure> = tried.await;
    let revision = backend
        .describe()
        .await
        .and_then(|described| described.revision)
        .map(|revision| revision.to_string());
    backend.close();
    // It ends when it has said its goodbyes.
    life.let_go();
    match tried {
        Ok(listing) => Said::Ok {
            revision: revision.unwrap_or_default(),
            tools: listing.items.len(),
        },
        Err(failure) => Said::Failed(failure.to_string()),
    }
}

fn table(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.name.len())
        .chain(["provider".len()])
        .max()
        .unwrap_or_default();
    let mut table = format!(
        "{:width$}  {:7}  {:10}  {:>5}  {:>6}\n",
        "provider", "state", "revision", "tools", "ms"
    );
    for Finding { name, ms, said } in findings {
        let line = match said {
            Said::Ok { revision, tools } => {
                format!(
                    "{name:width$}  {:7}  {revision:10}  {tools:>5}  {ms:>6}",
                    "ok"
                )
            }
            Said::Skipped => format!(
                "{name:width$}  {:7}  needs a credential; give the entry a default to try it",
                "skipped"
            ),
            Said::Failed(reason) => format!("{name:width$}  {:7}  {reason}", "failed"),
        };
        // Writing to a text cannot fail.
        let _infallible = writeln!(table, "{line}");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up_and_says_why() {
        let findings = [
            Finding {
                name: "docs".into(),
                ms: 12,
                said: Said::Ok {
                    revision: "2025-11-25".into(),
                    tools: 3,
                },
            },
            Finding {
                name: "huggingface".into(),
                ms: 1,
                said: Said::Failed("connection refused".into()),
            },
        ];
        assert_eq!(
            table(&findings),
            "provider     state    revision    tools      ms\n\
             docs         ok       2025-11-25      3      12\n\
             huggingface  failed   connection refused\n"
        );
    }
}
