//! The public conformance data, from whatever directory `CERBOS_CONFORMANCE_DIR` names. Nothing in
//! here knows an action, a row or a count.

use super::{Lab, Seed, Verdict, copied};
use crate::harness::{folder, root};
use authz::Principal;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

fn directory() -> PathBuf {
    match std::env::var_os("CERBOS_CONFORMANCE_DIR") {
        Some(named) => root().join(named),
        None => root().join("../shared/cerbos-conformance"),
    }
}

fn read(directory: &Path, file: &str) -> Value {
    let text = std::fs::read(directory.join(file)).unwrap_or_else(|problem| panic!("{file}: {problem}"));
    serde_json::from_slice(&text).unwrap_or_else(|problem| panic!("{file}: {problem}"))
}

fn texts(value: &Value) -> Vec<Option<String>> {
    value.as_array().into_iter().flatten().map(|each| each.as_str().map(str::to_owned)).collect()
}

fn seeds(directory: &Path) -> (Value, Vec<Seed>) {
    let data = read(directory, "seeds.json");
    let derived = read(directory, "derived-fields.json");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let seed = |row: &Value| {
        let more = &derived["derived"][row["id"].as_str().expect("an id")];
        let tag = |tag: &Value| (text(&tag["id"]).expect("a tag's id"), text(&tag["name"]));
        Seed {
            id: text(&row["id"]).expect("an id"),
            a_bool: row["aBool"].as_bool().expect("a boolean"),
            a_string: text(&row["aString"]).expect("a text"),
            a_number: row["aNumber"].as_i64().expect("a number"),
            a_double: more["aDouble"].as_f64(),
            a_optional_string: text(&row["aOptionalString"]),
            scope: text(&more["scope"]),
            created_at: text(&more["createdAt"]),
            created_by: text(&more["createdBy"]).expect("a text"),
            tags: row["tags"].as_array().into_iter().flatten().map(tag).collect(),
            sub_category_names: texts(&row["subCategoryNames"]).into_iter().flatten().collect(),
            labels: texts(&more["labels"]),
            parent: text(&row["parentSeedId"]),
        }
    };
    let seeds = data["seeds"].as_array().expect("seeds").iter().map(seed).collect();
    (data, seeds)
}

#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    /// The same rows as the check gives; refusing is allowed, and counted.
    Same,
    /// No single filter is right.
    Refusal,
    /// The planner itself is wrong here.
    Nothing,
}

fn actions(directory: &Path) -> BTreeMap<String, Wanted> {
    let data = read(directory, "actions.json");
    let mut actions = BTreeMap::new();
    for (list, wanted) in [
        ("conformance", Wanted::Same),
        ("mayRefuseOnPostgres", Wanted::Same),
        ("mustRefuse", Wanted::Refusal),
        ("refuseWhenNullIsOmitted", Wanted::Refusal),
        ("plannerBug", Wanted::Nothing),
    ] {
        for action in data[list].as_array().into_iter().flatten() {
            let name = action.as_str().or_else(|| action["action"].as_str()).expect("an action");
            actions.insert(name.to_owned(), wanted);
        }
    }
    actions
}

#[tokio::test]
async fn every_conformance_action_matches_or_is_refused() {
    let directory = directory();
    if !directory.join("actions.json").exists() {
        println!("skipped: no conformance data in {}", directory.display());
        return;
    }
    let (data, seeds) = seeds(&directory);
    let principal = Principal {
        id: data["principal"]["id"].as_str().expect("an id").to_owned(),
        roles: texts(&data["principal"]["roles"]).into_iter().flatten().collect(),
        attributes: data["principal"]["attr"].as_object().cloned().unwrap_or_default(),
    };
    // The PDP serves the policies of the data only.
    let policies = folder("conformance-policies");
    copied(&directory.join("policies"), &policies);
    let kind = data["resourceKind"].as_str().expect("a kind");
    let lab = Lab::new("conformance", &policies, kind, principal, &seeds).await;

    let (mut matched, mut refused, mut wrong, mut rightly) = (0, 0, 0, 0);
    let mut kept_out = 0;
    for (action, wanted) in actions(&directory) {
        if wanted == Wanted::Nothing {
            println!("{action}: skipped, the planner folds it wrongly");
            continue;
        }
        match (lab.judge(&action).await, wanted) {
            (Verdict::Matched(ids), Wanted::Same) => {
                matched += 1;
                kept_out += usize::from(ids.len() < seeds.len());
                println!("{action}: matched, {} of {} rows", ids.len(), seeds.len());
            }
            (Verdict::Refused(reason), Wanted::Same) => {
                refused += 1;
                println!("{action}: refused, {reason}");
            }
            (Verdict::Refused(reason), _) => {
                rightly += 1;
                println!("{action}: refused as it must be, {reason}");
            }
            (Verdict::Matched(_), _) => {
                wrong += 1;
                println!("{action}: WRONG, it must be refused");
            }
            (Verdict::Wrong(how), _) => {
                wrong += 1;
                println!("{action}: WRONG, {how}");
            }
        }
    }
    println!("{rightly} refused as they must be");
    println!("{matched} matched, {refused} refused, {wrong} wrong");
    assert_eq!(wrong, 0, "see the lines above");
    assert!(kept_out > 0, "filters that filter nothing prove nothing");
    // The best adapter known refuses 5 of 187.
    assert!(refused * 187 <= 5 * (matched + refused), "{refused} of {} refused", matched + refused);
}
