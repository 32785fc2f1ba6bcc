//! Which indices a request touches, for deciding what conflicts with what.

/// Which indices a request touches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Names or patterns with `*`, as the request gave them, without exclusions (`-name`): a
    /// superset is safe here.
    Indices(Vec<String>),
    /// All of them: `_all`, `*`, a request without an index, or one whose indices can't be told
    /// (templates, scripts, aliases in an unreadable body).
    All,
}

impl Scope {
    /// The scope of an index expression: `a,b*,-c`, `_all`, `*`, empty.
    ///
    /// A date-math name (`<logs-{now/d}>`) stands for another index every day: it is a pattern
    /// (`logs-*`).
    pub fn of_expression(expression: &str) -> Self {
        let mut indices = Vec::new();
        for part in expression.split(',') {
            if part.is_empty() || part == "_all" || part == "*" {
                return Self::All;
            }
            if part.starts_with('-') {
                continue;
            }
            let part = part.strip_prefix('+').unwrap_or(part);
            match part.strip_prefix('<') {
                Some(math) => indices.push(any_date(math)),
                None => indices.push(part.to_owned()),
            }
        }
        if indices.is_empty() { Self::All } else { Self::Indices(indices) }
    }

    /// The scope of one index.
    pub fn of_index(index: &str) -> Self {
        Self::Indices(vec![index.to_owned()])
    }

    /// Whether an index can be in both.
    pub fn intersects(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::All, Self::Indices(names)) | (Self::Indices(names), Self::All) => {
                !names.is_empty()
            }
            (Self::Indices(left), Self::Indices(right)) => left.iter().any(|left| {
                right.iter().any(|right| patterns_meet(left.as_bytes(), right.as_bytes()))
            }),
        }
    }

    /// Whether this scope names the index, by itself or by a pattern.
    pub fn contains(&self, index: &str) -> bool {
        match self {
            Self::All => true,
            Self::Indices(names) => {
                names.iter().any(|name| patterns_meet(name.as_bytes(), index.as_bytes()))
            }
        }
    }

    /// Both together.
    pub fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Indices(mut left), Self::Indices(right)) => {
                for name in right {
                    if !left.contains(&name) {
                        left.push(name);
                    }
                }
                Self::Indices(left)
            }
            _ => Self::All,
        }
    }
}

/// The pattern of a date-math name behind its `<`: what is in braces may be anything, and so may
/// what follows when they aren't closed (a comma in them has cut the name).
fn any_date(math: &str) -> String {
    let (mut pattern, mut depth) = (String::new(), 0_usize);
    let mut characters = math.strip_suffix('>').unwrap_or(math).chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => pattern.extend(characters.next().filter(|_| depth == 0)),
            '{' => {
                if depth == 0 {
                    pattern.push('*');
                }
                depth += 1;
            }
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => pattern.push(character),
            _ => {}
        }
    }
    pattern
}

/// Whether some name matches both patterns, in which `*` stands for any characters.
///
/// Row by row of the table "can the first i of `left` meet the first j of `right`": time is the
/// product of the lengths, which a request target bounds.
pub(crate) fn patterns_meet(left: &[u8], right: &[u8]) -> bool {
    let plain = |pattern: &[u8]| !pattern.contains(&b'*');
    if plain(left) && plain(right) {
        return left == right;
    }
    let mut above: Vec<bool> = Vec::with_capacity(right.len() + 1);
    above.push(true);
    for byte in right {
        let before = above.last().copied().unwrap_or(false);
        above.push(before && *byte == b'*');
    }
    for row in left {
        let mut current = Vec::with_capacity(above.len());
        current.push(above.first().copied().unwrap_or(false) && *row == b'*');
        for (column, (from_above, diagonal)) in right.iter().zip(above.iter().skip(1).zip(&above)) {
            let from_left = current.last().copied().unwrap_or(false);
            let meets = match (row, column) {
                // A star may stand for nothing, or take in what the other side has.
                (b'*', _) | (_, b'*') => *from_above || from_left,
                _ => *diagonal && row == column,
            };
            current.push(meets);
        }
        above = current;
    }
    above.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let indices =
            |names: &[&str]| Scope::Indices(names.iter().map(|n| (*n).to_owned()).collect());
        assert_eq!(Scope::of_expression("a,b*,-c"), indices(&["a", "b*"]));
        assert_eq!(Scope::of_expression("_all"), Scope::All);
        assert_eq!(Scope::of_expression(""), Scope::All);
        assert_eq!(Scope::of_expression("<logs-{now/d}>"), indices(&["logs-*"]));
        assert_eq!(Scope::of_expression("<a{now/M{yyyy}}b>,+c"), indices(&["a*b", "c"]));
        assert_eq!(Scope::of_expression("<a-{now{yyyy,MM}}>"), indices(&["a-*", "MM}}>"]));
        assert!(!Scope::All.intersects(&indices(&[])));
    }

    #[test]
    fn patterns() {
        let check = |left: &str, right: &str, expected: bool| {
            assert_eq!(
                patterns_meet(left.as_bytes(), right.as_bytes()),
                expected,
                "{left} {right}"
            );
            assert_eq!(
                patterns_meet(right.as_bytes(), left.as_bytes()),
                expected,
                "{right} {left}"
            );
        };
        check("a", "a", true);
        check("a", "ab", false);
        check("a*", "a", true);
        check("a*", "ab", true);
        check("a*", "ba", false);
        check("*b", "a*", true);
        check("a*c", "*b*", true);
        check("a*c", "b*", false);
        check("logs-*-x", "logs-2*", true);
        check("logs-*-x", "logs-2*y", false);
        check("*", "", true);
        check("**", "a*b", true);
    }

    mod against_names {
        use proptest::prelude::*;

        use super::super::*;

        fn matches(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern.split_first(), name.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) if matches(rest, name) => true,
                (Some((b'*', _)), Some((_, name))) => matches(pattern, name),
                (Some((byte, rest)), Some((first, name))) => byte == first && matches(rest, name),
                _ => false,
            }
        }

        proptest! {
            #[test]
            fn a_name_of_both_means_that_they_meet(left in "[ab*]{0,5}", right in "[ab*]{0,5}") {
                // Where two patterns of length 5 meet at all, they do so in a name of at most 8
                // letters.
                let mut names = vec![Vec::new()];
                let mut met = false;
                for _ in 0..=8 {
                    met = met || names.iter().any(|name: &Vec<u8>| {
                        matches(left.as_bytes(), name) && matches(right.as_bytes(), name)
                    });
                    names = names.iter().flat_map(|name| [b'a', b'b'].map(|letter| {
                        let mut longer = name.clone();
                        longer.push(letter);
                        longer
                    })).collect();
                }
                prop_assert_eq!(patterns_meet(left.as_bytes(), right.as_bytes()), met);
            }
        }
    }
}
