//! Rules, compiled, and applied to one message after the other.

use std::time::Duration;

use jaq_json::Val;

use crate::{
    Limits, Rules, RulesError,
    configuration::{Condition, Rule, Step},
    failure::{RuleError, Why},
    javascript::JavaScript,
    jq::Jq,
    message::{Message, kind, write},
    predicate::Predicate,
    watch::cpu_time,
};

/// Compiled rules. An engine stays in the thread that made it; each thread makes its own.
pub struct Engine {
    rules: Vec<Compiled>,
    limits: Limits,
}

enum Compiled {
    Step(String, Language),
    When(String, Test, Vec<Compiled>),
}

enum Language {
    Jq(Jq),
    JavaScript(Box<JavaScript>),
}

enum Test {
    JmesPath(Predicate),
    JavaScript(Box<JavaScript>),
}

/// What the rules made of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// No rule's condition holds: the message is what it was, byte for byte.
    Untouched,
    /// One line of JSON each, an object; none: the message was dropped.
    Messages(Vec<Vec<u8>>),
}

impl Engine {
    /// Compiles rules.
    ///
    /// # Errors
    /// When one can't be compiled, or its script doesn't give a function.
    pub fn new(rules: &Rules) -> Result<Self, RulesError> {
        let limits = rules.limits;
        Ok(Self { rules: compile(&rules.rules, &limits)?, limits })
    }

    /// Applies the rules, in their order, to a message: an object.
    ///
    /// # Errors
    /// [`RuleError`]: it concerns this message alone, and the engine is as good as before.
    pub fn apply(&mut self, message: &[u8]) -> Result<Applied, RuleError> {
        let mut messages = vec![Message::Text(message)];
        let until = cpu_time().saturating_add(self.limits.time);
        let last = apply(&mut self.rules, &mut messages, &self.limits, until)?;
        if let [Message::Text(_)] = messages.as_slice() {
            return Ok(Applied::Untouched);
        }
        let mut written = Vec::with_capacity(messages.len());
        for message in &messages {
            let text = match message {
                Message::Text(text) => Ok(text.to_vec()),
                Message::Value(value @ Val::Obj(_)) => write(value, self.limits.memory),
                Message::Value(other) => Err(Why::NoMessage(kind(other))),
            };
            let rule = || last.clone().unwrap_or_default();
            written.push(text.map_err(|why| RuleError { rule: rule(), why })?);
        }
        Ok(Applied::Messages(written))
    }
}

fn compile(rules: &[Rule], limits: &Limits) -> Result<Vec<Compiled>, RulesError> {
    let one = |rule: &Rule| {
        let refuse = |why| RulesError::Rule { rule: rule.place().to_owned(), why };
        Ok(match rule {
            Rule::Step(place, step) => {
                let language = match step {
                    Step::Jq(code) => Language::Jq(Jq::compile(code).map_err(refuse)?),
                    Step::JavaScript(script) => {
                        let script = JavaScript::new(script.clone(), *limits);
                        Language::JavaScript(Box::new(script.map_err(refuse)?))
                    }
                };
                Compiled::Step(place.clone(), language)
            }
            Rule::When(place, condition, rules) => {
                let test = match condition {
                    Condition::JmesPath(expression) => {
                        Test::JmesPath(Predicate::compile(expression).map_err(refuse)?)
                    }
                    Condition::JavaScript(script) => {
                        let script = JavaScript::new(script.clone(), *limits);
                        Test::JavaScript(Box::new(script.map_err(refuse)?))
                    }
                };
                Compiled::When(place.clone(), test, compile(rules, limits)?)
            }
        })
    };
    rules.iter().map(one).collect()
}

/// Returns the last rule that made something.
fn apply(
    rules: &mut [Compiled],
    messages: &mut Vec<Message<'_>>,
    limits: &Limits,
    until: Duration,
) -> Result<Option<String>, RuleError> {
    let mut last = None;
    for rule in rules {
        let mut made = Vec::with_capacity(messages.len());
        for message in messages.drain(..) {
            match rule {
                Compiled::Step(place, language) => {
                    let fail = |why| RuleError { rule: place.clone(), why };
                    let outputs = language.run(&message, limits, until).map_err(fail)?;
                    made.extend(outputs.into_iter().map(Message::Value));
                    last = Some(place.clone());
                }
                Compiled::When(place, test, rules) => {
                    let fail = |why| RuleError { rule: place.clone(), why };
                    if !test.holds(&message, limits, until).map_err(fail)? {
                        made.push(message);
                        continue;
                    }
                    let mut under = vec![message];
                    last = apply(rules, &mut under, limits, until)?.or(last);
                    made.append(&mut under);
                }
            }
            if made.len() > limits.outputs {
                let (rule, why) = (rule.place(), Why::Outputs(limits.outputs));
                return Err(RuleError { rule, why });
            }
        }
        *messages = made;
    }
    Ok(last)
}

impl Compiled {
    fn place(&self) -> String {
        match self {
            Self::Step(place, _) | Self::When(place, ..) => place.clone(),
        }
    }
}

impl Language {
    /// The messages that become of one; `null` is none.
    fn run(
        &mut self,
        message: &Message<'_>,
        limits: &Limits,
        until: Duration,
    ) -> Result<Vec<Val>, Why> {
        let input = message.value()?;
        let mut outputs = match self {
            Self::Jq(jq) => jq.run(input, limits, until)?,
            Self::JavaScript(script) => match script.call(&input, until)? {
                Val::Arr(items) => items.iter().cloned().collect(),
                other => vec![other],
            },
        };
        outputs.retain(|output| !matches!(output, Val::Null));
        match outputs.iter().find(|output| !matches!(output, Val::Obj(_))) {
            Some(other) => Err(Why::NoMessage(kind(other))),
            None => Ok(outputs),
        }
    }
}

impl Test {
    fn holds(
        &mut self,
        message: &Message<'_>,
        limits: &Limits,
        until: Duration,
    ) -> Result<bool, Why> {
        match self {
            Self::JmesPath(predicate) => predicate.holds(message, limits.memory),
            Self::JavaScript(script) => match script.call(&message.value()?, until)? {
                Val::Bool(holds) => Ok(holds),
                other => Err(Why::Failed(format!("a condition gave {}", kind(&other)))),
            },
        }
    }
}
