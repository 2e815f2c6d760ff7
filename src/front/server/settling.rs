//! Which lane a connection lives on: that of the session it is for, as its first bytes tell, or one that has few.

use std::{io, net::TcpStream as Unwatched, sync::Arc, time::Duration};

use tokio::{net::TcpStream, task::JoinSet};

use super::report;
use crate::{
    in_place,
    lanes::{Lane, Lanes, OnLane},
    limits::within,
};

/// Tells from the first bytes of a connection on which lane its requests are carried on. What is encrypted tells nothing.
pub type Steer = Arc<dyn Fn(&[u8]) -> Option<Lane> + Send + Sync>;

/// As far as the path of a request to a session goes.
const BEGIN_BYTES: usize = 128;

/// Where connections may live.
#[derive(Clone)]
pub struct Settling {
    /// All lanes.
    pub lanes: Lanes,
    /// What tells the best one; `None` where nobody knows.
    pub steer: Option<Steer>,
    /// How long the first bytes are waited for: a client that is slower is as well where it is.
    pub within: Duration,
}

impl Settling {
    /// How long most clients take at most to say something, and nobody minds to wait.
    pub const WITHIN: Duration = Duration::from_millis(100);

    /// Serves a connection on the lane that suits it, to its end; dropped, this ends it.
    pub(super) async fn serve<F>(
        self,
        stream: Unwatched,
        here: OnLane,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => return lost(&error),
        };
        let Some(there) = self.better(&stream, &here).await else {
            // Boxed: one that goes elsewhere would have room for it here, too.
            in_place::pinned(|| serve(stream)).await;
            return drop(here);
        };
        drop(here);
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => return lost(&error),
        };
        let lane = there.handle().clone();
        let served = async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => lost(&error),
            }
            drop(there);
        };
        // Of one, which ends with it.
        let mut one = JoinSet::new();
        one.spawn_on(served, &lane);
        if let Some(ended) = one.join_next().await {
            report(ended);
        }
    }

    /// A place that suits a connection better than the one it has.
    async fn better(&self, stream: &TcpStream, here: &OnLane) -> Option<OnLane> {
        let steer = self.steer.as_ref().filter(|_| !self.lanes.is_one())?;
        let mut begin = [0; BEGIN_BYTES];
        let peeked = within(self.within, stream.peek(&mut begin)).await;
        let read = peeked.ok()?.ok()?;
        here.at(steer(begin.get(..read)?)?)
    }
}

/// A connection is closed because the system gives its socket to no lane.
pub(super) fn lost(error: &io::Error) {
    tracing::error!(%error, "a connection could not be taken over");
}
