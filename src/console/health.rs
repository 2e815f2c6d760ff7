//! `mcp-gateway health`: whether a gateway is ready, for what watches over it.

use super::{Failure, gateway::Gateway, printing::print};
use crate::config::GatewayFlags;

/// Says that the gateway is ready. It needs no key, and what watches needs no other program than this one.
///
/// # Errors
///
/// When nobody answers, or the gateway is not ready, with the remedy.
pub async fn run(flags: &GatewayFlags) -> Result<(), Failure> {
    Gateway::new(flags, None)?.get("/readyz").await?;
    print("ready\n")
}
