use super::*;

fn error(kind: &str, reason: &str) -> String {
    format!(r#"{{"type":"{kind}","reason":"{reason}","index":"i","shard":"0"}}"#)
}

fn check_single(status: u16, body: &str, expected: Outcome) {
    assert_eq!(outcomes(Shape::Single, status, body.as_bytes(), 1), Ok(vec![expected]), "{body}");
}

fn mapping(kind: &str, reason: &str) -> Outcome {
    Outcome::MappingError { kind: kind.to_owned(), reason: reason.to_owned() }
}

#[test]
fn a_single_write() {
    check_single(
        201,
        r#"{"_index":"i","_id":"1","_version":7,"result":"created"}"#,
        Outcome::Applied,
    );
    check_single(
        404,
        r#"{"_index":"i","_id":"1","result":"not_found","_seq_no":3}"#,
        Outcome::NotFoundDelete,
    );
    let whole = |kind, reason| format!(r#"{{"error":{},"status":400}}"#, error(kind, reason));
    check_single(409, &whole("version_conflict_engine_exception", "x"), Outcome::AlreadyNewer);
    check_single(404, &whole("index_not_found_exception", "x"), Outcome::IndexMissing);
    check_single(
        400,
        &whole("mapper_parsing_exception", "x"),
        mapping("mapper_parsing_exception", "x"),
    );
    check_single(
        400,
        &whole("strict_dynamic_mapping_exception", "x"),
        mapping("strict_dynamic_mapping_exception", "x"),
    );
    let reason = "mapper [a] cannot be changed from type [long] to [text]";
    check_single(
        400,
        &whole("illegal_argument_exception", reason),
        mapping("illegal_argument_exception", reason),
    );
    check_single(
        429,
        &whole("es_rejected_execution_exception", "x"),
        Outcome::Retry { status: 429, kind: "es_rejected_execution_exception".to_owned() },
    );
    check_single(503, "<html>", Outcome::Retry { status: 503, kind: String::new() });
    check_single(
        403,
        r#"{"error":"no"}"#,
        Outcome::Failed { status: 403, kind: String::new(), reason: "no".to_owned() },
    );
    assert_eq!(
        outcomes(Shape::Single, 200, b"{", 1),
        Err(OutcomeError::Unreadable { status: 200 })
    );
}

#[test]
fn a_bulk() {
    let conflict = error("version_conflict_engine_exception", "x");
    let body = format!(
        r#"{{"took":1,"errors":true,"items":[{{"index":{{"_index":"i","_id":"1","result":"updated","status":200}}}},{{"index":{{"_id":"2","status":409,"error":{conflict}}}}},{{"delete":{{"_id":"3","result":"not_found","status":404}}}}]}}"#
    );
    assert_eq!(
        outcomes(Shape::Bulk, 200, body.as_bytes(), 3),
        Ok(vec![Outcome::Applied, Outcome::AlreadyNewer, Outcome::NotFoundDelete])
    );
    assert_eq!(
        outcomes(Shape::Bulk, 200, body.as_bytes(), 4),
        Err(OutcomeError::ItemCount { expected: 4, found: 3 })
    );
    let busy = Outcome::Retry { status: 503, kind: String::new() };
    assert_eq!(outcomes(Shape::Bulk, 503, b"", 2), Ok(vec![busy.clone(), busy]));
}

#[test]
fn successes() {
    assert!(Outcome::AlreadyNewer.is_success());
    assert!(!Outcome::IndexMissing.is_success());
}
