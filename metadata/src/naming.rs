//! What a person wants otherwise than the source has it: names, shards, replicas.

use regex::Regex;
use settings::glob;

use crate::selection::whole;

/// New names; the first rule that fits a name counts.
#[derive(Clone, Debug, Default)]
pub struct Renames(Vec<Rename>);

#[derive(Clone, Debug)]
enum Rename {
    /// Each `*` of the new name stands for what the `*` at its place stood for.
    Glob(String, String),
    /// With `$1`, `${name}`.
    Regex(Regex, String),
}

impl Renames {
    /// Parses `FROM=TO`; FROM is a pattern, or `regex:…` for the whole name.
    ///
    /// # Errors
    /// Which one is wrong, and why.
    pub fn parse(texts: &[String]) -> Result<Self, (String, String)> {
        let parse = |text: &String| {
            let fail = |why: &str| (text.clone(), why.to_owned());
            // A regular expression may hold `=`, an index's name hardly does.
            let (from, to) = text.rsplit_once('=').ok_or_else(|| fail("write it FROM=TO"))?;
            if from.is_empty() || to.is_empty() {
                return Err(fail("write it FROM=TO"));
            }
            if let Some(expression) = from.strip_prefix("regex:") {
                return match whole(expression) {
                    Ok(regex) => Ok(Rename::Regex(regex, to.to_owned())),
                    Err(why) => Err((text.clone(), why)),
                };
            }
            if to.matches('*').count() > from.matches('*').count() {
                return Err(fail("the new name has more `*` than the pattern"));
            }
            Ok(Rename::Glob(from.to_owned(), to.to_owned()))
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// The new name; `None`: it keeps its own.
    pub fn of(&self, name: &str) -> Option<String> {
        self.0.iter().find_map(|rule| rule.apply(name)).filter(|new| new != name)
    }
}

impl Rename {
    fn apply(&self, name: &str) -> Option<String> {
        match self {
            Self::Regex(from, to) => {
                from.is_match(name).then(|| from.replace(name, to.as_str()).into_owned())
            }
            Self::Glob(from, to) => {
                let found = glob::captures(from, name)?;
                let mut found = found.into_iter();
                let mut parts = to.split('*');
                let mut new = parts.next().unwrap_or_default().to_owned();
                for part in parts {
                    new.push_str(found.next().unwrap_or_default());
                    new.push_str(part);
                }
                Some(new)
            }
        }
    }
}

/// A number by the pattern of an index's name; the first that fits counts.
#[derive(Clone, Debug, Default)]
pub struct Numbers(Vec<(String, u32)>);

impl Numbers {
    /// Parses `N` and `PATTERN=N`.
    ///
    /// # Errors
    /// Which one is wrong, and why.
    pub fn parse(texts: &[String], least: u32) -> Result<Self, (String, String)> {
        let parse = |text: &String| {
            let (pattern, number) = text.rsplit_once('=').unwrap_or(("*", text));
            match number.parse() {
                Ok(number) if number >= least => Ok((pattern.to_owned(), number)),
                Ok(_) => Err((text.clone(), format!("it is at least {least}"))),
                Err(_) => Err((text.clone(), "write it N or PATTERN=N".to_owned())),
            }
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub fn of(&self, name: &str) -> Option<u32> {
        self.0.iter().find(|(pattern, _)| glob::matches(pattern, name)).map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renames(texts: &[&str]) -> Renames {
        Renames::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_first_rule_that_fits_gives_the_name() {
        let rules = renames(&["a=b", "logs-*-*=old-*.*", "regex:(.+)-v(?<n>\\d+)=${n}-$1", "*=*"]);
        let check = |name, new: Option<&str>| assert_eq!(rules.of(name).as_deref(), new, "{name}");
        check("a", Some("b"));
        check("logs-x-y-z", Some("old-x.y-z"));
        check("users-v12", Some("12-users"));
        check("other", None);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["a", "=b", "a=", "a*=*b*", "regex:(=x"] {
            assert!(Renames::parse(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
