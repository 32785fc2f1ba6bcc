//! What Elasticsearch 7.10 answers.

pub(super) const CREATED: &str = r#"201 {"_index":"i","_type":"_doc","_id":"1","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":5,"_primary_term":2}"#;
pub(super) const UPDATED: &str = r#"200 {"_index":"i","_type":"_doc","_id":"1","_version":2,"result":"updated","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":6,"_primary_term":2}"#;
pub(super) const NOOP: &str = r#"200 {"_index":"i","_type":"_doc","_id":"1","_version":2,"result":"noop","_shards":{"total":0,"successful":0,"failed":0},"_seq_no":6,"_primary_term":2}"#;
pub(super) const DELETED: &str = r#"200 {"_index":"i","_type":"_doc","_id":"1","_version":3,"result":"deleted","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":7,"_primary_term":2}"#;
pub(super) const NOT_FOUND: &str = r#"404 {"_index":"i","_type":"_doc","_id":"1","_version":1,"result":"not_found","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":8,"_primary_term":2}"#;
pub(super) const CONFLICT: &str = r#"409 {"error":{"root_cause":[{"type":"version_conflict_engine_exception","reason":"[1]: version conflict, document already exists (current version [1])"}],"type":"version_conflict_engine_exception","reason":"[1]: version conflict, document already exists (current version [1])"},"status":409}"#;
pub(super) const NO_INDEX: &str = r#"404 {"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [i]"}],"type":"index_not_found_exception","reason":"no such index [i]"},"status":404}"#;
pub(super) const TOO_LATE: &str = r#"503 {"error":{"root_cause":[{"type":"unavailable_shards_exception","reason":"primary shard is not active"}],"type":"unavailable_shards_exception"},"status":503}"#;
