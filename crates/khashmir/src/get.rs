//! `Get`: the values of a key as they arrive, then an outcome.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::outcome::{GetOutcome, Value};
use crate::{Error, Refused};

/// A get under way: a stream of values, each different from the others, in order of arrival.
///
/// The stream ends with the get, also with one that could not start: only the outcome tells. Then, or without reading the rest, [`outcome`](Get::outcome) tells how it
/// went. Dropping it cancels the get.
#[derive(Debug)]
#[must_use = "dropping a get cancels it"]
pub struct Get {
    pub(crate) values: mpsc::Receiver<Value>,
    pub(crate) outcome: oneshot::Receiver<Result<GetOutcome, Refused>>,
}

impl Get {
    /// The next value, or `None` at the end. Cancel safe: no value is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Value> {
        self.values.recv().await
    }

    /// How the get went, once it has ended. Values not yet taken are dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] if it could not start, [`Error::Closed`] if the node has been shut down.
    pub async fn outcome(mut self) -> Result<GetOutcome, Error> {
        // Keep taking values: the channel must stay open, or the driver would take it for a cancellation.
        while self.values.recv().await.is_some() {}
        self.outcome.await.map_err(|_| Error::Closed)?.map_err(Error::from)
    }

    /// All values, and how the get went.
    ///
    /// # Errors
    /// As [`outcome`](Get::outcome).
    pub async fn collect(mut self) -> Result<(Vec<Value>, GetOutcome), Error> {
        let mut values = Vec::new();
        while let Some(value) = self.next().await {
            values.push(value);
        }
        Ok((values, self.outcome().await?))
    }
}

impl Stream for Get {
    type Item = Value;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Value>> {
        self.values.poll_recv(context)
    }
}
