//! A request to the endpoint but for its body, taken off it before the routes: those would look at one part of it after the
//! other, and move all of them from filter to filter.

use std::{mem, sync::Arc};

use http::{HeaderMap, Method, Request};
use uuid::Uuid;
use warp::reply::Response;

use crate::{
    callers::Admitted,
    front::{session_id, via::Via},
};

/// A request to a session's endpoint, in its own extensions.
pub(in crate::front) struct Addressed {
    /// `None` where the path names none that there could be.
    pub(super) session: Option<Uuid>,
    pub(in crate::front) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) via: Option<Via>,
    pub(super) admitted: Admitted,
}

impl Addressed {
    /// Takes what a request has off it, and leaves it there as one. Its path has to be an endpoint's.
    pub(in crate::front) fn take<B>(request: &mut Request<B>, admitted: Admitted) -> Arc<Self> {
        let id = request.uri().path().split('/').nth(2);
        let addressed = Arc::new(Self {
            session: id.and_then(session_id),
            method: request.method().clone(),
            headers: mem::take(request.headers_mut()),
            via: request.extensions_mut().remove(),
            admitted,
        });
        request.extensions_mut().insert(Arc::clone(&addressed));
        addressed
    }

    /// Gives an answer the memory that the headers had, if nobody has them any more: hyper keeps it for those of the next
    /// request, and none is asked of the heap.
    pub(in crate::front) fn give_memory(self: Arc<Self>, response: &mut Response) {
        if let Ok(Self { mut headers, .. }) = Arc::try_unwrap(self) {
            headers.clear();
            headers.extend(mem::replace(response.headers_mut(), HeaderMap::new()));
            *response.headers_mut() = headers;
        }
    }
}
