//! The `mcp-gateway` binary.

use std::{io::Write as _, process::ExitCode};

use mcp_gateway::{app, config::Config};

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
