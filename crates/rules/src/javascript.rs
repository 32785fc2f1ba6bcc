//! Rules in JavaScript: `(bindings) => (message) => message`.
//!
//! The script has the language and nothing else: no files, no network, no modules, a `console` that is silent. Its
//! heap, its stack and its time are bounded. After it ran out of one, a new engine takes its place.

mod values;

use std::{rc::Rc, time::Duration};

use jaq_json::Val;
use rquickjs::{
    CatchResultExt as _, CaughtError, Context, Ctx, Function, Object, Persistent, Runtime, Value,
    context::EvalOptions,
};

use crate::{
    Limits,
    failure::{Why, short},
    watch::{Over, Watch, cpu_time},
};

use values::{Reader, Writer};

const PRELUDE: &str = include_str!("javascript/prelude.js");

/// A script as it is configured.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) source: String,
    /// JSON.
    pub(crate) bindings: String,
    /// Objects are Maps too, as the reference's are.
    pub(crate) maps: bool,
    /// The message comes in a list, of one.
    pub(crate) listed: bool,
}

pub(crate) struct JavaScript {
    script: Script,
    limits: Limits,
    watch: Rc<Watch>,
    /// `None`: it has to be made anew.
    engine: Option<Engine>,
}

/// In the order in which they have to be dropped.
struct Engine {
    function: Persistent<Function<'static>>,
    prelude: Persistent<Object<'static>>,
    context: Context,
    _runtime: Runtime,
}

impl JavaScript {
    pub(crate) fn new(script: Script, limits: Limits) -> Result<Self, String> {
        let mut made = Self { script, limits, watch: Rc::default(), engine: None };
        made.engine = Some(
            made.start(cpu_time().saturating_add(limits.time)).map_err(|why| why.to_string())?,
        );
        Ok(made)
    }

    fn start(&self, until: Duration) -> Result<Engine, Why> {
        self.watch.start(until, usize::MAX);
        let broken = |error: rquickjs::Error| match error {
            rquickjs::Error::Allocation => Why::Memory(self.limits.memory),
            error => Why::Failed(error.to_string()),
        };
        let runtime = Runtime::new().map_err(broken)?;
        runtime.set_memory_limit(self.limits.memory);
        runtime.set_max_stack_size(self.limits.stack);
        let watch = Rc::clone(&self.watch);
        runtime.set_interrupt_handler(Some(Box::new(move || watch.ask_clock().is_err())));
        let context = Context::full(&runtime).map_err(broken)?;
        let (function, prelude) = context.with(|ctx| {
            let prelude: Object<'_> = self.caught(&ctx, |ctx| ctx.eval(PRELUDE))?;
            let mut options = EvalOptions::default();
            options.strict = false; // as scripts are where there is no module
            options.filename = Some("rule.js".into());
            let source = self.script.source.as_str();
            let outer: Value<'_> =
                self.caught(&ctx, |ctx| ctx.eval_with_options(source, options))?;
            let Some(outer) = outer.as_function() else { return Err(no_function("it", &outer)) };
            let bindings = crate::message::parse(self.script.bindings.as_bytes())?;
            let bindings = self.writer(&ctx, &prelude).value(&bindings)?;
            let inner: Value<'_> = self.caught(&ctx, |_| outer.call((bindings,)))?;
            let Some(inner) = inner.as_function() else {
                return Err(no_function("called with its bindings, it", &inner));
            };
            let function = Persistent::save(&ctx, inner.clone());
            Ok((function, Persistent::save(&ctx, prelude)))
        })?;
        Ok(Engine { function, prelude, context, _runtime: runtime })
    }

    /// Calls the script with a message.
    pub(crate) fn call(&mut self, message: &Val, until: Duration) -> Result<Val, Why> {
        let is_fresh = self.engine.is_none();
        let result = self.call_once(message, until);
        if let Err(Why::Time(_) | Why::Memory(_)) = result {
            self.engine = None;
        }
        match result {
            // What the script had kept of other messages may have been too much.
            Err(Why::Memory(_)) if !is_fresh => {
                let again = self.call_once(message, until);
                if again.is_err() {
                    self.engine = None;
                }
                again
            }
            result => result,
        }
    }

    fn call_once(&mut self, message: &Val, until: Duration) -> Result<Val, Why> {
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => self.start(until)?,
        };
        self.watch.start(until, usize::MAX);
        let result = engine.context.with(|ctx| {
            let lost = |error: rquickjs::Error| Why::Failed(error.to_string());
            let function = engine.function.clone().restore(&ctx).map_err(lost)?;
            let prelude = engine.prelude.clone().restore(&ctx).map_err(lost)?;
            let mut writer = self.writer(&ctx, &prelude);
            let message = match self.script.listed {
                true => writer.list(std::slice::from_ref(message))?,
                false => writer.value(message)?,
            };
            let originals = writer.originals();
            let result: Value<'_> = self.caught(&ctx, |_| function.call((message,)))?;
            let result = match result.as_promise() {
                Some(promise) => self.caught(&ctx, |_| promise.finish())?,
                None => result,
            };
            if result.is_undefined() {
                return Err(Why::NoMessage("undefined"));
            }
            let mut reader =
                Reader { script: self, ctx: &ctx, prelude: &prelude, originals, held: 0 };
            reader.value(&result, 0)
        });
        self.engine = Some(engine);
        match self.watch.over() {
            Some(Over::Time) => Err(Why::Time(self.limits.time)),
            _ => result,
        }
    }

    fn writer<'w, 'js>(&'w self, ctx: &'w Ctx<'js>, prelude: &'w Object<'js>) -> Writer<'w, 'js> {
        Writer::new(self, ctx, prelude)
    }

    /// Does something in the engine, and says what went wrong.
    fn caught<'js, T>(
        &self,
        ctx: &Ctx<'js>,
        act: impl FnOnce(&Ctx<'js>) -> rquickjs::Result<T>,
    ) -> Result<T, Why> {
        act(ctx).catch(ctx).map_err(|error| self.why(ctx, &error))
    }

    fn why(&self, ctx: &Ctx<'_>, error: &CaughtError<'_>) -> Why {
        if self.watch.over().is_some() {
            return Why::Time(self.limits.time);
        }
        let text = match error {
            CaughtError::Error(rquickjs::Error::Allocation) => {
                return Why::Memory(self.limits.memory);
            }
            CaughtError::Error(rquickjs::Error::WouldBlock) => {
                return Why::Failed("it waits for a promise that nobody keeps".into());
            }
            CaughtError::Error(error) => error.to_string(),
            CaughtError::Exception(exception) => {
                let name: Result<String, _> = exception.as_object().get("name");
                let mut message = exception.message().unwrap_or_default();
                // Where a script can't be parsed; where it throws, its own words have to do.
                if name.as_ref().is_ok_and(|name| name == "SyntaxError")
                    && let Some(stack) = exception.stack()
                    && let Some(place) = stack.lines().next()
                {
                    message = format!("{message} {}", place.trim());
                }
                match name {
                    Ok(name) if !name.is_empty() => format!("{name}: {message}"),
                    _ => message,
                }
            }
            CaughtError::Value(value) => match value.as_string().map(|text| text.to_string()) {
                Some(Ok(text)) => text,
                // The engine had no memory left to say so.
                _ if value.is_null() => return Why::Memory(self.limits.memory),
                _ => format!("a value of type {}", value.type_name()),
            },
        };
        // Nothing that went wrong is to show up in what comes next.
        drop(ctx.catch());
        match text.as_str() {
            "InternalError: out of memory" => Why::Memory(self.limits.memory),
            "RangeError: Maximum call stack size exceeded" | "InternalError: stack overflow" => {
                Why::Stack(self.limits.stack)
            }
            text => Why::Thrown(short(text)),
        }
    }
}

fn no_function(what: &str, value: &Value<'_>) -> Why {
    let kind = value.type_name();
    Why::Failed(format!("{what} gives no function but {kind}: write (bindings) => (message) => …"))
}
