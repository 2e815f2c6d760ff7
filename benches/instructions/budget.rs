//! What a call may cost: the budget in the tree, and a little on top.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use crate::{RunError, options::Era};

/// By how much a call may exceed its budget, in parts of a hundred: more is no noise.
const TOLERANCE_PERCENT: u64 = 5;

/// How a count stands to its budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    era: Era,
    instructions: u64,
    budget: u64,
}

impl Verdict {
    /// Holds a count against the budget in the tree.
    pub(crate) fn of(era: Era, instructions: u64) -> Result<Self, RunError> {
        let text = fs::read_to_string(path()).map_err(RunError::doing("reading the budget"))?;
        let budgets: BTreeMap<String, u64> = serde_json::from_str(&text)
            .map_err(|error| RunError::Wrong(format!("the budget cannot be read: {error}")))?;
        let budget = budgets.get(&era.to_string()).copied();
        Ok(Self {
            era,
            instructions,
            budget: budget.ok_or_else(|| RunError::Wrong(format!("{era} has no budget")))?,
        })
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.instructions * 100 <= self.budget * (100 + TOLERANCE_PERCENT)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            era,
            instructions,
            budget,
        } = self;
        write!(
            formatter,
            "{era:<8}{instructions:>8} instructions a call, budget {budget}"
        )?;
        if !self.is_kept() {
            write!(formatter, ": more than {TOLERANCE_PERCENT} % above it")?;
        }
        Ok(())
    }
}

/// Writes new budgets down.
pub(crate) fn write(counts: &[(Era, u64)]) -> Result<(), RunError> {
    let budgets: BTreeMap<String, u64> = counts
        .iter()
        .map(|(era, instructions)| (era.to_string(), *instructions))
        .collect();
    let text = serde_json::to_string_pretty(&budgets)
        .map_err(|error| RunError::Wrong(format!("the budget cannot be written: {error}")))?;
    fs::write(path(), text + "\n").map_err(RunError::doing("writing the budget"))
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/budget.json")
}
