//! What is done to each request on its way to the target: headers, and the rules that a person wrote.
//!
//! ```text
//! a request, rendered or as captured ─ headers ─ a thread that has the compiled rules ─▶ sent, dropped, or failed
//! ```
//! Rules see a request as it goes to the target, after everything else that is done to it. What convergence has to
//! find again (a document's index, id, routing and version, an index's name) no rule may change: see [`Kept`].
//! A request that the rules fail on is never sent as it was.

mod fixed;
mod form;
mod headers;
mod pool;

use std::sync::Arc;

use ::rules::{Applied, Engine, RuleError, Rules};
use cluster::Request;
use converge::Exchange;

use form::Message;
pub use headers::{HeaderChanges, Host};
use pool::Pool;

/// What of a request has to stay what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A read, or a request that is mirrored.
    Nothing,
    /// A control request: what it is about is in its method and path.
    Path,
    /// Operations: besides, what each line of a bulk says of its document.
    Operations,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Ruled {
    Send(Request),
    /// A rule gave nothing.
    Dropped,
    /// In words: which rule, and why.
    Failed(String),
}

#[derive(Debug)]
pub(crate) struct Transforms {
    headers: HeaderChanges,
    pool: Option<Pool>,
}

impl Transforms {
    /// # Errors
    /// When there are no threads for the rules.
    pub(crate) fn new(
        headers: HeaderChanges,
        rules: Option<Arc<Rules>>,
    ) -> Result<Self, ::rules::NoWorker> {
        Ok(Self { headers, pool: rules.map(Pool::start).transpose()? })
    }

    /// What goes to the target in place of a request, which was captured as `exchange` or made for it.
    pub(crate) async fn apply(
        &self,
        mut request: Request,
        exchange: Option<&Exchange>,
        kept: Kept,
    ) -> Ruled {
        self.headers.apply(&mut request, exchange);
        let Some(pool) = &self.pool else { return Ruled::Send(request) };
        let judged = pool.run(move |engine| judge(engine, request, kept)).await;
        judged.unwrap_or_else(|why| Ruled::Failed(why.to_string()))
    }
}

impl Transforms {
    /// As [`Transforms::apply`], with the rules that made something.
    pub(crate) async fn trace(
        &self,
        mut request: Request,
        exchange: &Exchange,
        kept: Kept,
    ) -> (Ruled, Vec<String>) {
        self.headers.apply(&mut request, Some(exchange));
        let Some(pool) = &self.pool else { return (Ruled::Send(request), Vec::new()) };
        let judged = pool.run(move |engine| {
            let message = message_of(&request);
            let traced = engine.trace(&message).unwrap_or_default();
            let rules = traced.into_iter().map(|one| one.rule).collect();
            (judge(engine, request, kept), rules)
        });
        judged.await.unwrap_or_else(|why| (Ruled::Failed(why.to_string()), Vec::new()))
    }
}

/// A request as its rules see it.
pub(crate) fn message_of(request: &Request) -> Vec<u8> {
    match request.body.is_empty() {
        true => form::head(request),
        false => form::whole(form::head(request), request),
    }
}

/// Applies the rules, to the body only if one looks at it.
fn judge(engine: &mut Engine, request: Request, kept: Kept) -> Ruled {
    let (messages, seen) = match applied(engine, &request) {
        Ok((Applied::Untouched, _)) => return Ruled::Send(request),
        Ok((Applied::Messages(messages), seen)) => (messages, seen),
        Err(RuleError { rule, why }) => return Ruled::Failed(format!("{rule} failed: {why}")),
    };
    match messages.as_slice() {
        [] => Ruled::Dropped,
        [one] => {
            let read = Message::read(one).and_then(|message| message.request(&request, seen));
            match read.and_then(|made| fixed::check(&request, made, kept)) {
                Ok(made) => Ruled::Send(made),
                Err(why) => Ruled::Failed(format!("the rules gave no request: {why}")),
            }
        }
        several => Ruled::Failed(format!("the rules made {} requests of one", several.len())),
    }
}

/// The rules' result, and whether they saw the body.
fn applied(engine: &mut Engine, request: &Request) -> Result<(Applied, bool), RuleError> {
    let head = form::head(request);
    let seen = !request.body.is_empty() && engine.needs(&head, form::PAYLOAD)?;
    let message = if seen { form::whole(head, request) } else { head };
    Ok((engine.apply(&message)?, seen))
}

#[cfg(test)]
mod tests;
