//! The states of a connection and every way between them, without I/O.

use std::time::Duration;

/// How a connection stands.
///
/// ```text
///          Wanted            Opened
///  Idle ----------> Connecting ----> Ready
///    \                 ^  |  \          | Lost
///     \ Remembered     |  |   \ Failed  v
///      `-> Ready       |  |    `----> Waiting (backoff)
///                      |  | Refused     |
///                      |  v             | Elapsed, or Wanted after a while
///                      | Refused        |
///                      `--'-------------'
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Never tried, or not since the gateway started.
    Idle,
    /// A handshake is under way.
    Connecting,
    /// Calls go out at once.
    Ready,
    /// Out of reach; a timer runs until the next try.
    Waiting,
    /// The backend turned the gateway down; only a call makes it try again.
    Refused,
}

/// What a try can be expected to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Nothing that would take long.
    Fair,
    /// Silence: the last one took all the time it had, and so may the next.
    Slow,
    /// Nobody: the provider is gone for every session.
    Gone,
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// Somebody needs it. `since_failure` is how long the last failure is ago.
    Wanted {
        since_failure: Duration,
        outlook: Outlook,
    },
    /// What was learned before a restart of the gateway still stands.
    Remembered,
    /// The handshake succeeded.
    Opened,
    /// The handshake failed; it may work later.
    Failed,
    /// The backend turned the gateway down, or a call: a later try would meet the same end.
    Refused,
    /// The pause is over.
    Elapsed,
    /// A call found the backend out of reach.
    Lost,
}

/// What the connection does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing more.
    None,
    /// Start a handshake.
    Open,
    /// Come back after this pause.
    Wait(Duration),
    /// Whoever wanted it is told the last error now.
    FailNow,
    /// The same, and a handshake is started: who comes later may find it done.
    FailAndOpen,
}

/// A connection's state and how often in a row it failed.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    failures: u32,
}

/// The pauses between tries in the background.
const BACKOFF: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

/// A call tries at once, instead of failing, when the last failure is at least this long ago: so a
/// dead backend costs a busy caller nothing, and a repaired one is found by the next call.
const PATIENCE: Duration = Duration::from_secs(1);

impl Machine {
    /// A connection that nobody needed yet.
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Idle,
            failures: 0,
        }
    }

    /// How it stands.
    pub(crate) const fn state(&self) -> State {
        self.state
    }

    /// Takes one step. Facts that come too late change nothing.
    pub(crate) fn step(&mut self, input: Input) -> Effect {
        let (next, effect) = match (self.state, input) {
            (State::Waiting, Input::Elapsed) => (State::Connecting, Effect::Open),

            (
                state,
                Input::Wanted {
                    since_failure,
                    outlook,
                },
            ) => wanted(state, since_failure, outlook),

            (State::Idle, Input::Remembered) | (State::Connecting, Input::Opened) => {
                self.failures = 0;
                (State::Ready, Effect::None)
            }

            (State::Connecting, Input::Failed) | (State::Ready, Input::Lost) => {
                let pause = BACKOFF[(self.failures as usize).min(BACKOFF.len() - 1)];
                self.failures = self.failures.saturating_add(1);
                (State::Waiting, Effect::Wait(pause))
            }

            (State::Connecting | State::Ready, Input::Refused) => (State::Refused, Effect::None),

            (state, _) => (state, Effect::None),
        };
        self.state = next;
        effect
    }
}

/// What a connection does for somebody who needs it. Nobody waits for what will not come.
fn wanted(state: State, since_failure: Duration, outlook: Outlook) -> (State, Effect) {
    match (state, outlook) {
        (State::Ready, _) | (State::Connecting, Outlook::Fair) => (state, Effect::None),
        // In all of these somebody is at it, or a timer will be.
        (State::Connecting, _) | (State::Waiting, Outlook::Gone) => (state, Effect::FailNow),
        (State::Waiting | State::Refused, _) if since_failure < PATIENCE => {
            (state, Effect::FailNow)
        }
        (_, Outlook::Fair) => (State::Connecting, Effect::Open),
        (_, Outlook::Slow | Outlook::Gone) => (State::Connecting, Effect::FailAndOpen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Input = wanted(Duration::from_millis(10), Outlook::Fair);
    const LATER: Input = wanted(Duration::from_secs(2), Outlook::Fair);

    const fn wanted(since_failure: Duration, outlook: Outlook) -> Input {
        Input::Wanted {
            since_failure,
            outlook,
        }
    }

    fn after(inputs: &[Input]) -> (State, Effect) {
        let mut machine = Machine::new();
        let mut effect = Effect::None;
        for input in inputs {
            effect = machine.step(*input);
        }
        (machine.state(), effect)
    }

    #[test]
    fn a_connection_opens_when_somebody_needs_it() {
        assert_eq!(after(&[SOON]), (State::Connecting, Effect::Open));
        assert_eq!(after(&[SOON, SOON]), (State::Connecting, Effect::None));
        assert_eq!(after(&[SOON, Input::Opened]), (State::Ready, Effect::None));
        assert_eq!(after(&[Input::Remembered]), (State::Ready, Effect::None));
    }

    #[test]
    fn a_backend_out_of_reach_is_tried_again_with_growing_pauses() {
        let mut machine = Machine::new();
        machine.step(SOON);
        for pause in BACKOFF.into_iter().chain([BACKOFF[5], BACKOFF[5]]) {
            assert_eq!(machine.step(Input::Failed), Effect::Wait(pause));
            assert_eq!(machine.step(Input::Elapsed), Effect::Open);
        }
        machine.step(Input::Opened);
        assert_eq!(machine.step(Input::Lost), Effect::Wait(BACKOFF[0]));
    }

    #[test]
    fn a_call_during_the_pause_fails_at_once_or_tries_after_a_while() {
        let waiting = [SOON, Input::Failed];
        assert_eq!(
            after(&[&waiting[..], &[SOON]].concat()),
            (State::Waiting, Effect::FailNow)
        );
        assert_eq!(
            after(&[&waiting[..], &[LATER]].concat()),
            (State::Connecting, Effect::Open)
        );
    }

    #[test]
    fn a_refused_connection_waits_for_a_call_not_for_a_timer() {
        let refused = [SOON, Input::Refused];
        assert_eq!(after(&refused), (State::Refused, Effect::None));
        assert_eq!(
            after(&[&refused[..], &[Input::Elapsed]].concat()),
            (State::Refused, Effect::None)
        );
        assert_eq!(
            after(&[&refused[..], &[LATER]].concat()),
            (State::Connecting, Effect::Open)
        );
    }

    #[test]
    fn nobody_waits_for_a_backend_that_was_silent_or_is_gone() {
        let later = |outlook| wanted(Duration::from_secs(2), outlook);
        for outlook in [Outlook::Slow, Outlook::Gone] {
            let first = after(&[later(outlook)]);
            assert_eq!(first, (State::Connecting, Effect::FailAndOpen));
            let second = after(&[SOON, later(outlook)]);
            assert_eq!(second, (State::Connecting, Effect::FailNow));
            let refused = after(&[SOON, Input::Refused, later(outlook)]);
            assert_eq!(refused, (State::Connecting, Effect::FailAndOpen));
        }
        let waiting = |outlook| after(&[SOON, Input::Failed, later(outlook)]);
        let tried = (State::Connecting, Effect::FailAndOpen);
        assert_eq!(waiting(Outlook::Slow), tried);
        // Its timer is set for when it may be tried.
        assert_eq!(waiting(Outlook::Gone), (State::Waiting, Effect::FailNow));
    }

    #[test]
    fn facts_that_come_too_late_change_nothing() {
        for (inputs, state) in [
            (vec![Input::Opened], State::Idle),
            (vec![Input::Lost], State::Idle),
            (vec![SOON, Input::Elapsed], State::Connecting),
            (vec![SOON, Input::Opened, Input::Failed], State::Ready),
            (vec![SOON, Input::Opened, Input::Elapsed], State::Ready),
            (vec![SOON, Input::Failed, Input::Lost], State::Waiting),
        ] {
            assert_eq!(after(&inputs), (state, Effect::None), "{inputs:?}");
        }
    }
}
