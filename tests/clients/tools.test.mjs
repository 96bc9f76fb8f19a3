// The tools that clients are made with and APIs are judged by. Each has nothing to find.

import { auditServer } from 'graphql-http';
import { buildClientSchema, buildSchema, findBreakingChanges, findDangerousChanges, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from './gateway.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const made = path.join(here, 'typed/made');
const python = path.join(here, '../../target/python/bin');
const SCHEMA = path.join(made, 'schema.graphql');
const OPENAPI = path.join(made, 'openapi.json');

let gateway, robert, sam;
before(async () => {
  // The fuzzers are refused by the hundred: each refusal would be a line.
  // What a fuzzer asks for may cost anything.
  // A fuzzer asks for more in a minute than a person does in a day.
  const ample = Object.fromEntries(['ADDRESS', 'CLIENT', 'PRINCIPAL', 'ORGANIZATION'].map((level) => [`HESTAMI_RATE_${level}`, '1000000000/4000000000']));
  gateway = await start({ HESTAMI_LOG: 'error', HESTAMI_COST: '1000000000', ...ample });
  robert = gateway.who('Robert Chen');
  sam = gateway.who('Sam Reyes');
  await rm(made, { recursive: true, force: true });
  await mkdir(path.join(made, 'relay'), { recursive: true });
  await mkdir(path.join(made, 'js-relay'), { recursive: true });
  await writeFile(path.join(made, '__init__.py'), '');
  await writeFile(path.join(made, 'js-relay/package.json'), '{ "type": "commonjs" }');
  await writeFile(SCHEMA, await text('/schema.graphql'));
  await writeFile(OPENAPI, await text('/openapi.json'));
});
after(() => gateway?.stop());

const text = async (at) => (await fetch(gateway.url + at)).text();

/** Runs a program to its end, and returns its words. Another end than 0 fails the test with them. */
async function run(program, args, { who = robert, cwd = here } = {}) {
  const env = { ...process.env, URL: gateway.url, TOKEN: who.token, ORGANIZATION: who.organization, SCHEMA, OPENAPI, PATH: `${python}:${process.env.PATH}` };
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => { said += part; });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  assert.equal(code, 0, `${path.basename(program)} ${args[0]} ended with ${code}:\n${said.slice(-20_000)}`);
  return said;
}
const tool = (name) => path.join(here, 'node_modules/.bin', name);

test('the schema that is served is the one that is committed, and the one that introspection tells', async () => {
  const committed = await readFile(path.join(here, '../../schema/golden/schema.graphql'), 'utf8');
  const served = await readFile(SCHEMA, 'utf8');
  assert.equal(served, committed);
  const told = buildClientSchema(await gateway.query(robert, getIntrospectionQuery({ specifiedByUrl: true, directiveIsRepeatable: true, inputValueDeprecation: true, oneOf: true })));
  const written = buildSchema(committed);
  for (const [one, other] of [[told, written], [written, told]]) {
    const changes = [...findBreakingChanges(one, other), ...findDangerousChanges(one, other)];
    // Of GraphQL itself, introspection tells also the scalar that nothing uses, and graphql-js the directive as its next version has it.
    assert.deepEqual(changes.filter(({ description }) => !/^Standard scalar Float| deprecated\.$/.test(description)), []);
  }
  assert.equal(printSchema(lexicographicSortSchema(told)), printSchema(lexicographicSortSchema(written)));
});

// A request that is JSON and names no document, or parameters of other types, is answered 422: it was understood, and is refused for what it
// says. 400 is for what is no JSON and no GraphQL. Clients see the fields either way.
const ANSWERED_422 = [
  '423L', 'LKJ0', 'LKJ1', 'LKJ2', 'LKJ3', '6C00', '6C01', '6C02', '6C03', '4760', '4761', '4762', '4763', '58B0', '58B1', '58B2', '58B3', '3E3A',
];

test('graphql-http finds nothing against GraphQL over HTTP', async () => {
  // Who calls is told in headers: without them every answer is 401.
  const fetchFn = (url, init) => fetch(url, { ...init, headers: { ...init?.headers, ...robert.headers } });
  const results = await auditServer({ url: `${gateway.url}/graphql`, fetchFn });
  assert.ok(results.length >= 61, `${results.length} audits`);
  const found = results.filter(({ status }) => status !== 'ok');
  assert.deepEqual(found.map(({ id }) => id).sort(), [...ANSWERED_422].sort(), JSON.stringify(found.map(({ id, name, reason }) => [id, name, reason]), null, 1));
  for (const { id, name, response } of found) {
    assert.match(name, /^MAY use 400 status code/, id);
    assert.equal(response.status, 422, id);
  }
});

// The arguments are bounds of time as well: some examples of each operation, from one seed.
const fuzz = (at, args) => run(path.join(python, 'schemathesis'), ['run', gateway.url + at, '-H', `Authorization: ${robert.headers.authorization}`,
  '-H', `X-Organization-Id: ${robert.organization}`, '--checks', 'all', '--no-color', ...args], { cwd: path.join(here, 'fuzz') });

test('graphql-codegen makes types that TypeScript takes without a cast', async () => {
  await run(tool('graphql-codegen'), ['--config', 'codegen.mjs']);
  await run(tool('openapi-typescript'), [OPENAPI, '--output', 'typed/made/rpc.ts']);
  await run(tool('openapi-ts'), ['--file', 'hey-api.config.mjs', '--no-log-file', '--silent']);
  await run(tool('tsc'), ['--project', 'typed']);
  await run(process.execPath, ['typed/made/js/portal.js']);
});

test('openapi-typescript and hey-api call the service, headers set once', async () => {
  await run(process.execPath, ['typed/made/js/service.js']);
  await run(process.execPath, ['typed/made/js/sdk.js']);
});

test('openapi-python-client makes a client that mypy takes in its strict mode', async () => {
  const said = await run(path.join(python, 'openapi-python-client'), ['generate', '--path', OPENAPI, '--output-path', 'typed/made/python', '--meta', 'none', '--fail-on-warning']);
  assert.doesNotMatch(said, /warning/i);
  await run(path.join(python, 'mypy'), ['service.py', '--cache-dir', '../../../target/mypy'], { cwd: path.join(here, 'typed') });
  await run(path.join(python, 'python'), ['service.py'], { cwd: path.join(here, 'typed') });
});

test('Relay compiles without a warning, and keeps two owners apart', async () => {
  const said = await run(tool('relay-compiler'), ['relay.config.json']);
  assert.doesNotMatch(said, /WARN|ERROR/);
  await run(tool('tsc'), ['--project', 'typed/relay']);
  assert.match(await run(process.execPath, ['typed/made/js-relay/relay/desk.js'], { who: sam }), /rows of 2 owners/);
});

test('GraphQL-ESLint and Spectral find nothing', async () => {
  assert.equal(await run(tool('eslint'), ['--max-warnings', '0', SCHEMA]), '');
  assert.match(await run(tool('spectral'), ['lint', '--fail-severity', 'hint', OPENAPI]), /No results/);
});

test('schemathesis finds nothing over OpenAPI', async () => {
  const said = await fuzz('/openapi.json', ['--exclude-checks', 'positive_data_acceptance', '--max-examples', '15']);
  const [, cases] = /([\d,]+) generated/.exec(said);
  assert.ok(Number(cases) > 5000, said.slice(-2000));
});

test('schemathesis finds nothing over GraphQL', async () => {
  await fuzz('/graphql', ['--exclude-checks', 'not_a_server_error', '--max-examples', '15']);
});
