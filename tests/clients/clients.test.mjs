// The client libraries that people use. Each one subscribes, mutates with a key, sees the change arrive, loses the connection,
// and goes on with the cursor. No change is missing, and none comes twice.

import { ApolloClient, HttpLink, InMemoryCache, gql as apolloGql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client as UrqlClient, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { start, until, way } from './gateway.mjs';
import { PAGE, page } from './screens.mjs';

const CHANGED = `subscription Changed($after: String) {
  propertyChanged(after: $after) { cursor change property { id notes } event { seq kind } }
}`;
const UPDATE = `mutation Note($key: UUID!, $input: PropertyUpdateInput!) {
  propertyUpdate(idempotencyKey: $key, input: $input) { replayed result { id version notes } }
}`;

// Browsers have this class, and Node since version 22.
globalThis.WebSocket ??= WebSocket;

let gateway, robert;
before(async () => {
  gateway = await start();
  robert = gateway.who('Robert Chen');
});
after(() => gateway?.stop());

/** A house of Robert's, as it is now. */
async function house() {
  const data = await gateway.query(robert, '{ properties(first: 1) { edges { node { id version } } } }');
  return data.properties.edges[0].node;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * The story of every client. `follow(after, next, ended)` subscribes and returns a way to stop; `mutate(variables)` resolves to
 * the mutation's field. `byItself` marks a client that goes on without help.
 */
async function story(road, { follow, mutate, byItself }) {
  const heard = [];
  let cursor = null;
  let stop = null;
  let over = false;
  const next = (change) => {
    heard.push(change);
    cursor = change.cursor;
  };
  const again = () => {
    if (over || byItself) return;
    setTimeout(() => {
      if (!over) stop = follow(cursor, next, again);
    }, 100);
  };
  stop = follow(cursor, next, again);
  await pause(600);
  const note = async (how, notes) => {
    const { id, version } = await house();
    return how({ key: randomUUID(), input: { id, version, notes } });
  };
  const directly = async (variables) => (await gateway.query(robert, UPDATE, variables)).propertyUpdate;

  const first = `first ${randomUUID()}`;
  const answered = await note(mutate, first);
  assert.equal(answered.result.notes, first);
  assert.equal(answered.replayed, false);
  await until('the first change', () => heard.at(-1)?.property.notes === first);

  road.cut();
  await note(directly, `while away ${randomUUID()}`);
  const last = `while away too ${randomUUID()}`;
  await note(directly, last);
  await pause(200);
  road.mend();
  await until('what happened meanwhile', () => heard.at(-1)?.property.notes === last);
  await note(directly, `back ${randomUUID()}`);
  await until('what happens now', () => heard.length >= 4);
  over = true;
  stop();
  const seqs = heard.map((change) => change.event.seq);
  assert.deepEqual(seqs, [0, 1, 2, 3].map((n) => seqs[0] + n), 'each once, in order');
  road.close();
}

const params = () => ({ authorization: robert.headers.authorization, organizationId: robert.organization });

test('graphql-ws goes on by itself, with the cursor in its variables', async () => {
  const road = await way(gateway.url);
  const client = createWs({
    url: road.ws,
    webSocketImpl: WebSocket,
    connectionParams: params,
    retryAttempts: 100,
    retryWait: () => pause(100),
    shouldRetry: () => true,
  });
  await story(road, {
    byItself: true,
    follow(cursor, next, ended) {
      // The library sends this object again after a break, so that a new cursor in it is enough.
      const payload = { query: CHANGED, variables: { after: cursor } };
      return client.subscribe(payload, {
        next({ data, errors }) {
          assert.equal(errors, undefined);
          next(data.propertyChanged);
          payload.variables.after = data.propertyChanged.cursor;
        },
        error: ended,
        complete: ended,
      });
    },
    mutate: (variables) =>
      new Promise((resolve, reject) => {
        const sink = { next: ({ data }) => resolve(data.propertyUpdate), error: reject, complete() {} };
        client.subscribe({ query: UPDATE, variables }, sink);
      }),
  });
  await client.dispose();
});

test('graphql-sse over distinct connections', async () => {
  const road = await way(gateway.url);
  const client = createSse({ url: road.url, headers: robert.headers, retryAttempts: 0 });
  const subscribe = (payload, next, ended) =>
    client.subscribe(payload, {
      next: ({ data, errors }) => (errors ? ended(errors) : next(data)),
      error: ended,
      complete: ended,
    });
  await story(road, {
    follow: (cursor, next, ended) =>
      subscribe({ query: CHANGED, variables: { after: cursor } }, (data) => next(data.propertyChanged), ended),
    mutate: (variables) =>
      new Promise((resolve, reject) => subscribe({ query: UPDATE, variables }, (data) => resolve(data.propertyUpdate), reject)),
  });
  client.dispose();
});

function apollo(link) {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  return {
    follow(cursor, next, ended) {
      let called = false;
      const end = () => {
        if (!called) ended();
        called = true;
      };
      const observable = client.subscribe({ query: apolloGql(CHANGED), variables: { after: cursor } });
      const subscription = observable.subscribe({
        next: ({ data, error }) => (error ? end() : next(data.propertyChanged)),
        error: end,
        complete: end,
      });
      return () => subscription.unsubscribe();
    },
    mutate: async (variables) => (await client.mutate({ mutation: apolloGql(UPDATE), variables })).data.propertyUpdate,
  };
}

test('Apollo Client over a WebSocket', async () => {
  const road = await way(gateway.url);
  const socket = createWs({ url: road.ws, webSocketImpl: WebSocket, connectionParams: params, retryAttempts: 0 });
  await story(road, apollo(new GraphQLWsLink(socket)));
  await socket.dispose();
});

test('Apollo Client over multipart HTTP', async () => {
  const road = await way(gateway.url);
  await story(road, apollo(new HttpLink({ uri: road.url, headers: robert.headers })));
});

function urql(client) {
  return {
    follow(cursor, next, ended) {
      let called = false;
      const { unsubscribe } = client.subscription(CHANGED, { after: cursor }).subscribe(({ data, error, hasNext }) => {
        if (data?.propertyChanged && !error) next(data.propertyChanged);
        if ((error || !hasNext) && !called) {
          called = true;
          ended();
        }
      });
      return unsubscribe;
    },
    async mutate(variables) {
      const { data, error } = await client.mutation(UPDATE, variables).toPromise();
      assert.equal(error, undefined);
      return data.propertyUpdate;
    },
  };
}

test('urql over a WebSocket', async () => {
  const road = await way(gateway.url);
  const socket = createWs({ url: road.ws, webSocketImpl: WebSocket, connectionParams: params, retryAttempts: 0 });
  const forwards = subscriptionExchange({
    forwardSubscription: (request) => ({
      subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink) }),
    }),
  });
  const fetchOptions = { headers: robert.headers };
  const exchanges = [forwards, fetchExchange];
  await story(road, urql(new UrqlClient({ url: road.url, exchanges, fetchOptions, preferGetMethod: false })));
  await socket.dispose();
});

test('urql over HTTP', async () => {
  const road = await way(gateway.url);
  const fetchOptions = { headers: robert.headers };
  const exchanges = [fetchExchange];
  const client = new UrqlClient({ url: road.url, exchanges, fetchOptions, fetchSubscriptions: true, preferGetMethod: false });
  await story(road, urql(client));
});

test('twenty screens of an owner portal', async () => {
  const env = { ...process.env, URL: gateway.url, TOKEN: robert.token, ORGANIZATION: robert.organization };
  const child = spawn(process.execPath, [new URL('portal.mjs', import.meta.url).pathname], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { said += text; });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  assert.equal(code, 0, said);
  assert.match(said, /20 screens/);
});

test('the page of the screens is made from their script', () => {
  assert.equal(readFileSync(PAGE, 'utf8'), page(), 'node tests/clients/screens.mjs --write');
});

test('a page of 26 houses is small enough for a phone', async () => {
  const query = '{ properties(first: 26, orderBy: ADDRESS_ASC) { totalCount edges { cursor node { id kind status version address { line1 locality region } } } pageInfo { hasNextPage endCursor } } }';
  const body = JSON.stringify({ query });
  const headers = { ...robert.headers, 'content-type': 'application/json', 'accept-encoding': 'gzip' };
  const size = await new Promise((resolve, reject) => {
    const request = http.request(`${gateway.url}/graphql`, { method: 'POST', headers }, (response) => {
      assert.equal(response.headers['content-encoding'], 'gzip');
      let bytes = 0;
      response.on('data', (part) => { bytes += part.length; });
      response.on('end', () => resolve(bytes));
    });
    request.on('error', reject);
    request.end(body);
  });
  assert.ok(size < 2500, `${size} bytes`);
});
