//! Conditions in JMESPath.
//!
//! A condition holds when its result is true as JMESPath has it: neither `false` nor `null` nor an empty string, array
//! or object. Numbers are compared as doubles.

use jmespath::{Expression, Variable};

use crate::{failure::Why, message::Message};

pub(crate) struct Predicate(Expression<'static>);

impl Predicate {
    pub(crate) fn compile(expression: &str) -> Result<Self, String> {
        jmespath::compile(expression).map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn holds(&self, message: &Message<'_>, most: usize) -> Result<bool, Why> {
        let text = message.text(most)?;
        let text = std::str::from_utf8(&text).map_err(|error| Why::NotJson(error.to_string()))?;
        let message = Variable::from_json(text).map_err(Why::NotJson)?;
        let result = self.0.search(message).map_err(|error| Why::Failed(error.to_string()))?;
        Ok(result.is_truthy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_holds_when_jmespath_says_so() {
        let message =
            Message::Text(br#"{"operation":{"_index":"logs"},"document":{"n":3,"e":[]}}"#);
        for (expression, expected) in [
            ("operation._index == 'logs'", true),
            ("operation._index == 'other'", false),
            ("document.n > `2` && document.n < `4`", true),
            ("document.absent", false),
            ("document.e", false),
            ("starts_with(operation._index, 'lo')", true),
        ] {
            let predicate = Predicate::compile(expression).unwrap();
            assert_eq!(predicate.holds(&message, 1000), Ok(expected), "{expression}");
        }
        assert!(Predicate::compile("a ==").is_err());
        let predicate = Predicate::compile("starts_with(document.n, 'x')").unwrap();
        assert!(matches!(predicate.holds(&message, 1000), Err(Why::Failed(_))));
        assert!(matches!(predicate.holds(&Message::Text(b"{"), 1000), Err(Why::NotJson(_))));
    }
}
