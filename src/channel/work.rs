//! Work that sends into a channel, carried out by whoever waits for what it sends: for a short answer nobody is woken,
//! and no task is begun.
//!
//! It never depends on that: let go of before its end, it goes on as a task of its own.

use std::{
    cell::Cell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{runtime::Handle, sync::oneshot};

use super::rounds::Rounds;
use crate::in_place;

thread_local! {
    /// Of the work that is being polled: how soon it is let go of at the latest, if somebody else carries it out.
    static LET_GO_WITHIN: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Whether what asks is part of work that somebody carries out who lets go of it within `limit`: then it is polled
/// again, by a task of its own, and needs no clock of its own before that. Most calls are answered until then, and a timer
/// costs each of them two turns under the lock of its thread's timers.
#[must_use]
pub fn is_let_go_within(limit: Duration) -> bool {
    LET_GO_WITHIN.get().is_some_and(|within| within <= limit)
}

/// Work until its end, whoever carries it out.
pub struct Work(
    /// Never locked: it only lets a reference to work be shared that cannot be.
    Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
);

/// The way by which work reaches who may carry it out. It is one way for one piece of work.
#[derive(Debug)]
pub struct Desk(oneshot::Sender<Work>);

/// Who may carry work out, before it came and while it is there.
#[derive(Default)]
pub(super) enum Worker {
    /// Work may come, which is then let go of within this time.
    Waits(oneshot::Receiver<Work>, Duration),
    /// There is work.
    Has(UnderWay),
    /// There is none any more.
    #[default]
    Idle,
}

/// Work that somebody carries out who does more than that.
pub(super) struct UnderWay {
    work: Work,
    rounds: Rounds,
    /// How soon it is let go of at the latest.
    within: Duration,
}

impl Work {
    /// Work to be carried out.
    #[must_use]
    #[inline]
    pub fn new<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce() -> F) -> Self {
        Self(Mutex::new(Some(in_place::pinned(work))))
    }

    /// Has a task of its own carry it out from here on.
    pub fn go_on(self) {
        drop(self);
    }

    /// Carries it on as far as it goes now; tells whether it has ended.
    ///
    /// A mistake in it ends it alone, as it would in a task of its own.
    fn carry_on(&mut self, context: &mut Context<'_>) -> bool {
        let place = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(work) = place else {
            return true;
        };
        let carried = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        let has_ended = !matches!(carried, Ok(Poll::Pending));
        if has_ended {
            *place = None;
        }
        has_ended
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let place = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Where nothing runs any more, it ends here.
        if let (Some(work), Ok(runtime)) = (place.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

impl Desk {
    /// Gives work to who is there to carry it out, or else to a task of its own.
    pub fn put(self, work: Work) {
        if let Err(work) = self.0.send(work) {
            work.go_on();
        }
    }
}

impl Worker {
    /// One to whom work may come, and who lets go of it within that time.
    pub(super) fn new(within: Duration) -> (Desk, Self) {
        let (desk, waits) = oneshot::channel();
        (Desk(desk), Self::Waits(waits, within))
    }

    /// Carries on with what there is to do.
    pub(super) fn carry_on(&mut self, context: &mut Context<'_>) {
        if let Self::Waits(coming, within) = self {
            match coming.poll_unpin(context) {
                Poll::Pending => return,
                Poll::Ready(Ok(work)) => *self = Self::Has(UnderWay::new(work, *within)),
                // It was decided that there is none.
                Poll::Ready(Err(_)) => *self = Self::Idle,
            }
        }
        if let Self::Has(work) = self
            && work.carry_on(context)
        {
            *self = Self::Idle;
        }
    }

    /// Whether there is work under way.
    pub(super) const fn is_busy(&self) -> bool {
        matches!(self, Self::Has(_))
    }
}

impl UnderWay {
    fn new(work: Work, within: Duration) -> Self {
        Self {
            work,
            rounds: Rounds::default(),
            within,
        }
    }

    /// Carries it on if it can go on; tells whether it has ended.
    fn carry_on(&mut self, context: &mut Context<'_>) -> bool {
        let (work, within) = (&mut self.work, self.within);
        let turn = |context: &mut Context<'_>| {
            let before = LET_GO_WITHIN.replace(Some(within));
            let has_ended = work.carry_on(context);
            LET_GO_WITHIN.set(before);
            if has_ended {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        };
        self.rounds.poll(context, turn).is_ready()
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Work").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, mem};

    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        channel::{Receiver, Sender, Undisturbed, channel},
        limits::Backlog,
    };

    const BACKLOG: Backlog = Backlog::new(4, 100);
    const WITHIN: Duration = Duration::from_secs(10);

    impl crate::channel::Weighed for u8 {
        fn bytes(&self) -> usize {
            1
        }
    }

    /// Work that says 1, waits until it is let on, and says 2; and what lets it on.
    fn work(sender: Sender<u8>, pauses: bool) -> (Work, oneshot::Sender<()>) {
        let (let_on, waits) = oneshot::channel::<()>();
        let work = Work::new(|| async move {
            if pauses {
                sender.send(1).await.unwrap();
                let _let_on = waits.await;
            }
            sender.send(2).await.unwrap();
        });
        (work, let_on)
    }

    /// What is sent though nobody waits for it.
    async fn unasked(receiver: &mut Receiver<u8>) -> u8 {
        loop {
            if let Ok(sent) = receiver.try_recv() {
                return sent;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Wakes itself, and is over then.
    async fn woken_at_once() {
        let mut is_woken = false;
        poll_fn(|context| {
            if mem::replace(&mut is_woken, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_carries_the_work_out() {
        let (sender, mut receiver) = channel(BACKLOG);
        let desk = receiver.desk(WITHIN);
        let here = tokio::task::try_id();
        let (says, by_whom) = oneshot::channel();
        desk.put(Work::new(|| async move {
            let _listened = says.send(tokio::task::try_id());
            sender.send(7).await.unwrap();
        }));
        assert_eq!(receiver.recv().await, Some(7));
        assert_eq!(by_whom.await.unwrap(), here);
        assert_eq!(receiver.recv().await, None);
    }

    #[tokio::test]
    async fn work_that_says_more_than_one_thing_goes_on_unasked() {
        let (sender, mut receiver) = channel(BACKLOG);
        let desk = receiver.desk(WITHIN);
        let (work, let_on) = work(sender, true);
        desk.put(work);
        assert_eq!(receiver.recv().await, Some(1));
        let_on.send(()).unwrap();
        // Nobody receives meanwhile.
        assert_eq!(unasked(&mut receiver).await, 2);
    }

    /// A piece of something larger.
    struct Piece;

    impl crate::channel::Weighed for Piece {
        fn bytes(&self) -> usize {
            1
        }

        fn is_piece(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn work_that_says_one_thing_in_pieces_stays_with_who_takes_them() {
        let (sender, mut receiver) = channel(BACKLOG);
        let here = tokio::task::try_id();
        let (says, mut by_whom) = tokio::sync::mpsc::unbounded_channel();
        let desk = receiver.desk(WITHIN);
        desk.put(Work::new(|| async move {
            // More than may wait at once.
            for _ in 0..10 {
                says.send(tokio::task::try_id()).unwrap();
                sender.send(Piece).await.unwrap();
            }
        }));
        while receiver.recv().await.is_some() {
            assert_eq!(by_whom.recv().await.unwrap(), here);
            // Were it a task, it would go on meanwhile.
            tokio::task::yield_now().await;
        }
        assert_eq!(by_whom.recv().await, None);
    }

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_for_it() {
        for (let_go, is_begun) in [(false, false), (false, true), (true, false), (true, true)] {
            let (sender, mut receiver) = channel(BACKLOG);
            let (ended, end) = oneshot::channel();
            let (let_on, waits) = oneshot::channel::<()>();
            let desk = receiver.desk(WITHIN);
            desk.put(Work::new(|| async move {
                // Waits for nothing else, and is told all the same who polls it now.
                let _let_on = Undisturbed::new(waits).await;
                let _gone = sender.send(1).await;
                ended.send(()).unwrap();
            }));
            if is_begun {
                let begun = std::pin::pin!(receiver.recv());
                assert!(futures_util::poll!(begun).is_pending());
            }
            if let_go {
                receiver.let_go();
            } else {
                drop(receiver);
            }
            let_on.send(()).unwrap();
            end.await.unwrap();
        }
    }

    #[tokio::test]
    async fn work_that_comes_late_goes_on_by_itself() {
        let (sender, mut receiver) = channel(BACKLOG);
        let desk = receiver.desk(WITHIN);
        receiver.let_go();
        let (work, _let_on) = work(sender, false);
        desk.put(work);
        assert_eq!(unasked(&mut receiver).await, 2);
    }

    #[tokio::test]
    async fn work_that_wakes_itself_wakes_nobody_else() {
        let (sender, mut receiver) = channel(BACKLOG);
        let desk = receiver.desk(WITHIN);
        let mut polls = 0;
        desk.put(Work::new(|| async move {
            for _ in 0..3 {
                woken_at_once().await;
            }
            sender.send(7).await.unwrap();
        }));
        let mut telling = std::pin::pin!(receiver.recv());
        let told = poll_fn(|context| {
            polls += 1;
            telling.as_mut().poll(context)
        });
        assert_eq!(told.await, Some(7));
        assert_eq!(polls, 1);
    }

    #[tokio::test]
    async fn who_carries_work_out_is_woken_when_it_can_go_on() {
        let (sender, mut receiver) = channel(BACKLOG);
        let desk = receiver.desk(WITHIN);
        let (let_on, waits) = oneshot::channel::<()>();
        desk.put(Work::new(|| async move {
            let _let_on = waits.await;
            sender.send(7).await.unwrap();
        }));
        let receiving = tokio::spawn(async move { receiver.recv().await });
        // It is being waited for by now.
        tokio::task::yield_now().await;
        let_on.send(()).unwrap();
        assert_eq!(receiving.await.unwrap(), Some(7));
    }

    #[tokio::test]
    async fn work_that_never_rests_leaves_others_their_turn() {
        let (sender, mut receiver) = channel::<u8>(BACKLOG);
        let desk = receiver.desk(WITHIN);
        desk.put(Work::new(|| async move {
            let _kept = sender;
            loop {
                woken_at_once().await;
            }
        }));
        assert!(futures_util::poll!(std::pin::pin!(receiver.recv())).is_pending());
        drop(receiver);
    }

    #[tokio::test]
    async fn a_mistake_in_the_work_ends_the_work_alone() {
        let (sender, mut receiver) = channel::<u8>(BACKLOG);
        let desk = receiver.desk(WITHIN);
        desk.put(Work::new(|| async move {
            assert!(sender.is_closed(), "a mistake");
        }));
        assert_eq!(receiver.recv().await, None);
    }
}
