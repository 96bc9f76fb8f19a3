//! The examples of the clients' pages, as a newcomer would paste them.

use crate::harness::{Options, World, person, root};
use schema::Limits;
use std::process::Command;

/// The fenced blocks of a page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_every_client_work() {
    // With room: half of what a document may cost.
    let half = Limits { cost: Limits::default().cost / 2, ..Limits::default() };
    let world = World::with(Options { limits: half, ..Options::default() }).await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    for number in 0..12 {
        world.create_property(&owner, home, &format!("{number} Palo Verde Place")).await;
    }
    let mut ran = 0;
    for entry in std::fs::read_dir(root().join("docs/clients")).expect("pages") {
        let path = entry.expect("a page").path();
        let page = std::fs::read_to_string(&path).expect("a page");
        let scripts = blocks(&page, "js")
            .into_iter()
            .map(|text| ("node", vec!["--input-type=module".to_owned(), "--eval".to_owned(), text]));
        let shells = blocks(&page, "sh").into_iter().map(|text| ("bash", vec!["-euc".to_owned(), text]));
        for (program, arguments) in scripts.chain(shells) {
            let run = Command::new(program)
                .args(&arguments)
                .env("URL", world.app.url())
                .env("TOKEN", &owner.token)
                .env("ORGANIZATION", home.to_string())
                .output()
                .expect("it runs");
            let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
            assert!(run.status.success() && !run.stdout.is_empty(), "{}: {said}", path.display());
            ran += 1;
        }
    }
    assert!(ran >= 6, "only {ran} examples");
    let page = std::fs::read_to_string(root().join("docs/clients/http.md")).expect("a page");
    for (name, most) in graphql::limits::LISTED {
        assert!(page.contains(&format!("| {name} | {most} |")), "docs/clients/http.md: {name} is {most}");
    }
    // The tables of the page on security are those of the settings and of the quotas.
    let page = std::fs::read_to_string(root().join("docs/security.md")).expect("a page");
    let mut listed = 0;
    for line in page.lines().filter(|line| line.starts_with("| ") && line.contains("`HESTAMI_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let setting = server::config::SETTINGS.iter().find(|setting| cells[2] == format!("`{}`", setting.env));
        assert_eq!(setting.and_then(|setting| setting.default), Some(cells[3]), "{line}");
        listed += 1;
    }
    assert!(listed >= 15, "{listed} limits");
    for schema::Quota { name, most, about } in schema::quota::ALL {
        assert!(page.contains(&format!("| `{name}` | {most} | {about} |")), "docs/security.md: {name}");
    }
    // README's commands are the Makefile's, and its test command is CI's.
    let (readme, ci) = (std::fs::read_to_string(root().join("README.md")), std::fs::read_to_string(root().join(".ci/run")));
    let (readme, ci) = (readme.expect("README"), ci.expect("CI"));
    assert!(readme.contains("\nmake run\n") && readme.contains("\nmake test\n") && ci.contains("\nmake test"));
}
