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
    Step(String, Language, Sees),
    When(String, Test, Vec<Compiled>),
}

/// Whether a rule looks at the whole message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sees {
    All,
    /// All but the part that costs: `body: false`.
    Head,
}

enum Language {
    Jq(Jq),
    JavaScript(Box<JavaScript>),
}

enum Test {
    JmesPath(Predicate, String),
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

/// What one rule made of a message, after those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Its place in the configuration, and its language.
    pub rule: String,
    /// As in [`Applied::Messages`].
    pub messages: Vec<Vec<u8>>,
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
        Ok(Applied::Messages(self.written(&messages, last)?))
    }

    /// Applies the rules as [`Engine::apply`] does, and tells each rule of the list that made something.
    ///
    /// # Errors
    /// [`RuleError`], as there.
    pub fn trace(&mut self, message: &[u8]) -> Result<Vec<Traced>, RuleError> {
        let mut messages = vec![Message::Text(message)];
        let until = cpu_time().saturating_add(self.limits.time);
        let mut traced = Vec::new();
        for at in 0..self.rules.len() {
            let rule = &mut self.rules[at..=at];
            let Some(last) = apply(rule, &mut messages, &self.limits, until)? else { continue };
            let written = self.written(&messages, Some(last.clone()))?;
            traced.push(Traced { rule: last, messages: written });
        }
        Ok(traced)
    }

    /// Whether a message's member `part` has to be there for [`Engine::apply`], by the rest of the message: not when
    /// no rule that would look at it applies. A message that a rule has changed isn't foretold: what comes after
    /// may look at it.
    ///
    /// # Errors
    /// [`RuleError`], when a condition can't be decided.
    pub fn needs(&mut self, head: &[u8], part: &str) -> Result<bool, RuleError> {
        let head = Message::Text(head);
        let until = cpu_time().saturating_add(self.limits.time);
        let needed = needs(&mut self.rules, &head, part, &self.limits, until)?;
        Ok(needed == Needed::Part)
    }

    fn written(
        &self,
        messages: &[Message<'_>],
        last: Option<String>,
    ) -> Result<Vec<Vec<u8>>, RuleError> {
        let mut written = Vec::with_capacity(messages.len());
        for message in messages {
            let text = match message {
                Message::Text(text) => Ok(text.to_vec()),
                Message::Value(value @ Val::Obj(_)) => write(value, self.limits.memory),
                Message::Value(other) => Err(Why::NoMessage(kind(other))),
            };
            let rule = || last.clone().unwrap_or_default();
            written.push(text.map_err(|why| RuleError { rule: rule(), why })?);
        }
        Ok(written)
    }
}

/// What a list of rules asks of a message's head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// It stays what it is.
    Nothing,
    /// A rule changes it, without a look at the part.
    Head,
    Part,
}

fn needs(
    rules: &mut [Compiled],
    head: &Message<'_>,
    part: &str,
    limits: &Limits,
    until: Duration,
) -> Result<Needed, RuleError> {
    let mut needed = Needed::Nothing;
    for rule in rules {
        let looks = match rule {
            Compiled::Step(_, _, Sees::All) => Needed::Part,
            Compiled::Step(_, _, Sees::Head) => Needed::Head,
            Compiled::When(_, test, _) if test.sees(part) => Needed::Part,
            // Its condition is to be decided on what an earlier rule made.
            Compiled::When(_, _, under) if needed == Needed::Head => {
                if under.iter().all(Compiled::sees_head_only) { Needed::Head } else { Needed::Part }
            }
            Compiled::When(place, test, under) => {
                let fail = |why| RuleError { rule: place.clone(), why };
                match test.holds(head, limits, until).map_err(fail)? {
                    true => needs(under, head, part, limits, until)?,
                    false => Needed::Nothing,
                }
            }
        };
        match looks {
            Needed::Part => return Ok(Needed::Part),
            Needed::Head => needed = Needed::Head,
            Needed::Nothing => {}
        }
    }
    Ok(needed)
}

fn compile(rules: &[Rule], limits: &Limits) -> Result<Vec<Compiled>, RulesError> {
    let one = |rule: &Rule| {
        let refuse = |why| RulesError::Rule { rule: rule.place().to_owned(), why };
        Ok(match rule {
            Rule::Step(place, step, body) => {
                let language = match step {
                    Step::Jq(code) => Language::Jq(Jq::compile(code).map_err(refuse)?),
                    Step::JavaScript(script) => {
                        let script = JavaScript::new(script.clone(), *limits);
                        Language::JavaScript(Box::new(script.map_err(refuse)?))
                    }
                };
                let sees = if *body { Sees::All } else { Sees::Head };
                Compiled::Step(place.clone(), language, sees)
            }
            Rule::When(place, condition, rules) => {
                let test = match condition {
                    Condition::JmesPath(expression) => {
                        let compiled = Predicate::compile(expression).map_err(refuse)?;
                        Test::JmesPath(compiled, expression.clone())
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
                Compiled::Step(place, language, _) => {
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
            Self::Step(place, ..) | Self::When(place, ..) => place.clone(),
        }
    }

    fn sees_head_only(&self) -> bool {
        match self {
            Self::Step(_, _, sees) => *sees == Sees::Head,
            Self::When(_, _, under) => under.iter().all(Self::sees_head_only),
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
    /// Whether it may look at a member of the message: one that an expression reaches has its name there, unless
    /// the expression asks for the whole or for all members, or writes names in another way.
    fn sees(&self, part: &str) -> bool {
        match self {
            Self::JmesPath(_, text) => text.contains(part) || text.contains(['*', '@', '\\']),
            Self::JavaScript(_) => true,
        }
    }

    fn holds(
        &mut self,
        message: &Message<'_>,
        limits: &Limits,
        until: Duration,
    ) -> Result<bool, Why> {
        match self {
            Self::JmesPath(predicate, _) => predicate.holds(message, limits.memory),
            Self::JavaScript(script) => match script.call(&message.value()?, until)? {
                Val::Bool(holds) => Ok(holds),
                other => Err(Why::Failed(format!("a condition gave {}", kind(&other)))),
            },
        }
    }
}
