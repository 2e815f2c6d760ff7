//! Whether a provider is gone for everybody: what all its connections met last, and who may look
//! whether it is back. Without I/O, without a clock, without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    limits::{BREAKER_PAUSE, BREAKER_PAUSE_MAX},
    metrics,
};

/// What an attempt to use a provider showed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered, whatever it said.
    There,
    /// No connection can be had: that is so for everybody.
    Unreachable,
    /// It is there and does not serve. That may be so for this one connection alone, because of its
    /// credential or of what it asked.
    Unwell(Witness),
}

/// Whose connection met it: all of one session are one, those of different sessions mostly differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Witness(u8);

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes out.
    Passes,
    /// It goes out, alone, and what it meets decides. Whoever has this must tell what that was.
    Probes,
    /// It fails now.
    Fails {
        /// How long until one may try; zero while somebody is at it.
        retry_in: Duration,
    },
}

/// A turn that others should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// From now on attempts fail at once.
    Opened,
    /// Attempts go out again.
    Closed,
}

/// One provider's breaker, shared by all that use it.
///
/// ```text
///            many signs                pause over: one probe
///  closed ---------------> open(pause) ---------------------> probing
///    ^  ^                    |    ^                             |  |
///    |  `----- There --------'    `--- not There, longer pause -'  |
///    `------------------------ There ------------------------------'
/// ```
///
/// Two words are all it is: reading them is all that a healthy provider costs a call.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// The last [`REMEMBERED`] signs, the newest in the lowest [`SIGN_BITS`].
    recent: AtomicU64,
    /// [`Gate`] in one word; 0 when closed.
    gate: AtomicU64,
}

/// How many signs are remembered.
const REMEMBERED: u32 = 10;
/// As many of them must be bad.
const GONE: u32 = 8;
/// One witness's word counts for so many of those at most.
const ONE_WITNESS: u32 = GONE / 2;

const SIGN_BITS: u32 = 6;
const SIGN_MASK: u64 = (1 << SIGN_BITS) - 1;
const HISTORY_MASK: u64 = (1 << (SIGN_BITS * REMEMBERED)) - 1;
const THERE: u64 = 0;
const UNREACHABLE: u64 = SIGN_MASK;

/// A breaker that is not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gate {
    /// When the pause is over, in milliseconds of the caller's clock.
    until_ms: u64,
    /// How many probes in a row have failed.
    failed: u64,
    /// Whether one is on its way.
    probing: bool,
}

const FAILED_BITS: u32 = 6;
const FAILED_MAX: u64 = (1 << FAILED_BITS) - 1;

impl Witness {
    /// One that nobody is yet, for a session to be as long as it is awake.
    pub(crate) fn another() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::of(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    const fn of(number: u64) -> Self {
        // Neither of the two values that say something else.
        Self((number % (SIGN_MASK - 1)) as u8 + 1)
    }
}

impl Breaker {
    /// Asks whether an attempt may go out at `now`.
    pub(super) fn ask(&self, now: Duration) -> Verdict {
        let mut word = self.gate.load(Ordering::Acquire);
        loop {
            let Some(gate) = Gate::read(word) else {
                return Verdict::Passes;
            };
            let retry_in = Duration::from_millis(gate.until_ms).saturating_sub(now);
            if gate.probing || !retry_in.is_zero() {
                return Verdict::Fails { retry_in };
            }
            let probing = Gate {
                probing: true,
                ..gate
            };
            match self.swap(word, probing.write()) {
                Ok(()) => return Verdict::Probes,
                Err(other) => word = other,
            }
        }
    }

    /// Whether everybody may use it, which is so nearly always, and told without a look at the clock.
    pub(super) fn is_closed(&self) -> bool {
        self.gate.load(Ordering::Acquire) == 0
    }

    /// How long until somebody may look whether the provider is back; `None` when it is not gone.
    pub(super) fn shut_for(&self, now: Duration) -> Option<Duration> {
        let gate = Gate::read(self.gate.load(Ordering::Acquire))?;
        Some(Duration::from_millis(gate.until_ms).saturating_sub(now))
    }

    /// How it stands, for people.
    pub(super) fn shows(&self) -> metrics::Breaker {
        match Gate::read(self.gate.load(Ordering::Relaxed)) {
            None => metrics::Breaker::Closed,
            Some(Gate { probing: true, .. }) => metrics::Breaker::Probing,
            Some(_) => metrics::Breaker::Open,
        }
    }

    /// Notes what an attempt showed that was no probe.
    pub(super) fn note(&self, sign: Sign, now: Duration) -> Option<Turn> {
        if sign == Sign::There {
            return self.note_there();
        }
        if !is_gone(self.remember(sign)) {
            return None;
        }
        let opened = Gate::after(0, now);
        // Only one of those that met it opens it; to an open one no sign adds anything.
        self.swap(0, opened.write()).ok().map(|()| Turn::Opened)
    }

    /// The same for the sign of nearly every attempt, which needs no clock.
    pub(super) fn note_there(&self) -> Option<Turn> {
        self.remember(Sign::There);
        self.close()
    }

    /// Notes what the probe showed; `None` when it showed nothing, and another one may go at once.
    pub(super) fn probed(&self, sign: Option<Sign>, now: Duration) -> Option<Turn> {
        match sign {
            Some(Sign::There) => {
                return self.note_there();
            }
            Some(sign) => {
                // Who always meets this, because of its credential perhaps, must not keep others from
                // looking for themselves.
                let grows = u64::from(!self.has_said_enough(sign));
                self.remember(sign);
                self.end_probe(|gate| Gate::after(gate.failed + grows, now));
            }
            None => self.end_probe(|gate| Gate {
                probing: false,
                ..gate
            }),
        }
        None
    }

    /// Whether a sign's witness has had its share of what is remembered.
    fn has_said_enough(&self, sign: Sign) -> bool {
        let Sign::Unwell(Witness(number)) = sign else {
            return false;
        };
        let history = self.recent.load(Ordering::Relaxed);
        let said = signs(history).filter(|it| *it == u64::from(number));
        said.count() >= ONE_WITNESS as usize
    }

    fn end_probe(&self, then: impl Fn(Gate) -> Gate) {
        let mut word = self.gate.load(Ordering::Acquire);
        // Others may have closed it meanwhile.
        while let Some(gate) = Gate::read(word).filter(|gate| gate.probing) {
            match self.swap(word, then(gate).write()) {
                Ok(()) => return,
                Err(other) => word = other,
            }
        }
    }

    fn close(&self) -> Option<Turn> {
        // Of nearly every answer it is closed already: then nothing is written.
        if self.gate.load(Ordering::Relaxed) == 0 || self.gate.swap(0, Ordering::AcqRel) == 0 {
            return None;
        }
        self.recent.store(0, Ordering::Relaxed);
        Some(Turn::Closed)
    }

    /// Adds a sign; gives all that are remembered.
    fn remember(&self, sign: Sign) -> u64 {
        let bits = match sign {
            Sign::There => THERE,
            Sign::Unreachable => UNREACHABLE,
            Sign::Unwell(Witness(number)) => u64::from(number),
        };
        let mut recent = self.recent.load(Ordering::Relaxed);
        loop {
            let next = ((recent << SIGN_BITS) | bits) & HISTORY_MASK;
            // Of a healthy provider nothing changes, and nothing is written.
            if next == recent && bits == THERE {
                return next;
            }
            let swapped = self.recent.compare_exchange_weak(
                recent,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return next,
                Err(other) => recent = other,
            }
        }
    }

    fn swap(&self, from: u64, to: u64) -> Result<(), u64> {
        let swapped = self
            .gate
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        swapped.map(drop)
    }
}

fn signs(history: u64) -> impl Iterator<Item = u64> {
    (0..REMEMBERED).map(move |place| (history >> (place * SIGN_BITS)) & SIGN_MASK)
}

/// Whether so many of the last signs are bad that the provider is gone for everybody, and not only
/// for one connection.
fn is_gone(history: u64) -> bool {
    let bad = signs(history).filter(|sign| *sign != THERE);
    let mut counted = 0;
    let mut witnessed = [0_u32; 1 << SIGN_BITS];
    for sign in bad {
        let Some(times) = usize::try_from(sign)
            .ok()
            .and_then(|sign| witnessed.get_mut(sign))
        else {
            continue;
        };
        *times += 1;
        if sign == UNREACHABLE || *times <= ONE_WITNESS {
            counted += 1;
        }
    }
    counted >= GONE
}

impl Gate {
    /// Open, after so many probes failed.
    fn after(failed: u64, now: Duration) -> Self {
        let failed = failed.min(FAILED_MAX);
        let doublings = u32::try_from(failed).unwrap_or(u32::MAX).min(16);
        let pause = (BREAKER_PAUSE * 2_u32.pow(doublings)).min(BREAKER_PAUSE_MAX);
        Self {
            until_ms: u64::try_from((now + pause).as_millis()).unwrap_or(u64::MAX >> 8),
            failed,
            probing: false,
        }
    }

    const fn read(word: u64) -> Option<Self> {
        if word == 0 {
            return None;
        }
        Some(Self {
            until_ms: word >> (FAILED_BITS + 2),
            failed: (word >> 2) & FAILED_MAX,
            probing: word & 2 != 0,
        })
    }

    /// The lowest bit tells an open breaker from a closed one.
    const fn write(self) -> u64 {
        let probing = if self.probing { 2 } else { 0 };
        (self.until_ms << (FAILED_BITS + 2)) | (self.failed << 2) | probing | 1
    }
}

#[cfg(test)]
mod tests;
