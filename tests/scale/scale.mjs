// `make scale`: this tree beside one with as many kinds as the whole product is to have. Both are built and asked in the same
// run: how long a build and a start take, what a request costs, and how the tests that go through every kind grow.

import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Gateway } from "./gateway.mjs";
import { multiply } from "./multiply.mjs";

const KINDS = Number(process.env.KINDS ?? 150);
const root = path.resolve(import.meta.dirname, "../..");
const scale = path.join(root, "target/scale");
const target = process.env.CARGO_TARGET_DIR ?? path.join(scale, "build");
const cargo = process.env.CARGO ?? "cargo";
/** The tests that go through every kind or procedure, by the beginning of their names. */
const ENUMERATED = ["parity::", "organizations::", "crash::", "outcomes::", "golden::", "graphql_surface::", "kinds::", "catalog::", "one_pass::", "explain::", "plans::shipped::"];

const seconds = (since) => (performance.now() - since) / 1000;
const say = (text) => console.log(text);

/** Runs to its end, and says how long it took. */
function timed(tree, command, args, environment = {}) {
  const since = performance.now();
  const options = { cwd: tree, env: { ...process.env, CARGO_TARGET_DIR: target, ...environment }, timeout: 3_600_000, maxBuffer: 1 << 28 };
  const { status, stdout } = spawnSync(command, args, { ...options, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed\n${stdout.slice(-4_000)}`);
  return seconds(since);
}

/** Builds our crates from nothing, the dependencies being there already, and once more after a change of one verb. */
function build(tree) {
  const metadata = JSON.parse(execFileSync(cargo, ["metadata", "--format-version=1", "--no-deps"], { cwd: tree, maxBuffer: 1 << 28 }));
  const members = metadata.packages.map(({ name }) => name);
  // Cargo takes the crates of one tree for those of the other: nothing of ours may be left.
  timed(tree, cargo, ["clean", "--quiet", ...members.flatMap((name) => ["-p", name])]);
  const all = timed(tree, cargo, ["build", "--quiet", "--workspace"]);
  const verb = path.join(tree, "resolvers/owners/src/contact/update.rs");
  fs.appendFileSync(verb, "\n#[expect(dead_code, reason = \"a change of one verb\")]\nfn changed() {}\n");
  const one = timed(tree, cargo, ["build", "--quiet", "--workspace"]);
  const binary = path.join(tree, "hestami");
  fs.copyFileSync(path.join(target, "debug/hestami"), binary);
  return { all, one, binary };
}

/** The binary of the tests, which finds the gateway's two folders above itself. */
function tests(tree) {
  const since = performance.now();
  const lines = execFileSync(cargo, ["test", "--quiet", "--no-run", "--workspace", "--message-format=json"], {
    cwd: tree,
    env: { ...process.env, CARGO_TARGET_DIR: target },
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 28,
  });
  const made = lines.toString().split("\n").filter(Boolean).map((line) => JSON.parse(line)).findLast(({ executable, target }) => executable && target.name === "tests");
  const home = path.join(tree, "built/debug");
  fs.mkdirSync(path.join(home, "deps"), { recursive: true });
  fs.copyFileSync(path.join(tree, "hestami"), path.join(home, "hestami"));
  const binary = path.join(home, "deps/tests");
  fs.copyFileSync(made.executable, binary);
  fs.chmodSync(binary, 0o755);
  return { binary, built: seconds(since) };
}

function suites({ binary }, tree) {
  const run = (names, environment = {}) => timed(path.join(tree, "tests"), binary, ["--format", "terse", ...names], environment);
  run(["golden::", "outcomes::"], { BLESS: "1" });
  const took = {};
  for (const name of ENUMERATED) {
    took[name] = run([name]);
    say(`  ${name} ${took[name].toFixed(1)} s`);
  }
  return took;
}

/** One after the other, in slices that alternate: the machine's moods meet both. */
async function requests(gateways, slices = 12, each = 25) {
  const organization = await Promise.all(gateways.map((gateway) => gateway.owner()));
  const made = await Promise.all(gateways.map((gateway, at) => gateway.change(organization[at], "contact/v1/create", { name: "Dolores Quintana" })));
  const asked = {
    "`contact/v1/create`": (gateway, at) => gateway.change(organization[at], "contact/v1/create", { name: "Ed Marsh" }),
    "`contact/v1/get`": (gateway, at) => gateway.read(organization[at], "contact/v1/get", { id: made[at].id }),
    "a page of 25 contacts": (gateway, at) => gateway.ask(organization[at], "{ contacts(first: 25) { edges { node { id name externalParty { name } } } } }"),
    "`node(id)`": (gateway, at) => gateway.ask(organization[at], `{ node(id: "${made[at].id}") { __typename id } }`),
  };
  const found = {};
  for (const [name, ask] of Object.entries(asked)) {
    const took = gateways.map(() => []);
    for (let slice = 0; slice < slices; slice += 1) {
      for (const [at, gateway] of gateways.entries()) {
        for (let one = 0; one < each; one += 1) {
          const since = performance.now();
          await ask(gateway, at);
          if (slice > 0) took[at].push(performance.now() - since);
        }
      }
    }
    found[name] = took.map((all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)]);
  }
  return found;
}

const trees = [
  { name: "now", tree: path.join(scale, "now"), kinds: 0 },
  { name: `${KINDS} kinds`, tree: path.join(scale, "multiplied"), kinds: KINDS },
];
const [now, many] = trees;
// The dependencies, which are not measured.
multiply(root, now.tree, 0);
for (const more of [[], ["--tests"]]) timed(now.tree, cargo, ["build", "--quiet", "--workspace", ...more]);
for (const each of trees) {
  each.kinds = multiply(root, each.tree, each.kinds);
  Object.assign(each, build(each.tree));
  execFileSync(each.binary, ["contract", "--write"], { cwd: each.tree });
  each.tests = tests(each.tree);
  const listed = fs.readFileSync(path.join(each.tree, "schema/golden/procedures.txt"), "utf8").split("\n");
  each.procedures = listed.filter((line) => /^[a-zA-Z]+\/v\d+\//.test(line)).length;
  each.sdl = fs.statSync(path.join(each.tree, "schema/golden/schema.graphql")).size;
  each.size = fs.statSync(each.binary).size;
  say(`${each.name}: ${each.procedures} procedures; built in ${each.all.toFixed(0)} s, after a change of one verb in ${each.one.toFixed(0)} s, its tests in ${each.tests.built.toFixed(0)} s`);
}
// Whatever comes of it, no server is left behind.
process.on("exit", () => trees.forEach(({ gateway }) => gateway?.end()));
for (const each of trees) {
  each.gateway = new Gateway(each.binary, each.tree);
  each.first = await each.gateway.start();
  each.starts = [];
  for (let start = 0; start < 3; start += 1) {
    await each.gateway.stop();
    each.starts.push(await each.gateway.start());
  }
  each.starts.sort((a, b) => a - b);
  await each.gateway.ask(await each.gateway.owner(), "{ contacts { totalCount } }");
  each.memory = each.gateway.memory();
  say(`${each.name}: first start ${each.first.toFixed(1)} s, warm ${each.starts.map((one) => one.toFixed(2)).join(", ")} s, ${each.memory.toFixed(0)} MB`);
}
const found = await requests(trees.map(({ gateway }) => gateway));
for (const each of trees) await each.gateway.stop();
for (const each of trees) {
  each.suites = suites(each.tests, each.tree);
  say(`${each.name}: ${JSON.stringify(each.suites)}`);
}

const row = (name, a, b, digits = 1) => `| ${name} | ${a.toFixed(digits)} | ${b.toFixed(digits)} | ${(b / a).toFixed(2)} |`;
const sum = (suites) => Object.values(suites).reduce((all, one) => all + one, 0);
const text = [
  "| | now | multiplied | × |",
  "| --- | --- | --- | --- |",
  row("kinds", now.kinds, many.kinds, 0),
  row("procedures", now.procedures, many.procedures, 0),
  row("`schema.graphql`, KB", now.sdl / 1024, many.sdl / 1024, 0),
  row("build of our crates from nothing, dependencies built, s", now.all, many.all, 0),
  row("build after a change of one verb, s", now.one, many.one, 0),
  row("build of the tests, s", now.tests.built, many.tests.built, 0),
  row("unoptimized binary, MB", now.size / 1e6, many.size / 1e6, 0),
  row("first start: migrations, the demo, PostgreSQL and Cerbos, s", now.first, many.first),
  row("warm start with PostgreSQL and Cerbos, s (median of 3)", now.starts[1], many.starts[1], 2),
  row("resident after the first request, MB", now.memory, many.memory, 0),
  ...Object.entries(found).map(([name, [a, b]]) => row(`${name}, ms (median, one at a time)`, a, b, 2)),
  ...ENUMERATED.map((name) => row(`tests \`${name}\`, s`, now.suites[name], many.suites[name])),
  row("all of these tests, s", sum(now.suites), sum(many.suites), 0),
].join("\n");
say(text);
const page = path.join(root, "docs/performance.md");
const marks = /(<!-- scale -->\n)[\s\S]*?(<!-- end of scale -->)/;
const before = fs.readFileSync(page, "utf8");
if (!marks.test(before)) throw new Error(`${page} has no marks for these figures`);
fs.writeFileSync(page, before.replace(marks, (_, open, close) => `${open}${text}\n${close}`));
const wrong = [];
if (many.starts[1] > 3) wrong.push(`a warm start takes ${many.starts[1].toFixed(2)} s, more than 3`);
if (sum(many.suites) / sum(now.suites) > (1.3 * many.procedures) / now.procedures) wrong.push("the tests grow faster than the procedures");
for (const [name, [a, b]] of Object.entries(found)) if (b > 1.25 * a) wrong.push(`${name} is dearer: ${a.toFixed(2)} and ${b.toFixed(2)} ms`);
if (wrong.length) {
  console.error(wrong.join("\n"));
  process.exit(1);
}
