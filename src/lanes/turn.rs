//! The time in a turn of a client's connection: told once, and waited for by the connection's own timer.
//!
//! A small call asks for the time some twenty times: for deadlines, for when something was last in use, for when something
//! began. In the few microseconds of one turn all of that is one moment. What tells how long something took asks the clock
//! itself at its end. And an answer that may become late would have a timer of its own each time, which is set and taken back
//! with a lock, for something that hardly ever comes: over HTTP/1 the connection has one, and looks again.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

thread_local! {
    /// The turn that this thread is at.
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// When it began, or soon after; `None` until somebody asks.
    began: Option<Instant>,
    /// By when another one is wanted, whatever happens until then.
    another: Option<Instant>,
}

/// The end of a turn, of one that panics, too.
struct Ends(Option<Turn>);

impl Drop for Ends {
    fn drop(&mut self) {
        TURN.set(self.0);
    }
}

/// Does a turn, which must not be long; tells by when something in it wants another one.
///
/// Whoever does it has to do another one by then, in which all of that is polled.
pub fn turn<T>(what: impl FnOnce() -> T) -> (T, Option<Instant>) {
    let _ends = Ends(TURN.replace(Some(Turn::default())));
    let done = what();
    (done, TURN.get().and_then(|turn| turn.another))
}

/// When this turn began: never later than now, and as late as that where there is none.
#[must_use]
pub fn now() -> Instant {
    let turn = TURN.get();
    if let Some(began) = turn.and_then(|turn| turn.began) {
        return began;
    }
    let now = Instant::now();
    if let Some(turn) = turn {
        let began = Some(now);
        TURN.set(Some(Turn { began, ..turn }));
    }
    now
}

/// Waits for a time: by another turn where there are turns, else by a timer.
#[must_use]
pub const fn until(time: Instant) -> Until {
    Until { time, timer: None }
}

/// What [`until`] gives.
#[derive(Debug)]
pub struct Until {
    time: Instant,
    /// `None` as long as there were turns.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let time = self.time;
        let Some(turn) = TURN.get() else {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(time)));
            return timer.as_mut().poll(context);
        };
        if now() >= time {
            return Poll::Ready(());
        }
        let another = turn.another.map_or(time, |another| another.min(time));
        let began = TURN.get().and_then(|turn| turn.began);
        let another = Some(another);
        TURN.set(Some(Turn { began, another }));
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, poll_fn},
        panic::catch_unwind,
        pin::pin,
        task::{Waker, ready},
        time::Duration,
    };

    use tokio::time::advance;

    use super::*;

    const A_WHILE: Duration = Duration::from_millis(2);

    /// Has the clock go on.
    fn pass_a_while() {
        let passing = pin!(advance(A_WHILE)).poll(&mut Context::from_waker(Waker::noop()));
        // It is later already; what is left is to have others see that.
        assert!(passing.is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_turn_it_is_always_the_same_time() {
        let before = Instant::now();
        let (then, _) = turn(|| {
            pass_a_while();
            let then = now();
            pass_a_while();
            assert_eq!(now(), then);
            then
        });
        assert_eq!(then, before + A_WHILE);
        assert_eq!(turn(now).0, then + A_WHILE, "another turn");
        pass_a_while();
        assert_eq!(now(), then + 2 * A_WHILE, "no turn");
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_with_a_mistake() {
        let begun = now();
        catch_unwind(|| turn(|| -> u8 { panic!("a mistake {:?}", now()) })).unwrap_err();
        pass_a_while();
        assert_eq!(now(), begun + A_WHILE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_given_another_turn_in_time() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut waits = pin!(async {
            tokio::join!(until(after(5)), until(after(3)), until(after(7)));
        });
        let mut ends = Vec::new();
        let mut timer = pin!(sleep_until(began));
        poll_fn(|context| {
            loop {
                let (waited, another) = turn(|| waits.as_mut().poll(context));
                if waited.is_ready() {
                    assert_eq!(another, None);
                    return Poll::Ready(());
                }
                let another = another.unwrap();
                if ends.last() != Some(&another) {
                    ends.push(another);
                    timer.as_mut().reset(another);
                }
                ready!(timer.as_mut().poll(context));
            }
        })
        .await;
        assert_eq!(ends, [3, 5, 7].map(after));
    }

    #[tokio::test(start_paused = true)]
    async fn without_turns_there_is_a_timer() {
        let began = Instant::now();
        let mut waits = until(began + Duration::from_secs(3));
        let (first, another) =
            turn(|| Pin::new(&mut waits).poll(&mut Context::from_waker(Waker::noop())));
        assert_eq!(
            (first, another),
            (Poll::Pending, Some(began + Duration::from_secs(3)))
        );
        tokio::select! {
            () = waits => {}
            () = pending() => {}
        }
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }
}
