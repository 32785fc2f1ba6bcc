//! Vectors: `dense_vector` of Elasticsearch, and `knn_vector` of older versions of the k-NN plugin.

use serde_json::{Map, Value, json};

use super::kinds::object;
use crate::{catalogue::RuleLine, report::Rules};

/// What is said once for an index in older versions, and by the method of each field from this version on.
const METHOD_SINCE: (u32, u32) = (3, 0);

/// (the setting below `index.`, where the field says it)
const SETTINGS: &[(&str, &str)] = &[
    ("knn.algo_param.m", "method.parameters.m"),
    ("knn.algo_param.ef_construction", "method.parameters.ef_construction"),
    ("knn.space_type", "method.space_type"),
];

/// (similarity of a `dense_vector`, space of a `knn_vector`)
const SPACES: &[(&str, &str)] = &[
    ("l2_norm", "l2"),
    ("dot_product", "innerproduct"),
    ("max_inner_product", "innerproduct"),
    ("cosine", "cosinesimil"),
];

const NO_PLUGIN: &str = "a setting of OpenSearch's k-NN plugin";

/// Spaces that only nmslib knew.
const NMSLIB_ONLY: &[&str] = &["l1", "linf"];

/// `dense_vector` → `knn_vector`, its similarity as the space.
pub(super) fn from_dense(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) -> bool {
    let Some(dims) = field.get("dims").filter(|dims| dims.is_u64()).cloned() else {
        rules.refuse(path, "a dense_vector without dims has no dimension for a knn_vector");
        *field = object(json!({"type": "object", "enabled": false}));
        return true;
    };
    if field.get("element_type").is_some_and(|of| of != "float") {
        rules
            .refuse(path, "vectors of bytes and bits are only stored; say what holds them instead");
        *field = object(json!({"type": "object", "enabled": false}));
        return true;
    }
    let similarity = field.get("similarity").and_then(Value::as_str).unwrap_or("cosine");
    let space = SPACES.iter().find(|(from, _)| *from == similarity);
    let space = space.map_or("cosinesimil", |(_, to)| to);
    let mut method = json!({"name": "hnsw", "engine": "lucene", "space_type": space});
    // Without options of an index (and with those of flat ones) the defaults hold.
    let mut parameters = Map::new();
    for key in ["m", "ef_construction"] {
        if let Some(value) = field.get("index_options").and_then(|options| options.get(key)) {
            parameters.insert(key.into(), value.clone());
        }
    }
    if let (false, Some(method)) = (parameters.is_empty(), method.as_object_mut()) {
        method.insert("parameters".into(), Value::Object(parameters));
    }
    let kind = field.get("index_options").and_then(|options| options.get("type"));
    if kind.is_some_and(|kind| kind != "hnsw") {
        rules.changed(format!("{path}.index_options.type"), "the target's Lucene has plain hnsw");
    }
    *field = object(json!({"type": "knn_vector", "dimension": dims, "method": method}));
    rules.changed(path, "OpenSearch calls it knn_vector");
    rules.vectors = true;
    true
}

/// What a `knn_vector` says of how it is indexed: no nmslib from OpenSearch 3 on.
pub(super) fn method(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) {
    if !rules.target.at_least(METHOD_SINCE) {
        return;
    }
    let outer = field.get("space_type").and_then(Value::as_str).map(str::to_owned);
    let Some(Value::Object(method)) = field.get_mut("method") else { return };
    if method.get("engine").is_none_or(|engine| engine != "nmslib") {
        return;
    }
    method.insert("engine".into(), json!("faiss"));
    rules.changed(format!("{path}.method.engine"), "nmslib is gone; faiss takes its place");
    let space = method.get("space_type").and_then(Value::as_str).map(str::to_owned).or(outer);
    if let Some(space) = space.filter(|space| NMSLIB_ONLY.contains(&space.as_str())) {
        method.insert("space_type".into(), json!("l2"));
        field.remove("space_type");
        rules.refuse(
            format!("{path}.method.space_type"),
            format!("only nmslib had the space [{space}]; l2 orders neighbours otherwise"),
        );
    }
}

/// Between settings and mappings: what the index said of its vectors goes to each of them, and an index with
/// vectors says that it has some.
pub(crate) fn settle(
    settings: &mut Map<String, Value>,
    mappings: &mut Map<String, Value>,
    rules: &mut Rules,
) {
    if rules.target.is_elasticsearch() {
        settings.retain(|name, _| {
            let ours = name == "index.knn" || name.starts_with("index.knn.");
            if ours {
                rules.changed(format!("settings.{name}"), NO_PLUGIN);
            }
            !ours
        });
    }
    if rules.target.at_least(METHOD_SINCE) {
        let mut said = Map::new();
        for (name, to) in SETTINGS {
            let Some(value) = settings.remove(&format!("index.{name}")) else { continue };
            rules.changed(
                format!("settings.index.{name}"),
                "the method of each vector says it since OpenSearch 3",
            );
            let key = to.rsplit('.').next().unwrap_or(to);
            // A setting's number is a text, the method's must be one.
            let number = value.as_str().and_then(|text| text.parse::<u64>().ok());
            said.insert(key.to_owned(), number.map_or(value, |number| json!(number)));
        }
        if !said.is_empty() {
            spread("mappings", &said, mappings, rules);
        }
    }
    if rules.vectors
        && settings.get("index.knn").is_none_or(|on| on == "false" || *on == json!(false))
    {
        settings.insert("index.knn".into(), json!(true));
        rules.changed("settings.index.knn", "an index of vectors has to say so");
    }
}

/// Gives what the index said to every vector below that says nothing itself.
fn spread(
    path: &str,
    said: &Map<String, Value>,
    object: &mut Map<String, Value>,
    rules: &mut Rules,
) {
    let Some(Value::Object(members)) = object.get_mut("properties") else { return };
    for (name, member) in members {
        let path = format!("{path}.properties.{name}");
        let Value::Object(member) = member else { continue };
        let own = ["method", "model_id", "mode", "compression_level"];
        if member.get("type").is_some_and(|kind| kind == "knn_vector")
            && !own.iter().any(|key| member.contains_key(*key))
        {
            let mut method = json!({"name": "hnsw", "engine": "faiss"});
            for (key, value) in said {
                match key.as_str() {
                    "space_type" => method["space_type"] = value.clone(),
                    _ => method["parameters"][key] = value.clone(),
                }
            }
            member.insert("method".into(), method);
            rules.changed(format!("{path}.method"), "said by the settings of the index before");
        }
        spread(&path, said, member, rules);
    }
}

pub(crate) fn catalogue() -> Vec<RuleLine> {
    let why = "the method of each vector says it since OpenSearch 3";
    let moved = SETTINGS.iter().map(|(name, to)| {
        RuleLine::new(
            "vectors",
            format!("index.{name}"),
            "OpenSearch 3 on".into(),
            (*to).into(),
            why,
        )
    });
    let spaces = SPACES.iter().map(|(from, to)| {
        let what = format!("dense_vector of similarity {from}");
        let becomes = format!("knn_vector of space {to}, Lucene's hnsw, index.knn");
        let versions = "OpenSearch with k-NN".to_owned();
        RuleLine::new("vectors", what, versions, becomes, "OpenSearch calls it knn_vector")
    });
    let nmslib = RuleLine::new(
        "vectors",
        "method.engine nmslib",
        "OpenSearch 3 on".into(),
        "faiss".into(),
        "nmslib is gone; faiss takes its place",
    );
    let versions = "Elasticsearch".to_owned();
    let plugin = RuleLine::new("vectors", "index.knn.*", versions, "-".into(), NO_PLUGIN);
    moved.chain(spaces).chain([nmslib, plugin]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Version};

    fn knn(major: u32, minor: u32) -> Target {
        Target { knn: true, ..Target::opensearch(major, minor) }
    }

    fn dense(field: Value) -> (Value, Rules) {
        let mut rules = Rules::new(Some(Version::elasticsearch(8, 19)), knn(2, 19));
        let mut field = object(field);
        assert!(from_dense("f", &mut field, &mut rules));
        (Value::Object(field), rules)
    }

    #[test]
    fn each_similarity_has_its_space() {
        for (from, to) in SPACES {
            let (made, rules) = dense(
                json!({"type": "dense_vector", "dims": 3, "similarity": from, "index": true}),
            );
            let method = json!({"name": "hnsw", "engine": "lucene", "space_type": to});
            assert_eq!(made, json!({"type": "knn_vector", "dimension": 3, "method": method}));
            assert!(rules.vectors && rules.refused.is_empty());
        }
    }

    #[test]
    fn options_of_the_index_stay_and_what_has_no_counterpart_is_said() {
        let (made, rules) = dense(
            json!({"dims": 3, "index_options": {"type": "int8_hnsw", "m": 8, "ef_construction": 64}}),
        );
        assert_eq!(made["method"]["parameters"], json!({"m": 8, "ef_construction": 64}));
        assert_eq!(rules.changes[0].path, "f.index_options.type");
        for refused in [json!({"type": "dense_vector"}), json!({"dims": 8, "element_type": "byte"})]
        {
            let (made, rules) = dense(refused);
            assert_eq!((made["enabled"].clone(), rules.refused.len()), (json!(false), 1));
            assert!(!rules.vectors);
        }
    }

    #[test]
    fn nmslib_is_faiss_from_three_on() {
        for (target, engine) in [(knn(2, 19), "nmslib"), (knn(3, 0), "faiss")] {
            let mut rules = Rules::new(Some(Version::opensearch(1, 3)), target);
            let mut field = object(json!({"method": {"engine": "nmslib", "space_type": "l2"}}));
            method("f", &mut field, &mut rules);
            assert_eq!(field["method"]["engine"], json!(engine));
            assert_eq!(rules.changes.len(), usize::from(engine == "faiss"));
        }
        for space in NMSLIB_ONLY {
            let mut rules = Rules::new(None, knn(3, 0));
            let mut field = object(json!({"method": {"engine": "nmslib", "space_type": space}}));
            method("f", &mut field, &mut rules);
            assert_eq!(
                (field["method"]["space_type"].clone(), rules.refused.len()),
                (json!("l2"), 1)
            );
        }
    }

    #[test]
    fn what_the_index_said_goes_to_its_vectors() {
        for (name, to) in SETTINGS {
            let value = if name.ends_with("type") { "innerproduct" } else { "24" };
            let settings = object(json!({format!("index.{name}"): value, "index.knn": "true"}));
            let mappings = object(json!({"properties": {
                "o": {"properties": {"v": {"type": "knn_vector", "dimension": 2}}},
                "w": {"type": "knn_vector", "model_id": "m"}}}));
            let mut made = (settings.clone(), mappings.clone());
            let mut rules = Rules::new(None, knn(3, 0));
            settle(&mut made.0, &mut made.1, &mut rules);
            assert_eq!(made.0.len(), 1);
            let pointer = format!("/properties/o/properties/v/{}", to.replace('.', "/"));
            let said = Value::Object(made.1).pointer(&pointer).cloned().unwrap();
            assert!(said == json!(24) || said == json!("innerproduct"), "{said}");
            assert_eq!(rules.changes.len(), 2);
            let mut same = (settings.clone(), mappings.clone());
            settle(&mut same.0, &mut same.1, &mut Rules::new(None, knn(2, 19)));
            assert_eq!(same, (settings, mappings));
        }
    }

    #[test]
    fn an_elasticsearch_knows_no_such_settings() {
        let mut rules = Rules::new(Some(Version::opensearch(2, 19)), Target::elasticsearch(8, 19));
        let mut settings = object(json!({"index.knn": "true", "index.knn.space_type": "l2"}));
        settle(&mut settings, &mut Map::new(), &mut rules);
        assert_eq!((settings.len(), rules.changes.len()), (0, 2));
    }

    #[test]
    fn an_index_of_vectors_says_so() {
        let mut rules = Rules { vectors: true, ..Rules::new(None, knn(2, 19)) };
        let mut settings = Map::new();
        settle(&mut settings, &mut Map::new(), &mut rules);
        assert_eq!((settings["index.knn"].clone(), rules.changes.len()), (json!(true), 1));
    }
}
