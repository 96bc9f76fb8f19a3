// The gate of the contract: nothing that a client may rest on goes away or changes its meaning. Additions pass.
//
//   node schema/gate.mjs FOLDER
//
// FOLDER holds the contract as the code makes it. It is compared with the contract of every commit since the gate was closed.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const { buildSchema, findBreakingChanges, findDangerousChanges } = createRequire(path.join(root, 'embedded/package.json'))('graphql');

const FILES = ['schema.graphql', 'openapi.json', 'errors.txt', 'procedures.txt'];

/** The breaks between two contracts, each a sentence. A contract has a text for each of FILES. */
export function breaks(before, after) {
  return [
    ...ofGraphql(before['schema.graphql'], after['schema.graphql']),
    ...ofRpc(JSON.parse(before['openapi.json']), JSON.parse(after['openapi.json'])),
    ...ofLines('the error', before['errors.txt'], after['errors.txt'], 3),
    ...ofLines('the procedure', procedures(before), procedures(after), 4),
  ];
}

function ofGraphql(before, after) {
  const [one, other] = [buildSchema(before), buildSchema(after)];
  // A new value of an enum, a new optional argument and a new type behind an interface are additions.
  const dangerous = findDangerousChanges(one, other).filter(({ type }) => type === 'ARG_DEFAULT_VALUE_CHANGE');
  return [...findBreakingChanges(one, other), ...dangerous].map(({ description }) => `GraphQL: ${description}`);
}

/** The procedures, without the names of their workflows, which no client sees. */
const procedures = (contract) => contract['procedures.txt'].replaceAll(/^(\S+ +)(?!read )\S+/gm, '$1mutation');

/** Lines of words, the first of which is a name. The first so many words of each stay. */
function ofLines(what, before, after, kept) {
  const words = (text) => new Map(text.split('\n').filter(Boolean).map((line) => [line.split(/ +/)[0], line.split(/ +/).slice(1, kept)]));
  const now = words(after);
  return [...words(before)].flatMap(([name, facts]) => {
    if (!now.has(name)) return [`${what} ${name} is gone`];
    const other = now.get(name);
    return facts.flatMap((fact, at) => (fact === other[at] ? [] : [`${what} ${name} was ${fact}, and is ${other[at]}`]));
  });
}

const MEDIA = 'application/json';

function ofRpc(before, after) {
  // Where to call, and with which headers.
  const whole = ['servers', 'securitySchemes'].flatMap((name) => {
    const part = (document) => JSON.stringify(name === 'servers' ? document.servers : bare(document.components.securitySchemes));
    return part(before) === part(after) ? [] : [`RPC: ${name} was ${part(before)}, and is ${part(after)}`];
  });
  return whole.concat(ofPaths(before, after));
}

/** Without descriptions. */
const bare = (value) => JSON.parse(JSON.stringify(value, (name, member) => (name === 'description' ? undefined : member)));

function ofPaths(before, after) {
  return Object.entries(before.paths).flatMap(([at, { post }]) => {
    const now = after.paths[at]?.post;
    const name = at.replace('/api/v1/rpc/', '');
    if (!now) return [`RPC: ${name} is gone`];
    const found = [];
    const tell = (where, what) => found.push(`RPC: ${name}${where}: ${what}`);
    if (now.operationId !== post.operationId) tell('', `its operationId was ${post.operationId}`);
    const schemes = (operation) => JSON.stringify(operation.security.map((each) => Object.keys(each).sort()));
    if (schemes(now) !== schemes(post)) tell('', `its headers were ${schemes(post)}`);
    const body = ({ requestBody }) => requestBody.content[MEDIA].schema;
    compare(body(post), body(now), { before, after, tell: (where, what) => tell(` input${where}`, what), given: true }, '');
    for (const [status, response] of Object.entries(post.responses)) {
      const schema = (document, response) => response && resolved(document, response).content?.[MEDIA]?.schema;
      // Another code of a refusal is an addition, and one that no longer comes harms nobody.
      if (!now.responses[status]) {
        if (status < 300) tell('', `the answer ${status} is gone`);
      } else {
        compare(schema(before, response), schema(after, now.responses[status]), { before, after, tell: (where, what) => tell(` answer ${status}${where}`, what), given: false }, '');
      }
    }
    return found;
  });
}

const resolved = (document, schema) => (schema?.$ref ? schema.$ref.slice(2).split('/').reduce((at, name) => at?.[name], document) : schema);

/** The narrower side of a limit: for something given, tighter is a break; for an answer, looser is. */
const LIMITS = { maxLength: -1, maximum: -1, maxItems: -1, minLength: 1, minimum: 1, minItems: 1 };
/** Words of which another one, or one more, refuses what was taken before. */
const TIGHT = ['format', 'const', 'additionalProperties', 'not', 'if', 'then', 'else', 'dependentRequired', 'dependentSchemas', 'uniqueItems', 'multipleOf', 'exclusiveMinimum', 'exclusiveMaximum', 'propertyNames', 'minProperties', 'maxProperties', 'contains'];

/** The codes of a pattern such as `^(A[DE]|BO[BV])$`, as it is made of a list; none, if it is another pattern. */
function listed(pattern) {
  const [, list] = /\^\(((?:[A-Z]+\[[A-Z]+\]\|?)+)\)\$$/.exec(pattern ?? '') ?? [];
  return list?.split('|').flatMap((each) => [...each.matchAll(/([A-Z]+)\[([A-Z]+)\]/g)].flatMap(([, start, ends]) => [...ends].map((end) => start + end)));
}

/** Whether a pattern takes all that another one took. */
function wider(was, is) {
  if (is === undefined || was === is) return true;
  const [some, others] = [listed(was), listed(is)];
  return Boolean(some && others && was.indexOf('(') === is.indexOf('(') && some.every((code) => others.includes(code)));
}

/** A schema as the list of its alternatives: a reference, or a type that may be null, is one or two. */
const alternatives = (schema) => schema.oneOf ?? schema.anyOf ?? [schema];

/** Tells what of a schema is no longer as it was. `given`: clients send such values; otherwise they read them. */
function compare(one, other, context, where) {
  const { before, after, tell, given } = context;
  if (!one || !other) return one === other ? undefined : tell(where, 'it is gone');
  // A thing holds itself in the end: each pair once.
  context.seen ??= new Set();
  const pair = `${one.$ref ?? JSON.stringify(one)}|${other.$ref ?? JSON.stringify(other)}`;
  if (context.seen.has(pair)) return undefined;
  context.seen.add(pair);

  const [was, is] = [resolved(before, one), resolved(after, other)];
  if (!was || !is) return tell(where, 'it leads nowhere');
  if (alternatives(was).length > 1 || alternatives(is).length > 1) {
    const alike = one.$ref === other.$ref;
    const of = (reference, schema) => (reference.$ref && !alike ? [reference] : alternatives(schema));
    return ofAlternatives(of(one, was), of(other, is), context, where);
  }

  const kinds = (schema) => [schema.type ?? []].flat();
  const lost = kinds(was).filter((kind) => !kinds(is).includes(kind) && !(kind === 'integer' && kinds(is).includes('number')));
  const more = kinds(is).filter((kind) => !kinds(was).includes(kind));
  if (given && lost.length && kinds(is).length) tell(where, `it may no longer be ${lost.join(' or ')}`);
  if (given && !kinds(was).length && kinds(is).length) tell(where, `it must be ${kinds(is).join(' or ')} now`);
  if (!given && more.length && kinds(was).length) tell(where, `it may be ${more.join(' or ')} now`);
  if (!given && kinds(was).length && !kinds(is).length) tell(where, 'it may be anything now');

  if (given) {
    for (const value of was.enum ?? []) if (is.enum && !is.enum.includes(value)) tell(where, `${value} is no longer taken`);
    if (!was.enum && is.enum) tell(where, 'only some values are taken now');
    for (const [limit, tighter] of Object.entries(LIMITS)) {
      if (is[limit] !== undefined && (was[limit] === undefined || (is[limit] - was[limit]) * tighter > 0)) tell(where, `${limit} was ${was[limit] ?? 'not there'}, and is ${is[limit]}`);
    }
    for (const word of TIGHT) {
      if (is[word] !== undefined && JSON.stringify(is[word]) !== JSON.stringify(was[word])) tell(where, `${word} was ${JSON.stringify(was[word]) ?? 'not there'}, and is ${JSON.stringify(is[word])}`);
    }
    if (!wider(was.pattern, is.pattern)) tell(where, `pattern was ${was.pattern ?? 'not there'}, and is ${is.pattern}`);
  } else {
    for (const word of ['format', 'const']) if (was[word] !== is[word]) tell(where, `${word} was ${was[word] ?? 'not there'}, and is ${is[word] ?? 'not there'}`);
  }

  for (const [name, member] of Object.entries(was.properties ?? {})) {
    const now = is.properties?.[name];
    if (!now) tell(`${where}.${name}`, 'it is gone');
    else compare(member, now, context, `${where}.${name}`);
  }
  const needs = (schema) => schema.required ?? [];
  if (given) for (const name of needs(is)) if (!needs(was).includes(name)) tell(`${where}.${name}`, 'it is required now');
  if (!given) for (const name of needs(was)) if (!needs(is).includes(name) && is.properties?.[name]) tell(`${where}.${name}`, 'it may be missing now');
  if (was.items) compare(was.items, is.items, context, `${where}[]`);
  return undefined;
}

/** What an alternative is known by. */
const known = (schema) => schema.$ref ?? schema.title ?? JSON.stringify(schema.type ?? '');
const shown = (schema) => known(schema).replace(/.*\//, '').replaceAll('"', '');

/** Alternatives that were taken stay; alternatives that are read may become fewer, and a new kind of thing among several is an addition. */
function ofAlternatives(some, others, context, where) {
  const { tell, given } = context;
  const nothing = (schema) => schema.type === 'null';
  for (const variant of some) {
    const now = others.find((candidate) => known(candidate) === known(variant));
    if (now) compare(variant, now, context, some.length > 1 && !nothing(variant) ? `${where}(${shown(variant)})` : where);
    else if (!now && given) tell(where, `it is no longer ${shown(variant)}`);
    else if (!now && !nothing(variant)) tell(where, `it is no longer ${shown(variant)}`);
  }
  if (!given && others.some(nothing) && !some.some(nothing)) tell(where, 'it may be null now');
  if (given && some.length === 1 && !others.some((candidate) => known(candidate) === known(some[0])) && others.length > 1) tell(where, 'it is one of several now');
}

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'ignore'] });

/** The commits whose contract is kept: the one that closed the gate, and all that changed the contract since. */
function commits() {
  const closed = git('log', '--diff-filter=A', '--format=%H', '--', 'schema/golden/closed.md').trim().split('\n').at(-1);
  if (!closed) return [];
  const since = git('log', '--format=%H', `${closed}..HEAD`, '--', ...FILES.map((file) => `schema/golden/${file}`)).trim();
  return [closed, ...since.split('\n').filter(Boolean)];
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const after = Object.fromEntries(FILES.map((file) => [file, readFileSync(path.join(process.argv[2], file), 'utf8')]));
  let kept = [];
  try {
    if (git('rev-parse', '--is-shallow-repository').trim() === 'true') throw new Error('the clone is shallow');
    kept = commits();
  } catch (problem) {
    console.error(`The contract is held against schema/golden only, not against its history: ${problem.message.split('\n')[0]}`);
  }
  const contracts = kept.map((commit) => [commit, Object.fromEntries(FILES.map((file) => [file, git('show', `${commit}:schema/golden/${file}`)]))]);
  const committed = Object.fromEntries(FILES.map((file) => [file, readFileSync(path.join(root, 'schema/golden', file), 'utf8')]));
  const found = new Map();
  for (const [commit, before] of [...contracts, ['schema/golden', committed]]) {
    for (const each of breaks(before, after)) found.set(each, found.get(each) ?? commit);
  }
  for (const [each, commit] of found) console.error(`${each}  (kept since ${commit.slice(0, 13)})`);
  if (found.size) {
    console.error(`\n${found.size} break${found.size === 1 ? '' : 's'} of the contract. Leave what is there as it was, and add beside it: a new field, a new version of the procedure.`);
    process.exit(1);
  }
}
