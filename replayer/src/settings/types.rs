//! What becomes of an index of several types.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use settings::{BadSettings, refuse};
use transform::TypeMapping;

use super::{Mutations, TransformSettings};

/// What becomes of an index of several types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Types {
    /// One index a type, `<index>-<type>`.
    Split,
    /// One index, with the fields of all types.
    Union,
}

/// By the flag, or by what stands in the rules' file.
pub(super) fn check(
    flag: Option<Types>,
    transforms: &mut TransformSettings,
    mutations: Mutations,
) -> Result<TypeMapping, BadSettings> {
    let named = transforms.type_names.take();
    let said = match flag {
        Some(Types::Split) => "split",
        Some(Types::Union) => "union",
        None => "TypeMappingSanitizationTransformerProvider",
    };
    let wrong = |why: &str| Err(refuse("types", said, why));
    match (flag, named) {
        (Some(_), Some(_)) => {
            wrong("the rules' file says it too (TypeMappingSanitizationTransformerProvider)")
        }
        (Some(_), _) | (_, Some(_)) if mutations == Mutations::Mirror => {
            wrong("needs --mutations converge")
        }
        (Some(Types::Union), None) => Ok(TypeMapping::Union),
        (Some(Types::Split) | None, None) => Ok(TypeMapping::Split),
        (None, Some(names)) => Ok(TypeMapping::Named(names)),
    }
}

#[cfg(test)]
mod tests {
    use transform::TypeNames;

    use super::*;

    #[test]
    fn one_place_says_what_becomes_of_types() {
        let names = || TypeNames::parse(&serde_json::json!({"index_mappings": {"i": {}}})).unwrap();
        let checked = |flag, named: Option<TypeNames>, mutations| {
            let type_names = named;
            let mut transforms = TransformSettings { type_names, ..TransformSettings::default() };
            check(flag, &mut transforms, mutations).map_err(|error| error.to_string())
        };
        let converge = Mutations::Converge;
        assert_eq!(checked(None, None, converge), Ok(TypeMapping::Split));
        assert_eq!(checked(Some(Types::Union), None, converge), Ok(TypeMapping::Union));
        assert_eq!(checked(None, Some(names()), converge), Ok(TypeMapping::Named(names())));
        let both = checked(Some(Types::Split), Some(names()), converge).unwrap_err();
        assert!(both.contains("rules' file"), "{both}");
        let mirror = checked(Some(Types::Split), None, Mutations::Mirror).unwrap_err();
        assert!(mirror.contains("--mutations converge"), "{mirror}");
        assert!(checked(None, Some(names()), Mutations::Mirror).is_err());
        assert_eq!(checked(None, None, Mutations::Mirror), Ok(TypeMapping::Split));
    }
}
