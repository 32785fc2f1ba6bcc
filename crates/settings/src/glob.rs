//! Patterns in which `*` stands for any characters, none too.

/// Whether a text is what a pattern stands for.
pub fn matches(glob: &str, text: &str) -> bool {
    captures(glob, text).is_some()
}

/// What each `*` stands for, the shortest first; `None`: no match.
pub fn captures<'n>(glob: &str, text: &'n str) -> Option<Vec<&'n str>> {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let mut rest = text.strip_prefix(first)?;
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty().then(Vec::new);
    };
    let mut found = Vec::with_capacity(parts.len());
    for part in middle {
        let at = rest.find(part)?;
        found.push(&rest[..at]);
        rest = &rest[at + part.len()..];
    }
    found.push(rest.strip_suffix(last)?);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        assert_eq!(captures("logs-*-*", "logs-a-b-c"), Some(vec!["a", "b-c"]));
        assert_eq!(captures("*", ""), Some(vec![""]));
        assert_eq!(captures("a*a", "a"), None);
        assert_eq!(captures("a", "ab"), None);
        assert!(matches("*-2024.*", "logs-2024.01"));
        for (pattern, text, like) in [
            ("/a*b*c", "/aXbYc", true),
            ("/a*b*c", "/abc", true),
            ("/a*b*c", "/acb", false),
            ("/a*a", "/a", false),
            ("/*", "/", true),
            ("/a**", "/a", true),
        ] {
            assert_eq!(matches(pattern, text), like, "{pattern} {text}");
        }
    }
}
