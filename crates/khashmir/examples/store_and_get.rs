//! Three nodes in one process: join, store, get a stream of values.
//!
//! `cargo run -p khashmir --example store_and_get`

use futures_util::StreamExt;
use khashmir::{Id, Khashmir};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bind = "127.0.0.1:0".parse()?;
    let first = Khashmir::builder().bind(bind).start().await?;
    let bootstrap = first.local_addr().to_string();
    let mut others = Vec::new();
    for _ in 0..2 {
        let node = Khashmir::builder().bind(bind).start().await?;
        let joined = node.join([&bootstrap]).await?;
        println!("{} joined in {:?}", node.local_addr(), joined.elapsed);
        others.push(node);
    }

    let key = Id::sha1(b"a file that many have");
    for node in &others {
        let outcome = node.store(key, node.local_addr().to_string()).await?;
        println!("stored on {} nodes, here: {}", outcome.stored.len(), outcome.stored_here);
    }

    let mut get = first.get(key);
    while let Some(value) = StreamExt::next(&mut get).await {
        println!("found {:?} at {:?}", value.data, value.source);
    }
    let outcome = get.outcome().await?;
    println!("{} values, {} nodes asked", outcome.values, outcome.progress.tally.asked);

    for node in others.into_iter().chain([first]) {
        node.shutdown().await;
    }
    Ok(())
}
