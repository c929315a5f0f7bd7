//! The program that measures, and that is measured: it starts itself in the roles of `Role`.

use std::process::ExitCode;

fn main() -> ExitCode {
    khashmir_bench::run(None)
}
