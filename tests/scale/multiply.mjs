// A tree with as many kinds as the whole product is to have: this one, with copies of the kind `contact` in pillars of their own.
// Each file that ARCHITECTURE.md lists for a new kind is copied with other names; nothing else is written for a copy.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const PILLARS = 4;

/** Its source files, as git knows them, with those that are new. */
function sources(from) {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: from, encoding: "utf8" });
  return listed.split("\n").filter((file) => file && fs.existsSync(path.join(from, file)));
}

function copyTree(from, to) {
  fs.rmSync(to, { recursive: true, force: true });
  for (const file of sources(from)) {
    fs.mkdirSync(path.dirname(path.join(to, file)), { recursive: true });
    fs.cpSync(path.join(from, file), path.join(to, file), { preserveTimestamps: true });
  }
  fs.symlinkSync(path.join(from, "embedded/node_modules"), path.join(to, "embedded/node_modules"));
}

/** Words whose two spellings, in SQL and in GraphQL, are the same, and whose plural has an s behind them. */
function nameOf(number) {
  const letters = "abcdefgklmnp";
  return `thing${letters[Math.floor(number / letters.length)]}${letters[number % letters.length]}`;
}

function renamed(text, name) {
  const capital = name[0].toUpperCase() + name.slice(1);
  return text.replaceAll("contact", name).replaceAll("Contact", capital);
}

/** Replaces a text that must be there: a generator that misses its place must not pass. */
function put(file, before, after) {
  const text = fs.readFileSync(file, "utf8");
  if (!text.includes(before)) throw new Error(`${file} has no ${JSON.stringify(before)}`);
  fs.writeFileSync(file, text.replace(before, () => after));
}

function write(file, text) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}

/** Makes the tree with at least so many kinds, and says how many it has. */
export function multiply(from, to, kinds) {
  copyTree(from, to);
  const at = (...parts) => path.join(to, ...parts);
  const read = (...parts) => fs.readFileSync(at(...parts), "utf8");
  const there = [...read("entities/src/lib.rs").matchAll(/kinds! \{([^}]*)\}/g), ...read("entities/owners/src/lib.rs").matchAll(/kinds! \{([^}]*)\}/g)];
  const before = there.flatMap(([, list]) => list.split("\n").filter((line) => /^\s+[a-z_]+,$/.test(line))).length;
  const names = Array.from({ length: Math.max(0, kinds - before) }, (_, number) => nameOf(number));

  if (names.length === 0) return before;

  const entity = read("entities/owners/src/contact.rs").replace(
    "use crate::{external_party::ExternalPartyId, prelude::*};",
    "use crate::prelude::*;\nuse owners::external_party::ExternalPartyId;",
  );
  const verbs = fs.readdirSync(at("resolvers/owners/src/contact"));
  const relation = /relations!\(OF_CONTACT of Contact \{[\s\S]*?\n\}\);\n/.exec(read("entities/src/relations.rs"))[0];
  const migration = fs.readdirSync(at("migration/src")).find((file) => file.endsWith("_contact.rs"));
  const table = /r#"([\s\S]*?)"#/.exec(read("migration/src", migration))[1];

  const pillars = Array.from({ length: PILLARS }, (_, pillar) => names.filter((_, number) => number % PILLARS === pillar));
  pillars.forEach((own, pillar) => {
    const [tables, acts] = [`pillar${pillar}`, `pillar${pillar}_verbs`];
    const manifest = (file, from, name, more) => read(file).replace(`name = "${from}"`, `name = "${name}"`).replace("[dependencies]\n", `[dependencies]\n${more}`);
    write(at("entities", tables, "Cargo.toml"), manifest("entities/owners/Cargo.toml", "owners", tables, "owners.workspace = true\n"));
    write(at("resolvers", tables, "Cargo.toml"), manifest("resolvers/owners/Cargo.toml", "owner_verbs", acts, `${tables}.workspace = true\n`));
    const modules = own.map((name) => `pub mod ${name};\n`).join("");
    const prelude = (whose) => `mod prelude {\n    pub use ${whose}::prelude::*;\n}\n`;
    const list = own.map((name) => `    ${name},\n`).join("");
    write(at("entities", tables, "src/lib.rs"), `${modules}\n${prelude("kind")}\nkind::kinds! {\n    KINDS, NAMES:\n${list}}\n`);
    const domains = own.map((name) => `    ${name}::ALL,\n`).join("");
    const queries = own.map((name) => `    ${name}::${renamed("ContactQuery", name)},\n`).join("");
    write(
      at("resolvers", tables, "src/lib.rs"),
      `${modules}\n${prelude("verbs")}\npub const DOMAINS: &[&[schema::Entry]] = &[\n${domains}];\n\nkind::query! {\n    Pillar${pillar}Query:\n${queries}}\n`,
    );
    for (const name of own) {
      const number = 0x10_0000 + names.indexOf(name);
      write(at("entities", tables, "src", `${name}.rs`), renamed(entity, name).replace("= 0x61", `= 0x${number.toString(16)}`));
      for (const verb of verbs) {
        const text = read("resolvers/owners/src/contact", verb)
          .replace(/use owners::\{\n    contact(::\{[^}]*\})?,\n    external_party/, (_, from) => `use ${tables}::contact${from ?? ""};\nuse owners::{\n    external_party`)
          .replace("use owners::contact::", `use ${tables}::contact::`);
        write(at("resolvers", tables, "src", name, verb), renamed(text, name));
      }
      write(at("authz/policies", `${name}.yaml`), renamed(read("authz/policies/contact.yaml"), name));
    }
    put(at("Cargo.toml"), '"entities",', `"entities/${tables}", "resolvers/${tables}", "entities",`);
    put(at("Cargo.toml"), "[workspace.dependencies]\n", `[workspace.dependencies]\n${tables} = { path = "entities/${tables}" }\n${acts} = { path = "resolvers/${tables}" }\n`);
    put(at("entities/Cargo.toml"), "[dependencies]\n", `[dependencies]\n${tables}.workspace = true\n`);
    put(at("resolvers/Cargo.toml"), "[dependencies]\n", `[dependencies]\n${acts}.workspace = true\n`);
    put(at("entities/src/lib.rs"), "pub use owners::*;\n", `pub use ${tables}::*;\npub use owners::*;\n`);
    put(at("entities/src/lib.rs"), "+ owners::KINDS.len() }>(&[GROUND, ", `+ ${tables}::KINDS.len() + owners::KINDS.len() }>(&[GROUND, ${tables}::KINDS, `);
    put(at("entities/src/lib.rs"), "{ KINDS_LEN }>(&[GROUND_NAMES, ", `{ KINDS_LEN }>(&[GROUND_NAMES, ${tables}::NAMES, `);
    put(at("entities/src/lib.rs"), "= GROUND_NAMES.len() + ", `= GROUND_NAMES.len() + ${tables}::NAMES.len() + `);
    put(at("resolvers/src/lib.rs"), "{ GROUND.len() + ", `{ GROUND.len() + ${acts}::DOMAINS.len() + `);
    put(at("resolvers/src/lib.rs"), "(&[GROUND, ", `(&[GROUND, ${acts}::DOMAINS, `);
    put(at("resolvers/src/lib.rs"), "pub use owner_verbs::{", `pub use ${acts}::Pillar${pillar}Query;\npub use owner_verbs::{`);
  });
  const roots = pillars.map((_, pillar) => `    resolvers::Pillar${pillar}Query,\n`).join("");
  put(at("graphql/src/roots.rs"), "    OwnersQuery,\n", `${roots}    OwnersQuery,\n`);
  // One migration, as a pillar has.
  const classes = names.map((name) => `&class::owned_but("${name}", &[])`).join(", ");
  const named = "m20991231_235959_multiplied";
  write(
    at("migration/src", `${named}.rs`),
    `use crate::class;\n\ncrate::sql_migration!("${named}", { [TABLES, ${classes}, &class::across()].concat() });\n\nconst TABLES: &str = r#"${names.map((name) => renamed(table, name)).join("")}"#;\n`,
  );
  put(at("migration/src/lib.rs"), "pub mod projection;", `mod ${named};\npub mod projection;`);
  put(at("migration/src/lib.rs"), "        ]\n    }", `            Box::new(${named}::Migration),\n        ]\n    }`);

  const relations = at("entities/src/relations.rs");
  put(relations, "    &OF_CONTACT,\n", `    &OF_CONTACT,\n${names.map((name) => `    &OF_${name.toUpperCase()},\n`).join("")}`);
  const related = names.map((name) => renamed(relation, name).replace("OF_CONTACT", `OF_${name.toUpperCase()}`));
  put(relations, "use crate::{\n", `use crate::{\n${names.map((name) => `    ${renamed("contact::Contact", name)},\n`).join("")}`);
  put(relations, "relations!(OF_CONTACT of", `${related.join("\n")}\nrelations!(OF_CONTACT of`);
  put(at("tests/src/plans/shipped.rs"), " contact ", ` contact ${names.join(" ")} `);
  return before + names.length;
}
