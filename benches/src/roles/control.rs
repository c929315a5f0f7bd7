//! The measured process's side of the standard streams.

use std::io::{self, BufRead, Write};
use std::thread;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

use crate::role::{Hello, Order};

/// Says hello, then obeys on a thread of its own; what is returned ends when the orders do.
pub(super) fn begin(
    hello: &Hello,
    obey: impl FnMut(Order) -> Vec<f64> + Send + 'static,
) -> Result<oneshot::Receiver<()>> {
    say(&serde_json::to_string(hello)?)?;
    let (ended, end) = oneshot::channel();
    thread::Builder::new().name("orders".to_owned()).spawn(move || {
        // Orders that cannot be read or answered mean that nobody is there any more.
        let _ = take_orders(obey);
        drop(ended);
    })?;
    Ok(end)
}

fn take_orders(mut obey: impl FnMut(Order) -> Vec<f64>) -> Result<()> {
    for line in io::stdin().lock().lines() {
        let order = serde_json::from_str(&line?).context("an order is a line of JSON")?;
        say(&serde_json::to_string(&obey(order))?)?;
    }
    Ok(())
}

fn say(line: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush().context("cannot write to the standard output")
}
