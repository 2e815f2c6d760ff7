//! The edge towards clients, as configured: TLS, the threads that connections live on, and what they may cost.

use std::{io, num::NonZeroUsize, thread};

use crate::{
    config::{Edge, TlsPaths},
    front::{
        self,
        server::{ServerBounds, Settling},
        tls::{CertificateFiles, Certificates},
    },
    lanes::Lanes,
    session::Sessions,
    watch::Watch,
};

use super::AppError;

/// Begins the threads that carry on what goes on: so many, or one a core.
pub(super) fn lanes(count: Option<u32>) -> io::Result<Lanes> {
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    Lanes::begin(count.map_or_else(cores, |count| usize::try_from(count).unwrap_or(usize::MAX)))
}

/// Where connections live: on the lane of the session that they are for.
pub(super) fn settling(sessions: &Sessions) -> Settling {
    Settling {
        lanes: sessions.lanes().clone(),
        steer: Some(front::steer(sessions.clone())),
        within: Settling::WITHIN,
    }
}

/// What connections may cost, by the flags.
pub(super) fn bounds(edge: &Edge, drain_within: std::time::Duration) -> ServerBounds {
    // No count is refused that fits its flag.
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    ServerBounds {
        connections_max: count(edge.connections_max),
        connections_per_address_max: count(edge.connections_per_address_max),
        headers_within: edge.header_timeout,
        idle_max: edge.keep_open,
        write_stall_max: edge.write_timeout,
        streams_max: edge.streams_max,
        headers_bytes_max: edge.headers_bytes_max,
        headers_max: count(edge.headers_max),
        drain_within,
    }
}

/// Reads the certificate, if there is to be one.
pub(super) fn certificates(edge: &Edge) -> Result<Option<Certificates>, AppError> {
    let Some(TlsPaths { certificate, key }) = edge.tls.clone() else {
        return Ok(None);
    };
    let certificates = Certificates::read(CertificateFiles { certificate, key })?;
    Ok(Some(certificates))
}

/// Reads the certificate again whenever it changes.
pub(super) fn watch(certificates: &Certificates) -> io::Result<Watch> {
    let watched = certificates.clone();
    let watch = Watch::over(certificates.files(), move || {
        if read_again(&watched) {
            tracing::info!("read the TLS certificate again; new connections get it");
        }
    })?;
    // What changed between the start's reading and now was seen by nobody.
    read_again(certificates);
    Ok(watch)
}

fn read_again(certificates: &Certificates) -> bool {
    let read = certificates.read_again();
    if let Err(error) = &read {
        let cause = error as &dyn std::error::Error;
        tracing::error!(
            error = cause,
            "the TLS certificate cannot be used: {error}; the one before stays"
        );
    }
    read.is_ok()
}
