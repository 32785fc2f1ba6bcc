//! Rules in jq.
//!
//! jaq has no limits of its own. So every step that may be taken without end (the right side of a pipe, the body of a
//! definition, a fold's update) first asks the [`Watch`]: the program's syntax tree and those of the library are
//! rewritten so. What one built-in function does with one value is not interrupted.

use std::time::Duration;

use jaq_core::{
    Bind, Compiler, Ctx, Error, Exn, Native, RunPtr, Vars,
    box_iter::box_once,
    data::JustLut,
    load::{
        self, Arena, File, Loader,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    native::{Filter as Named, v},
    unwrap_valr,
};
use jaq_json::Val;

use crate::{
    Limits,
    failure::{Why, short},
    watch::{Over, Watch},
};

type Data = JustLut<Val>;

thread_local! {
    /// Of the rule that runs in this thread: native functions have no state of their own.
    static WATCH: Watch = Watch::default();
}

const TICK: &str = "godwit_tick";
const RULE: &str = "godwit_rule";
/// What the library does natively, without end when it is asked to.
const RANGE: &str = "def range($from; $to; $by): $from |
    if $by > 0 then def rec: if . < $to then ., (. + $by | rec) else {}[] as $x | . end; rec
    elif $by < 0 then def rec: if . > $to then ., (. + $by | rec) else {}[] as $x | . end; rec
    else def rec: if . != $to then ., rec else {}[] as $x | . end; rec end;";
/// Functions that reach out of the rule.
const NOT_HERE: [&str; 5] = ["env", "halt", "debug_empty", "stderr_empty", "range"];

/// A compiled program.
pub(crate) struct Jq {
    filter: jaq_core::Filter<Data>,
}

impl Jq {
    pub(crate) fn compile(code: &str) -> Result<Self, String> {
        let arena = Arena::default();
        // For what is wrong with it, and so that it includes nothing.
        if let Err(errors) = Loader::new([]).load(&arena, file(code)) {
            return Err(load_error(errors));
        }
        let rule = load::parse(code, |parser| parser.term()).ok_or("it can't be parsed")?;
        let rule = Def { name: RULE, args: Vec::new(), body: rule };
        let mut prelude: Vec<Def<&str>> = Vec::new();
        for definition in jaq_core::defs() {
            if definition.name == "range" && !prelude.iter().any(|known| known.name == "range") {
                prelude.extend(load::parse(RANGE, |parser| parser.defs()).unwrap_or_default());
            }
            prelude.push(definition);
        }
        // Not `extend`, which would ask `code` to live as long as theirs.
        for definition in jaq_std::defs().chain(jaq_json::defs()) {
            prelude.push(definition);
        }
        prelude.push(rule);
        let prelude = prelude.into_iter().map(watched_definition);
        let modules = Loader::new(prelude).load(&arena, file(RULE)).map_err(load_error)?;
        let functions = jaq_core::funs::<Data>()
            .chain(jaq_std::funs())
            .chain(jaq_json::funs())
            .filter(|(name, ..)| !NOT_HERE.contains(name))
            .chain(
                functions()
                    .into_iter()
                    .map(|(name, arity, run)| (name, arity, Native::<Data>::new(run))),
            )
            .map(|(name, arity, function)| -> (&str, _, _) { (name, arity, function) });
        let compiled = Compiler::default().with_funs(functions).compile(modules);
        let filter = compiled.map_err(|errors| {
            let undefined = errors.into_iter().flat_map(|(_, errors)| errors);
            let list: Vec<String> = undefined
                .map(|(name, undefined)| format!("there is no {} {name}", undefined.as_str()))
                .collect();
            list.join("; ")
        })?;
        Ok(Self { filter })
    }

    /// What the program makes of a value.
    pub(crate) fn run(
        &self,
        input: Val,
        limits: &Limits,
        until: Duration,
    ) -> Result<Vec<Val>, Why> {
        WATCH.with(|watch| watch.start(until, limits.stack));
        let context = Ctx::<Data>::new(&self.filter.lut, Vars::new([]));
        let mut outputs = Vec::new();
        let mut failed = None;
        for output in self.filter.id.run((context, input)).map(unwrap_valr) {
            match output {
                Ok(_) if outputs.len() >= limits.outputs => {
                    failed = Some(Why::Outputs(limits.outputs));
                }
                Ok(output) => outputs.push(output),
                Err(error) => failed = Some(Why::Failed(short(&error.to_string()))),
            }
            if failed.is_some() {
                break;
            }
        }
        // The program may have caught what the watch said.
        match (WATCH.with(Watch::over), failed) {
            (Some(Over::Time), _) => Err(Why::Time(limits.time)),
            (Some(Over::Stack), _) => Err(Why::Stack(limits.stack)),
            (None, Some(failed)) => Err(failed),
            (None, None) => Ok(outputs),
        }
    }
}

fn file(code: &str) -> File<&str, ()> {
    File { code, path: () }
}

fn functions() -> [Named<RunPtr<Data>>; 5] {
    let nothing: RunPtr<Data> = |_| Box::new(std::iter::empty());
    let refused: RunPtr<Data> =
        |_| box_once(Err(Exn::from(Error::str("a rule has no access to its surroundings"))));
    [
        (TICK, v(0), |cv| {
            box_once(match WATCH.with(Watch::ask) {
                Ok(()) => Ok(cv.1),
                Err(_) => Err(Exn::from(Error::str("stopped"))),
            })
        }),
        ("env", v(0), refused),
        ("halt", Box::new([Bind::Var(())]), refused),
        ("debug_empty", v(0), nothing),
        ("stderr_empty", v(0), nothing),
    ]
}

/// `godwit_tick as $godwit_tick | body`, which leaves paths and updates through `body` as they are.
fn watched(body: Term<&str>) -> Term<&str> {
    let tick = Term::Call(TICK, Vec::new());
    let pattern = Pattern::Var("$godwit_tick");
    Term::BinOp(Box::new(tick), BinaryOp::Pipe(Some(pattern)), Box::new(body))
}

fn watched_definition(mut definition: Def<&str>) -> Def<&str> {
    definition.body = watched(watch(definition.body));
    definition
}

/// Puts questions to the watch into a term.
fn watch<'s>(term: Term<&'s str>) -> Term<&'s str> {
    let boxed = |term: Box<Term<&'s str>>| Box::new(watch(*term));
    let all = |terms: Vec<Term<&'s str>>| terms.into_iter().map(watch).collect();
    match term {
        Term::BinOp(left, operator @ BinaryOp::Pipe(_), right) => {
            Term::BinOp(boxed(left), operator, Box::new(watched(watch(*right))))
        }
        Term::BinOp(left, operator, right) => Term::BinOp(boxed(left), operator, boxed(right)),
        Term::Fold(kind, source, pattern, steps) => {
            let mut steps: Vec<_> = steps.into_iter().map(watch).collect();
            if let Some(update) = steps.get_mut(1) {
                *update = watched(std::mem::take(update));
            }
            Term::Fold(kind, boxed(source), pattern, steps)
        }
        Term::Def(definitions, body) => {
            Term::Def(definitions.into_iter().map(watched_definition).collect(), boxed(body))
        }
        Term::Arr(Some(term)) => Term::Arr(Some(boxed(term))),
        Term::Obj(members) => Term::Obj(
            members.into_iter().map(|(name, value)| (watch(name), value.map(watch))).collect(),
        ),
        Term::Neg(term) => Term::Neg(boxed(term)),
        Term::Label(name, term) => Term::Label(name, boxed(term)),
        Term::TryCatch(term, catch) => Term::TryCatch(boxed(term), catch.map(boxed)),
        Term::IfThenElse(cases, otherwise) => Term::IfThenElse(
            cases.into_iter().map(|(case, then)| (watch(case), watch(then))).collect(),
            otherwise.map(boxed),
        ),
        Term::Call(name, arguments) => Term::Call(name, all(arguments)),
        // What is inside of a path or a string is no loop, unless by a call, and calls are watched.
        other => other,
    }
}

fn load_error(errors: load::Errors<&str, ()>) -> String {
    let at = |place: &str| match place.is_empty() {
        true => "at its end".to_owned(),
        false => format!("at `{}`", short(place)),
    };
    let mut list = Vec::new();
    for (_, error) in errors {
        match error {
            load::Error::Io(errors) => {
                list.extend(errors.into_iter().map(|(path, why)| format!("`{path}`: {why}")));
            }
            load::Error::Lex(errors) => list.extend(errors.into_iter().map(|(expected, place)| {
                format!("{}: {} is expected", at(place), expected.as_str())
            })),
            load::Error::Parse(errors) => {
                list.extend(errors.into_iter().map(|(expected, place)| {
                    format!("{}: {} is expected", at(place), expected.as_str())
                }))
            }
        }
    }
    list.join("; ")
}
