// The gate of the contract names each break, and lets additions pass.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { breaks } from './gate.mjs';

const { parse, print } = createRequire(new URL('../embedded/package.json', import.meta.url))('graphql');
const FILES = ['schema.graphql', 'openapi.json', 'errors.txt', 'procedures.txt'];
const kept = Object.fromEntries(FILES.map((file) => [file, readFileSync(new URL(`golden/${file}`, import.meta.url), 'utf8')]));

/** The breaks of a contract in which one file reads otherwise. */
function found(file, edit) {
  const edited = file === 'openapi.json' ? edited_json(edit) : edit(kept[file]);
  assert.notEqual(edited, kept[file], 'the edit changes something');
  return breaks(kept, { ...kept, [file]: edited });
}

function edited_json(edit) {
  const document = JSON.parse(kept['openapi.json']);
  edit({
    document,
    types: document.components.schemas,
    input: (name) => document.paths[`/api/v1/rpc/${name}`].post.requestBody.content['application/json'].schema,
    post: (name) => document.paths[`/api/v1/rpc/${name}`].post,
  });
  return JSON.stringify(document);
}

const replaced = (from, to) => (text) => {
  assert.ok(text.includes(from), from);
  return text.replace(from, to);
};

/** The schema without a field of a type, or a value of an enum. */
const without = (type, member) => (text) => {
  const document = parse(text);
  const kept = (definitions, name) => definitions.filter((definition) => definition.name?.value !== name);
  const definitions = document.definitions.map((definition) =>
    definition.name?.value === type ? { ...definition, fields: definition.fields && kept(definition.fields, member), values: definition.values && kept(definition.values, member) } : definition);
  return print({ ...document, definitions });
};

const BREAKS = [
  ['schema.graphql', without('Mutation', 'propertyArchive'), /Mutation\.propertyArchive was removed/],
  ['schema.graphql', without('Property', 'kind'), /Property\.kind was removed/],
  ['schema.graphql', (text) => text.replace(/(input PropertyCreateInput \{[^}]*?)notes: String\n/, '$1notes: String!\n'), /notes changed type from String to String!/],
  ['schema.graphql', without('PropertyKind', 'TOWNHOUSE'), /TOWNHOUSE was removed/],
  ['openapi.json', ({ document }) => delete document.paths['/api/v1/rpc/property/v1/archive'], /RPC: property\/v1\/archive is gone/],
  ['openapi.json', ({ post }) => { post('property/v1/get').operationId = 'getProperty'; }, /its operationId was propertyGet/],
  ['openapi.json', ({ post }) => post('property/v1/get').security.pop(), /property\/v1\/get: its headers were/],
  ['openapi.json', ({ input }) => input('property/v1/create').required.push('parcel'), /property\/v1\/create input\.parcel: it is required now/],
  ['openapi.json', ({ input }) => { input('property/v1/create').properties.notes.maxLength = 5; }, /input\.notes: maxLength was 10000, and is 5/],
  ['openapi.json', ({ input }) => { input('property/v1/create').properties.notes.type = 'string'; }, /input\.notes: it may no longer be null/],
  ['openapi.json', ({ input }) => delete input('property/v1/create').properties.notes, /input\.notes: it is gone/],
  ['openapi.json', ({ types }) => types.PropertyKind.enum.shift(), /input\.kind: SINGLE_FAMILY is no longer taken/],
  ['openapi.json', ({ input }) => input('membership/v1/invite').oneOf.shift(), /membership\/v1\/invite input: it is no longer ByEmail/],
  ['openapi.json', ({ types }) => delete types.Property.properties.notes, /property\/v1\/get answer 200\.result\.notes: it is gone/],
  ['openapi.json', ({ types }) => types.Property.required.shift(), /answer 200\.result\.id: it may be missing now/],
  ['openapi.json', ({ types }) => { types.Property.properties.kind = { type: ['string', 'null'] }; }, /answer 200\.result\.kind: it may be null now/],
  ['openapi.json', ({ types }) => { types.Property.properties.createdAt.format = 'date'; }, /createdAt: format was date-time, and is date/],
  ['openapi.json', ({ post }) => delete post('property/v1/create').responses['202'], /the answer 202 is gone/],
  ['openapi.json', ({ document }) => { document.components.securitySchemes.organization.name = 'X-Org'; }, /RPC: securitySchemes was/],
  ['openapi.json', ({ document }) => { document.servers = [{ url: '/api' }]; }, /RPC: servers was/],
  ['openapi.json', ({ types }) => { types.Property.properties.kind = { type: 'string' }; types.Property.properties.status = { type: 'integer' }; }, /result\.status: it may be integer now/],
  ['openapi.json', ({ types }) => { types.Operation.properties.error = { anyOf: [{ type: 'integer' }, { type: 'boolean' }, { type: 'null' }] }; }, /error: it is no longer OperationError/],
  ['openapi.json', ({ types }) => { types.Property.properties.status = { anyOf: [{ $ref: '#/components/schemas/PropertyStatus' }, { type: 'null' }] }; }, /result\.status: it may be null now/],
  ['openapi.json', ({ input }) => { input('property/v1/create').dependentRequired = { notes: ['parcel'] }; }, /dependentRequired was not there/],
  ['openapi.json', ({ types }) => { types.Address.properties.country.pattern = '^(A[DE])$'; types.AddressInput && (types.AddressInput.properties.country.pattern = '^(A[DE])$'); }, /address\.country: pattern was/],
  ['openapi.json', ({ input }) => { input('property/v1/create').properties.parcel.pattern = '^x$'; }, /input\.parcel: pattern was/],
  ['procedures.txt', (text) => text.replace(/^(property\/v1\/get +)read {3}/m, '$1write  '), /property\/v1\/get was read, and is mutation/],
  ['errors.txt', (text) => text.replace(/^GRANT_INVALID .*\n/m, ''), /the error GRANT_INVALID is gone/],
  ['errors.txt', (text) => text.replace(/^(GRANT_INVALID +VALIDATION +)400/m, '$1422'), /the error GRANT_INVALID was 400, and is 422/],
  ['procedures.txt', (text) => text.replace(/^property\/v1\/create .*\n/m, ''), /the procedure property\/v1\/create is gone/],
];

for (const [file, edit, expected] of BREAKS) {
  test(`${file}: a break is told as ${expected.source}`, () => {
    const told = found(file, edit);
    assert.ok(told.some((each) => expected.test(each)), told.join('\n') || 'nothing was told');
  });
}

const ADDITIONS = [
  ['schema.graphql', replaced('\tTOWNHOUSE\n', '\tTOWNHOUSE\n\tHOUSEBOAT\n'), 'a value'],
  ['schema.graphql', (text) => text.replace(/(type Property implements Node \{\n)/, '$1\tcolour: String\n'), 'a field'],
  ['schema.graphql', (text) => text.replace(/(input PropertyCreateInput \{\n)/, '$1\tcolour: String\n'), 'an optional field of an input'],
  ['openapi.json', ({ document, post }) => { document.paths['/api/v1/rpc/property/v2/get'] = { post: post('property/v1/get') }; }, 'a version'],
  ['openapi.json', ({ input }) => { input('property/v1/create').properties.colour = { type: 'string' }; }, 'an optional field of an input'],
  ['openapi.json', ({ input }) => { input('property/v1/create').properties.notes.maxLength = 20_000; }, 'a wider limit'],
  ['openapi.json', ({ types }) => { types.Property.properties.colour = { type: 'string' }; types.Property.required.push('colour'); }, 'a field of an answer'],
  ['openapi.json', ({ types }) => types.PropertyKind.enum.push('HOUSEBOAT'), 'a value'],
  ['openapi.json', ({ types }) => { types.Property.description = 'A house.'; }, 'other words'],
  ['openapi.json', ({ input }) => { const body = input('property/v1/create'); body.properties.kind = { anyOf: [body.properties.kind, { type: 'null' }] }; body.required = body.required.filter((name) => name !== 'kind'); }, 'a field that need not be given any'],
  ['openapi.json', ({ types }) => { types.Operation.properties.error = types.Operation.properties.error.anyOf[0]; }, 'an answer that is never null any'],
  ['openapi.json', ({ document }) => { const country = (document.components.schemas.AddressInput ?? document.components.schemas.Address).properties.country; country.pattern = country.pattern.replace('^(A[', '^(A[Z').replace('A[ZD', 'A[D').replace('|B[', '|AQ[X]|B['); }, 'a country'],
  ['procedures.txt', (text) => text.replace(/property_change_v1/g, 'house_change_v1'), 'a workflow of another name, and no'],
  ['errors.txt', (text) => `${text}PROPERTY_SUNK VALIDATION 422 It sank.\n`, 'an error'],
  ['procedures.txt', (text) => `${text}property/v2/get read organization everywhere\n`, 'a procedure'],
];

for (const [file, edit, name] of ADDITIONS) {
  test(`${file}: ${name} more is an addition`, () => assert.deepEqual(found(file, edit), []));
}
