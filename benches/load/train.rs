//! Load for a gateway that counts what it runs, by which the compiler then lays out the one that ships
//! (`benches/profile/make`).

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::contest::{self, Setting};
use crate::fault::RunError;
use crate::options::Options;
use crate::report::{Report, print};
use crate::side::Kind;

/// How long the load of each kind lasts. Each byte of a large result is looked at in one loop, whose count would otherwise make
/// all else look as if it hardly ran.
const LONG: Duration = Duration::from_secs(4);
const SHORT: Duration = Duration::from_millis(100);

/// What it is to be good at.
const WORK: [(&str, Duration); 17] = [
    ("--connections 16", LONG),
    ("--connections 1 --backends 3", LONG),
    ("--connections 64 --backends 3 --sessions 1000", LONG),
    ("--connections 64 --backend-era legacy", LONG),
    ("--connections 16 --era modern --backend-era modern", LONG),
    (
        "--connections 64 --era modern --backends 3 --sessions 1000",
        LONG,
    ),
    ("--connections 16 --era modern --backend-era legacy", LONG),
    ("--connections 16 --backend-era modern", LONG),
    ("--connections 16 --mode initialize --backends 3", LONG),
    (
        "--connections 16 --mode initialize --backends 3 --era modern",
        LONG,
    ),
    (
        "--connections 16 --mode tools-list --backends 3 --tools 100",
        LONG,
    ),
    (
        "--connections 16 --mode tools-list --backends 3 --tools 100 --era modern",
        LONG,
    ),
    ("--connections 16 --answers sse --progress 3", LONG),
    (
        "--connections 16 --answers sse --progress 3 --era modern",
        LONG,
    ),
    ("--connections 64 --delay 20ms --backends 3", LONG),
    ("--connections 16 --payload 100000", SHORT),
    ("--connections 8 --payload 1000000", SHORT),
];

#[derive(Debug, Clone, Args)]
pub(crate) struct TrainOptions {
    /// The gateway that counts.
    #[arg(long, value_name = "PATH")]
    gateway: PathBuf,
}

/// Whether every answer was right.
pub(crate) async fn run(options: &TrainOptions) -> Result<bool, RunError> {
    let mut is_clean = true;
    for (line, duration) in WORK {
        let mut work = Options::of(line)?;
        work.gateway = Some(options.gateway.clone());
        work.duration = duration;
        work.rounds = NonZeroUsize::MIN;
        let settings = [Setting {
            label: line.to_owned(),
            options: work,
        }];
        let findings = contest::hold_whole(&settings, &[Kind::Gateway]).await?;
        let report = Report::new(&settings, &findings)?;
        print(&report);
        is_clean &= report.is_clean();
    }
    Ok(is_clean)
}
