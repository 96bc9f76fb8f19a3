// One cache over two owners, in the libraries that keep one. What it shows of each owner is what the server says of that owner.
// Relay's is in `typed/relay`.

import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { Client as UrqlClient, fetchExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { getIntrospectionQuery } from 'graphql';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { start, until } from './gateway.mjs';

const OF = `query Of($id: ID!, $after: String) {
  organization(id: $id) {
    id name portfolios(first: 20) { totalCount }
    properties(first: 5, after: $after, orderBy: ADDRESS_ASC) {
      totalCount pageInfo { hasNextPage endCursor }
      edges { node { id version notes address { line1 } organization { id name } history(first: 2) { nodes { id kind actor { id displayName } } } } }
    }
  }
}`;
const DESK = '{ viewer { id displayName memberships { nodes { id role } } } engagedOrganizations { nodes { id scopes organization { id name } } } }';
const NOTE = `mutation Note($key: UUID!, $input: PropertyUpdateInput!) {
  propertyUpdate(idempotencyKey: $key, input: $input) { result { id version notes } errors { code } warnings { code message } }
}`;
const NODE = 'query Row($id: ID!) { node(id: $id) { __typename id ... on Property { organization { id } } } }';

let gateway, sam, owners;
before(async () => {
  gateway = await start();
  sam = gateway.who('Sam Reyes');
  const { engagedOrganizations } = await gateway.query(sam, DESK);
  owners = engagedOrganizations.nodes.map(({ id, scopes, organization }) => ({ grant: id, acts: scopes.includes('ACT'), ...organization }));
  assert.ok(owners.length >= 2, 'the demo has two owners who engaged the desk');
});
after(() => gateway?.stop());

/**
 * The story of every cache. `read(query, variables, fresh)` answers the data, from the network if `fresh`, else from the cache alone;
 * `mutate(variables, grant)` changes a house through a grant.
 */
async function story({ read, mutate }) {
  await read(DESK, {}, true);
  for (const { id } of owners) await read(OF, { id }, true);
  const totals = [];
  for (const { id, name } of owners) {
    const kept = await read(OF, { id }, false);
    const said = await gateway.query(sam, OF, { id });
    assert.equal(kept.organization.name, name);
    const plain = ({ organization: { portfolios, properties } }) => [portfolios.totalCount, properties.totalCount, properties.edges.map(({ node }) => [node.id, node.notes, node.address.line1])];
    assert.deepEqual(plain(kept), plain(said), name);
    assert.ok(kept.organization.properties.edges.every(({ node }) => node.organization.id === id), name);
    totals.push(kept.organization.properties.totalCount);
    // Each row is found again by its id alone, as a cache that refetches one does.
    const [{ node: row }] = kept.organization.properties.edges;
    const { node } = await read(NODE, { id: row.id }, true);
    assert.deepEqual([node.id, node.organization.id], [row.id, id]);
  }
  assert.notDeepEqual(totals, totals.map(() => totals[0]), 'the owners differ, so that a mix would show');

  // A change through the grant of one owner reaches that owner's list in the cache.
  const { id, grant } = owners.find(({ acts }) => acts);
  const kept = await read(OF, { id }, false);
  const [{ node: house }] = kept.organization.properties.edges;
  const notes = `noted ${randomUUID()}`;
  await mutate({ key: randomUUID(), input: { id: house.id, version: house.version, notes } }, grant);
  await until('the note in the list', async () => (await read(OF, { id }, false)).organization.properties.edges[0].node.notes === notes);
}

test('Apollo Client keeps two owners apart', async () => {
  const link = new HttpLink({ uri: `${gateway.url}/graphql`, headers: sam.headers });
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  await story({
    read: async (query, variables, fresh) => (await client.query({ query: gql(query), variables, fetchPolicy: fresh ? 'network-only' : 'cache-only' })).data,
    async mutate(variables, grant) {
      const { data } = await client.mutate({ mutation: gql(NOTE), variables, context: { headers: { 'x-grant-id': grant } } });
      assert.deepEqual(data.propertyUpdate.errors, []);
    },
  });
  client.stop();
});

test('urql with graphcache keeps two owners apart, and knows every type by its key', async () => {
  const warnings = [];
  const logger = (severity, message) => { if (severity !== 'debug') warnings.push(message); };
  const schema = await gateway.query(sam, getIntrospectionQuery());
  const cache = cacheExchange({
    schema,
    logger,
    resolvers: { Organization: { properties: relayPagination() } },
    // Values have no key of their own.
    keys: Object.fromEntries(['Address', 'PageInfo', 'UserError', 'ErrorDetails', 'Warning'].map((name) => [name, () => null])),
  });
  const client = new UrqlClient({ url: `${gateway.url}/graphql`, exchanges: [cache, fetchExchange], fetchOptions: { headers: sam.headers }, preferGetMethod: false });
  await story({
    async read(query, variables, fresh) {
      const { data, error } = await client.query(query, variables, { requestPolicy: fresh ? 'network-only' : 'cache-only' }).toPromise();
      assert.equal(error, undefined);
      return data;
    },
    async mutate(variables, grant) {
      const fetchOptions = { headers: { ...sam.headers, 'x-grant-id': grant } };
      const { data, error } = await client.mutation(NOTE, variables, { fetchOptions }).toPromise();
      assert.equal(error, undefined);
      assert.deepEqual(data.propertyUpdate.errors, []);
    },
  });
  // The next page joins the first in the cache.
  const { id } = owners.find(({ acts }) => acts);
  const first = (await client.query(OF, { id }, { requestPolicy: 'network-only' }).toPromise()).data.organization.properties;
  const both = (await client.query(OF, { id, after: first.pageInfo.endCursor }).toPromise()).data.organization.properties;
  assert.equal(both.edges.length, 10);
  assert.deepEqual(warnings, []);
});
