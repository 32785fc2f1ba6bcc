//! Whatever the bytes.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn have_a_meaning(
        line in "(PUT|POST|DELETE|GET) /([a-z_*<%2F]{0,6}/?)(_bulk|_doc/[a-z%2]{0,4}|_aliases|_update/1|_rollover)?(\\?[a-z_=&%]{0,9})?",
        body in prop::collection::vec(prop_oneof![
            Just("{\"index\":{\"_id\":\"1\"}}\n".to_owned()), Just("{\"delete\":{\"_index\":\"i\"}}\n".to_owned()),
            Just("{}\n".to_owned()), Just("\n".to_owned()), Just("\r\n".to_owned()), "[{}\\[\\]\":a\n]{0,8}",
        ], 0..6),
        status in prop_oneof![Just(200u16), Just(404), Just(500), any::<u16>()],
        answer in prop::collection::vec(prop_oneof![
            Just("{\"items\":[".to_owned()), Just("{\"index\":{\"_index\":\"i\",\"_id\":\"1\",".to_owned()),
            Just("\"status\":200,".to_owned()), Just("\"_seq_no\":1,\"_primary_term\":1".to_owned()),
            Just("}},".to_owned()), Just("}}]}".to_owned()), "[{}\\[\\]\":a]{0,8}",
        ], 0..8),
    ) {
        let exchange = exchange(&format!("{line}\n\n{}", body.concat()), &format!("{status} {}", answer.concat()));
        let meaning = interpret(&exchange, &facts());
        if let Meaning::Write(write) = meaning {
            crate::render(&write, crate::Rendering::default());
            // Only a success makes operations.
            let success = (200..300).contains(&status) || status == 404;
            prop_assert!(success || write.operations().next().is_none());
        }
    }
}
