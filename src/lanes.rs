//! Where connections of clients and sessions live: threads of which each carries on alone what began there.
//!
//! A runtime that shares all its tasks among its threads wakes one thread for what another could do next, and moves what a
//! task holds from one processor's cache to the other's: a fifth of a small call (benches/README.md). Here a client's
//! connection stays on one thread from its begin to its end, with its calls and the sockets in the clear that they use
//! towards backends, and so do a session's actor and those of its backends with all that they begin. What a connection
//! brings to a session is taken where it is brought ([`Seat`]), so that for that no thread wakes another either.

mod seat;
mod turn;

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle, Id, Runtime},
    sync::oneshot,
};

pub use seat::{Seat, attempt};
pub use turn::{Until, now, turn, until};

/// Names a thread.
pub type Lane = Id;

/// How many of its own tasks a thread goes on with before it looks for what comes from others: a runtime that is not told
/// looks every 31st time, and connections come from elsewhere, as do messages to sessions.
const OWN_BEFORE_OTHERS: u32 = 7;

/// The threads. A clone is another handle of the same; they end when there is none.
#[derive(Debug, Clone)]
pub struct Lanes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    each: Box<[One]>,
    /// Whose turn it is to get a session.
    turn: AtomicUsize,
    /// Where a connection is put first among those that have as few. Not the same: who makes a session takes a connection for
    /// it, and with one turn for both all sessions could meet on one lane.
    turn_of_connections: AtomicUsize,
    /// Dropped, they let the threads go.
    _ends: Vec<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct One {
    handle: Handle,
    connections: AtomicUsize,
}

/// The place of a client's connection on a lane, until it is dropped.
#[derive(Debug)]
pub struct OnLane {
    lanes: Lanes,
    at: usize,
}

impl Lanes {
    /// Begins so many threads, and no less than one.
    ///
    /// # Errors
    ///
    /// When the system does not give them.
    pub fn begin(count: usize) -> io::Result<Self> {
        let (mut each, mut ends) = (Vec::new(), Vec::new());
        for number in 0..count.max(1) {
            let (begun, begins) = mpsc::sync_channel(1);
            let (end, ended) = oneshot::channel();
            // There, so that a thread that is not given takes no runtime with it, which may not end just anywhere.
            let carry_on = move || match runtime() {
                Ok(runtime) => {
                    HERE.set(Some(runtime.handle().id()));
                    let _left = begun.send(Ok(runtime.handle().clone()));
                    // Nothing is ever sent: this is the end.
                    let _ended = runtime.block_on(ended);
                    runtime.shutdown_background();
                }
                Err(error) => {
                    let _left = begun.send(Err(error));
                }
            };
            thread::Builder::new()
                .name(format!("lane {number}"))
                .spawn(carry_on)?;
            each.push(begins.recv().map_err(io::Error::other)??);
            ends.push(end);
        }
        Ok(Self::of(each, ends))
    }

    /// The runtime that this is called in, as the only one.
    ///
    /// # Panics
    ///
    /// Outside of any runtime.
    #[must_use]
    pub fn here() -> Self {
        Self::of(vec![Handle::current()], Vec::new())
    }

    fn of(handles: Vec<Handle>, ends: Vec<oneshot::Sender<()>>) -> Self {
        let one = |handle| One {
            handle,
            connections: AtomicUsize::new(0),
        };
        Self(Arc::new(Shared {
            each: handles.into_iter().map(one).collect(),
            turn: AtomicUsize::new(0),
            turn_of_connections: AtomicUsize::new(0),
            _ends: ends,
        }))
    }

    /// Has all that this begins live on the lane whose turn it is, and tells which that is.
    pub async fn settle<F: Future>(&self, begins: F) -> (Lane, F::Output) {
        let Shared { each, turn, .. } = &*self.0;
        let lane = &each[turn.fetch_add(1, Relaxed) % each.len()].handle;
        let mut begins = pin!(begins);
        let begun = poll_fn(|context| {
            let _there = lane.enter();
            begins.as_mut().poll(context)
        });
        (lane.id(), begun.await)
    }

    /// A place for a connection where there are fewest.
    #[must_use]
    pub fn place(&self) -> OnLane {
        let count = self.0.each.len();
        let first = self.0.turn_of_connections.fetch_add(1, Relaxed) % count;
        let turns = (first..first + count).map(|turn| turn % count);
        let at = turns.min_by_key(|at| self.connections(*at));
        OnLane::new(self, at.unwrap_or_default())
    }

    /// Whether there is only one.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.0.each.len() == 1
    }

    fn connections(&self, at: usize) -> usize {
        self.0.each[at].connections.load(Relaxed)
    }
}

impl OnLane {
    fn new(lanes: &Lanes, at: usize) -> Self {
        lanes.0.each[at].connections.fetch_add(1, Relaxed);
        let lanes = lanes.clone();
        Self { lanes, at }
    }

    /// A place on this lane instead, unless it is the same or has more.
    #[must_use]
    pub fn at(&self, lane: Lane) -> Option<Self> {
        let mut each = self.lanes.0.each.iter();
        let at = each.position(|one| one.handle.id() == lane)?;
        let (here, there) = (self.lanes.connections(self.at), self.lanes.connections(at));
        (at != self.at && there <= here).then(|| Self::new(&self.lanes, at))
    }

    /// Where to spawn what is to stay there.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.lanes.0.each[self.at].handle
    }
}

impl Drop for OnLane {
    fn drop(&mut self) {
        self.lanes.0.each[self.at].connections.fetch_sub(1, Relaxed);
    }
}

thread_local! {
    /// The lane whose thread this is.
    static HERE: Cell<Option<Lane>> = const { Cell::new(None) };
}

/// The lane whose thread asks; `None` on any other. Who only [enters](Lanes::settle) one is elsewhere.
#[must_use]
pub fn here() -> Option<Lane> {
    HERE.get()
}

/// Where what asks is carried on.
///
/// # Panics
///
/// Outside of any runtime.
#[must_use]
pub fn current() -> Lane {
    Handle::current().id()
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .global_queue_interval(OWN_BEFORE_OTHERS)
        .build()
}

#[cfg(test)]
mod tests {
    use std::{future::ready, sync::mpsc::RecvTimeoutError, time::Duration};

    use super::*;

    #[tokio::test]
    async fn what_begins_on_a_lane_stays_there_and_they_take_turns() {
        let lanes = Lanes::begin(2).unwrap();
        let mut met = Vec::new();
        for _ in 0..4 {
            // As an actor begins, and what it begins.
            let begins = async { tokio::spawn(tokio::spawn(async { current() })).await };
            let (lane, begun) = lanes.settle(begins).await;
            assert_eq!(begun.unwrap().unwrap(), lane);
            assert_ne!(lane, current());
            met.push(lane);
        }
        assert_eq!(met[..2], met[2..]);
        assert_ne!(met[0], met[1]);
    }

    #[tokio::test]
    async fn connections_are_as_many_on_each() {
        let lanes = Lanes::begin(3).unwrap();
        let counts = || [0, 1, 2].map(|at| lanes.connections(at));
        let mut places: Vec<_> = (0..7).map(|_| lanes.place()).collect();
        assert_eq!(counts().iter().sum::<usize>(), 7);
        assert!(counts().iter().all(|count| matches!(count, 2..=3)));
        let full = places[0].at;
        places.retain(|place| place.at == full);
        let more = places.len();
        places.push(lanes.place());
        assert_eq!(counts()[full], more, "the others have none");
    }

    #[tokio::test]
    async fn a_connection_goes_where_it_is_better_off_unless_there_are_more() {
        let lanes = Lanes::begin(2).unwrap();
        let (favoured, ()) = lanes.settle(ready(())).await;
        let place = lanes.place();
        let there = |place: &OnLane| place.handle().id() == favoured;
        let place = if there(&place) {
            place
        } else {
            place.at(favoured).unwrap()
        };
        assert!(place.at(favoured).is_none(), "it is there");
        let other = lanes.place();
        assert!(!there(&other), "where there are fewest");
        let second = other.at(favoured).unwrap();
        drop(other);
        let other = lanes.place();
        assert!(other.at(favoured).is_none(), "two are there already");
        assert!(other.at(current()).is_none(), "which is no lane");
        drop((place, second));
        assert!(there(&other.at(favoured).unwrap()));
    }

    #[test]
    fn a_thread_ends_with_the_last_handle() {
        struct Told(mpsc::Sender<()>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        let (ended, end) = mpsc::channel();
        let lanes = Lanes::begin(1).unwrap();
        let told = Told(ended);
        lanes.place().handle().spawn(async move {
            let _held = told;
            std::future::pending::<()>().await;
        });
        drop(lanes.clone());
        let soon = Duration::from_millis(50);
        assert_eq!(end.recv_timeout(soon), Err(RecvTimeoutError::Timeout));
        drop(lanes);
        end.recv_timeout(Duration::from_mins(1)).unwrap();
    }

    #[tokio::test]
    async fn sessions_are_spread_whatever_connections_come_in_between() {
        let lanes = Lanes::begin(2).unwrap();
        let mut met = Vec::new();
        for _ in 0..4 {
            drop(lanes.place());
            met.push(lanes.settle(ready(())).await.0);
        }
        let first = met.iter().filter(|lane| **lane == met[0]).count();
        assert_eq!(first, 2);
    }
}
