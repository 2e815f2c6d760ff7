//! `mcp-gateway check`: is the registry right, and do its providers answer?

use std::{process::ExitCode, time::Instant};

use console::style;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    backend::{Backend, HttpClients, LinkKey, Start, Witness, list},
    config::Config,
    console::{Progress, Table, print, print_json},
    mcp::{failure::Failure, request::Context, shelf::Shelf},
    metrics::Metrics,
    registry::{Finding as Remark, ProviderSpec, Registry, RegistryError},
};

use super::AppError;

/// What one provider said.
struct Finding {
    name: String,
    /// Nothing where nobody was to be asked.
    asked: Option<Asked>,
}

/// What came of asking a provider, and for how long that took.
struct Asked {
    said: Said,
    ms: u64,
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

/// What a provider that is skipped lacks.
const SKIPPED: &str = "needs a credential; give the entry a default to try it";

/// Checks the registry and, if asked to, every provider in it; prints what it finds, as JSON for programs.
///
/// Ends with success only if nothing is wrong.
pub(super) async fn run(config: &Config, connect: bool, json: bool) -> Result<ExitCode, AppError> {
    let registry = match super::load_registry(config) {
        Err(RegistryError::Mistakes(mistakes)) if json => {
            print_json(&report(config, mistakes.as_slice(), &[], &[]))?;
            return Ok(ExitCode::FAILURE);
        }
        read => read?,
    };
    if !json {
        super::tell_warnings(&registry);
    }
    let findings = if connect {
        try_all(&registry, Metrics::new()?).await
    } else {
        let names = registry.iter().map(|spec| spec.name.to_string());
        names.map(|name| Finding { name, asked: None }).collect()
    };
    if json {
        print_json(&report(config, &[], registry.warnings(), &findings))?;
    } else {
        let mut text = format!(
            "{}: {}, no mistakes\n",
            config.registry_path.display(),
            super::counted(registry.len() as u64, "provider")
        );
        if connect {
            text.push_str(&table(&findings));
        }
        print(&text)?;
    }
    let failed = |asked: &Asked| matches!(asked.said, Said::Failed(_));
    let mut asked = findings.iter().filter_map(|finding| finding.asked.as_ref());
    Ok(if asked.any(failed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
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
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Finding {
                name: spec.name.to_string(),
                asked: Some(Asked { said, ms }),
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
    let titles = ["provider", "state", "revision", "tools", "ms", "says"];
    let mut table = Table::new(&titles);
    for Finding { name, asked } in findings {
        let Some(Asked { said, ms }) = asked else {
            continue;
        };
        let (state, revision, tools, says) = match said {
            Said::Ok { revision, tools } => {
                let tools = format!("{tools:>5}");
                (style("ok").green(), revision.as_str(), tools, "")
            }
            Said::Skipped => (style("skipped").dim(), "", String::new(), SKIPPED),
            Said::Failed(reason) => (style("failed").red(), "", String::new(), reason.as_str()),
        };
        table.row(vec![
            name.clone(),
            state.to_string(),
            revision.to_owned(),
            tools,
            format!("{ms:>6}"),
            says.to_owned(),
        ]);
    }
    table.text()
}

/// The same for programs: every member is there, whatever was found.
fn report(
    config: &Config,
    mistakes: &[Remark],
    warnings: &[Remark],
    findings: &[Finding],
) -> Value {
    let remark = |remark: &Remark| {
        json!({
            "line": remark.line,
            "column": remark.column,
            "field": remark.field,
            "problem": remark.problem,
            "remedy": remark.remedy,
        })
    };
    let remarks = |remarks: &[Remark]| remarks.iter().map(remark).collect::<Value>();
    json!({
        "registry": config.registry_path.display().to_string(),
        "mistakes": remarks(mistakes),
        "warnings": remarks(warnings),
        "providers": findings.iter().map(provider).collect::<Value>(),
    })
}

fn provider(Finding { name, asked }: &Finding) -> Value {
    let (state, revision, tools, reason) = match asked.as_ref().map(|asked| &asked.said) {
        None => (None, None, None, None),
        Some(Said::Ok { revision, tools }) => {
            (Some("ok"), Some(revision.as_str()), Some(*tools), None)
        }
        Some(Said::Skipped) => (Some("skipped"), None, None, Some(SKIPPED)),
        Some(Said::Failed(reason)) => (Some("failed"), None, None, Some(reason.as_str())),
    };
    json!({
        "name": name,
        "state": state,
        "revision": revision,
        "tools": tools,
        "reason": reason,
        "ms": asked.as_ref().map(|asked| asked.ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up_and_says_why() {
        console::set_colors_enabled(false);
        let finding = |name: &str, ms, said| Finding {
            name: name.to_owned(),
            asked: Some(Asked { said, ms }),
        };
        let (revision, tools) = ("2025-11-25".to_owned(), 3);
        let findings = [
            finding("docs", 12, Said::Ok { revision, tools }),
            finding(
                "huggingface",
                1,
                Said::Failed("connection refused".to_owned()),
            ),
        ];
        assert_eq!(
            table(&findings),
            "provider     state   revision    tools  ms      says\n\
             docs         ok      2025-11-25      3      12\n\
             huggingface  failed                          1  connection refused\n"
        );
    }
}
