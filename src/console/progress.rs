//! A bar for what takes more than a second, on a terminal only.

use std::{borrow::Cow, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{task::JoinHandle, time::sleep};

use crate::limits::CONSOLE_QUIET_MAX;

/// How often it moves where nothing is counted.
const TICK: Duration = Duration::from_millis(100);

/// A bar on standard error, from the first second on until it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    shown: JoinHandle<()>,
}

impl Progress {
    /// A bar for so many steps.
    pub(crate) fn counting(steps: usize, what: impl Into<Cow<'static, str>>) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::hidden());
        Self::new(bar, "{msg} {bar:30} {pos}/{len}", what.into())
    }

    /// A sign that something goes on, of which nobody knows how long it takes.
    pub(crate) fn spinning(what: impl Into<Cow<'static, str>>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self::new(bar, "{spinner} {msg}, for {elapsed}", what.into())
    }

    fn new(bar: ProgressBar, template: &str, what: Cow<'static, str>) -> Self {
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        let late = bar.clone();
        let shown = tokio::spawn(async move {
            sleep(CONSOLE_QUIET_MAX).await;
            // Draws nothing where standard error is no terminal.
            late.set_draw_target(ProgressDrawTarget::stderr());
            late.enable_steady_tick(TICK);
        });
        Self { bar, shown }
    }

    /// One step is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shown.abort();
        self.bar.finish_and_clear();
    }
}
