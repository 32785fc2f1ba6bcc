//! Formats of dates: Joda's names and letters, which Elasticsearch used before 7, in those of `java.time`.

use serde_json::{Map, Value, json};

use crate::report::Rules;

const EPOCH: &str = "epoch_millis";

/// A field's format.
pub(super) fn field(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) {
    if !matches!(field.get("type").and_then(Value::as_str), Some("date" | "date_range")) {
        return;
    }
    let seconds = field.get("numeric_resolution").is_some_and(|unit| unit == "seconds");
    let path = format!("{path}.format");
    if !rules.created_before(7) {
        if let Some(format) = field.get_mut("format") {
            names(&path, format, rules);
        }
        return;
    }
    let before = field.get("format").and_then(Value::as_str).map(str::to_owned);
    let mut after = match &before {
        Some(format) => java(&path, format, rules),
        None if rules.created_before(2) => Some("date_optional_time".to_owned()),
        None => None,
    };
    // A number was an instant in Elasticsearch 1, whatever the format said.
    if rules.created_before(2) {
        let epoch = if seconds { "epoch_second" } else { EPOCH };
        if let Some(format) = &mut after
            && !format.contains("epoch_")
        {
            *format = format!("{format}||{epoch}");
        }
    }
    if after == before {
        return;
    }
    match after {
        Some(format) => field.insert("format".into(), json!(format)),
        None => field.remove("format"),
    };
    rules.changed(path, "date formats are those of java.time now");
}

/// `dateOptionalTime` → `date_optional_time`: Elasticsearch 8 takes no other form.
fn names(path: &str, format: &mut Value, rules: &mut Rules) {
    let Some(before) = format.as_str().filter(|_| rules.target.elasticsearch_from((8, 0))) else {
        return;
    };
    let part = |part: &str| if is_name(part) { snake(part) } else { part.to_owned() };
    let after = before.split("||").map(part).collect::<Vec<_>>().join("||");
    if after != before {
        *format = json!(after);
        rules.changed(path, "Elasticsearch 8 names formats in snake case only");
    }
}

/// `dynamic_date_formats`.
pub(super) fn list(path: &str, formats: &mut Value, rules: &mut Rules) {
    let Some(formats) = formats.as_array_mut() else { return };
    if !rules.created_before(7) {
        formats.iter_mut().for_each(|format| names(path, format, rules));
        return;
    }
    for format in formats {
        let Some(before) = format.as_str() else { continue };
        if let Some(after) = java(path, before, rules)
            && after != before
        {
            *format = json!(after);
            rules.changed(path, "date formats are those of java.time now");
        }
    }
}

/// `None`: nothing is left of it; what isn't said in `java.time` is refused.
fn java(path: &str, format: &str, rules: &mut Rules) -> Option<String> {
    // Elasticsearch 6.8 marks formats that are java.time's already.
    if let Some(java) = format.strip_prefix('8') {
        return Some(java.to_owned());
    }
    let mut parts = Vec::new();
    for part in format.split("||").map(str::trim).filter(|part| !part.is_empty()) {
        if is_name(part) {
            parts.push(snake(part));
            continue;
        }
        match pattern(part) {
            Some(patterns) => parts.extend(patterns),
            None => rules
                .refuse(path, format!("java.time has no letter for Joda's century in [{part}]")),
        }
    }
    (!parts.is_empty()).then(|| parts.join("||"))
}

/// Names are words of letters and underscores that a pattern can't be: it would repeat its letters.
fn is_name(part: &str) -> bool {
    const SHORT: &[&str] = &["date", "hour", "time", "year"];
    const STARTS: &[&str] = &[
        "basic", "strict", "date", "epoch", "hour", "ordinal", "time", "tTime", "t_time", "week",
        "year",
    ];
    let letters = part.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    letters
        && (SHORT.contains(&part) || (part.len() > 4 && STARTS.iter().any(|s| part.starts_with(s))))
}

/// `dateOptionalTime` → `date_optional_time`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    // basicTTime and basic_t_time, and the like.
    snake
}

/// Letters outside quotes. One pattern may need two: Joda reads an offset with or without its colon.
fn pattern(joda: &str) -> Option<Vec<String>> {
    let mut forms = vec![String::with_capacity(joda.len() + 4)];
    let mut letters = joda.chars().peekable();
    let mut quoted = false;
    while let Some(letter) = letters.next() {
        let mut run = 1;
        while letter != '\'' && letters.next_if_eq(&letter).is_some() {
            run += 1;
        }
        let mut put = |text: &str| forms.iter_mut().for_each(|form| form.push_str(text));
        match letter {
            '\'' => {
                quoted = !quoted;
                put("'");
            }
            'C' if !quoted => return None,
            'Y' if !quoted => put(&"y".repeat(run)),
            'x' if !quoted => put(&"Y".repeat(run)),
            'Z' if !quoted && run >= 3 => put("VV"),
            'Z' if !quoted => {
                let (first, second) = if run == 1 { ("xx", "xxx") } else { ("xxx", "xx") };
                let again: Vec<_> = forms.iter().map(|form| format!("{form}{second}")).collect();
                forms.iter_mut().for_each(|form| form.push_str(first));
                // One offset a pattern; more of them would only repeat it.
                if forms.len() < 2 {
                    forms.extend(again);
                }
            }
            other => put(&String::from(other).repeat(run)),
        }
    }
    Some(forms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Version};

    #[test]
    fn names_are_in_snake_case_where_an_elasticsearch_takes_no_other() {
        let made = |target| {
            let mut rules = Rules::new(Some(Version::elasticsearch(7, 17)), target);
            let format = json!("dateOptionalTime||yyyy-MM||epoch_millis");
            let mut date =
                Map::from_iter([("type".into(), json!("date")), ("format".into(), format)]);
            field("f", &mut date, &mut rules);
            (date["format"].clone(), rules.changes.len())
        };
        let snake = json!("date_optional_time||yyyy-MM||epoch_millis");
        assert_eq!(made(Target::elasticsearch(8, 19)), (snake, 1));
        assert_eq!(made(Target::opensearch(3, 8)).1, 0);
    }

    #[test]
    fn joda_becomes_java_time() {
        let check = |major, from: Value, to: Value| {
            let mut rules = Rules::new(Some(Version::elasticsearch(major, 0)), Target::default());
            let mut date = Map::from_iter([("type".to_owned(), json!("date"))]);
            if !from.is_null() {
                date.insert("format".into(), from.clone());
            }
            field("f", &mut date, &mut rules);
            assert_eq!(date.get("format").cloned().unwrap_or_default(), to, "{from} of {major}");
            assert_eq!(rules.changes.is_empty(), from == to);
        };
        check(1, json!("dateOptionalTime"), json!("date_optional_time||epoch_millis"));
        check(1, Value::Null, json!("date_optional_time||epoch_millis"));
        check(1, json!("yyyy-MM-dd"), json!("yyyy-MM-dd||epoch_millis"));
        check(2, Value::Null, Value::Null);
        check(
            2,
            json!("strict_date_optional_time||epoch_millis"),
            json!("strict_date_optional_time||epoch_millis"),
        );
        check(2, json!("basicTTimeNoMillis"), json!("basic_t_time_no_millis"));
        check(2, json!("strictDateHourMinute"), json!("strict_date_hour_minute"));
        check(2, json!("weekyearWeekDay"), json!("weekyear_week_day"));
        check(5, json!("YYYY-MM-dd"), json!("yyyy-MM-dd"));
        check(5, json!("xxxx-'W'ww"), json!("YYYY-'W'ww"));
        check(5, json!("yyyy-MM-dd'Z C'"), json!("yyyy-MM-dd'Z C'"));
        check(5, json!("HH:mm Z"), json!("HH:mm xx||HH:mm xxx"));
        check(5, json!("HH:mm ZZ||epoch_second"), json!("HH:mm xxx||HH:mm xx||epoch_second"));
        check(5, json!("HH:mm ZZZ"), json!("HH:mm VV"));
        check(6, json!("8uuuu-MM-dd"), json!("uuuu-MM-dd"));
        check(7, json!("YYYY-MM-dd"), json!("YYYY-MM-dd"));
        check(6, json!("date"), json!("date"));
    }

    #[test]
    fn seconds_stay_seconds_and_a_century_is_refused() {
        let mut rules = Rules::new(Some(Version::elasticsearch(1, 7)), Target::default());
        let mut date = json!({"type": "date", "numeric_resolution": "seconds"});
        field("f", date.as_object_mut().unwrap(), &mut rules);
        assert_eq!(date["format"], "date_optional_time||epoch_second");
        let mut formats = json!(["CC", "dateTime"]);
        list("mappings.dynamic_date_formats", &mut formats, &mut rules);
        assert_eq!(formats, json!(["CC", "date_time"]));
        assert_eq!(rules.refused.len(), 1);
    }
}
