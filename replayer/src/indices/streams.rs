//! Data streams: the target's has the name of the source's, and backing indices of its own.

use std::sync::Arc;

use cluster::{Method, Repeat, Request, encode_segment};

use super::{IndexError, Indices, Ready};

impl Indices {
    /// The data stream that an index of the source is of, once it has been made sure of.
    pub(crate) fn stream(&self, index: &str) -> Option<Arc<str>> {
        self.ready.lock().get(index)?.get()?.stream.clone()
    }

    /// Makes sure that the target has the stream.
    pub(super) async fn make_stream(
        &self,
        index: &str,
        stream: &str,
        known: Ready,
    ) -> Result<Ready, IndexError> {
        let path = format!("/_data_stream/{}", encode_segment(stream));
        if self.target.find(Request::new(Method::GET, path.clone())).await?.is_none() {
            let request = Request::new(Method::PUT, path);
            let reply =
                self.target.send_retrying(request, Repeat::Safe, self.target.patience()).await?;
            let body = reply.excerpt();
            if !reply.is_success() && !body.contains("resource_already_exists_exception") {
                let (index, stream) = (index.to_owned(), stream.to_owned());
                return Err(IndexError::DataStream { index, stream, status: reply.status, body });
            }
            tracing::info!(stream, "data stream created on the target");
        }
        Ok(Ready { on_target: true, stream: Some(Arc::from(stream)), ..known })
    }
}
