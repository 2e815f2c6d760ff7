//! The `mcp-gateway` binary.

use std::{io::Write as _, process::ExitCode};

use mcp_gateway::{app, config::Config};

/// What a session and a call take piece by piece, and give back in another order and on other threads.
#[cfg(all(target_arch = "x86_64", not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let config = match Config::from_process() {
        Ok(config) => config,
        Err(error) => error.exit(),
    };
    match app::run(config) {
        Ok(code) => code,
        Err(error) if error.is_closed_output() => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error gone there is nobody left to tell.
            let _nobody_left = writeln!(std::io::stderr(), "mcp-gateway: {error}");
            error.exit_code()
        }
    }
}
