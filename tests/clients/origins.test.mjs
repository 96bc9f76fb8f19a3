// Pages of other origins in a real browser: one that is let in by the configuration, and one that is not.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { launch } from './chromium.mjs';
import { start } from './gateway.mjs';

/** An origin of its own: an empty page on a port of its own. */
async function origin() {
  const server = http.createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

let portal, stranger, gateway, browser, robert;
before(async () => {
  [portal, stranger] = [await origin(), await origin()];
  gateway = await start({ HESTAMI_ORIGINS: portal.url });
  robert = gateway.who('Robert Chen');
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await gateway?.stop();
  portal?.close();
  stranger?.close();
});

/** The answers that a page of this origin gets: over HTTP, and over a WebSocket. */
async function asks({ url }) {
  const page = await browser.newPage();
  await page.goto(url);
  const answers = await page.evaluate(async (gateway, token, organization) => {
    const headers = { authorization: `Bearer ${token}`, 'x-organization-id': organization, 'content-type': 'application/json' };
    const body = JSON.stringify({ query: '{ viewer { displayName } }' });
    const fetched = await fetch(`${gateway}/graphql`, { method: 'POST', headers, body }).then(
      async (response) => ({ data: (await response.json()).data, trace: response.headers.get('x-trace-id') }),
      (problem) => ({ refused: String(problem) }),
    );
    const contract = await fetch(`${gateway}/openapi.json`).then((response) => response.headers.get('etag'), (problem) => ({ refused: String(problem) }));
    const socket = await new Promise((resolve) => {
      const web = new WebSocket(`${gateway.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
      web.onopen = () => web.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}`, organizationId: organization } }));
      web.onmessage = ({ data }) => resolve(JSON.parse(data).type);
      web.onclose = ({ code }) => resolve(`closed ${code}`);
    });
    return { fetched, contract, socket };
  }, gateway.url, robert.token, robert.organization);
  await page.close();
  return answers;
}

test('a page that the configuration names calls as if it were at home', async () => {
  const { fetched, contract, socket } = await asks(portal);
  assert.equal(fetched.data?.viewer.displayName, 'Robert Chen', JSON.stringify(fetched));
  assert.match(fetched.trace, /^[0-9a-f]{32}$/);
  assert.match(contract, /^(W\/)?"/);
  assert.equal(socket, 'connection_ack');
});

test('another page reaches nothing, by no way', async () => {
  const { fetched, socket } = await asks(stranger);
  assert.match(fetched.refused, /Failed to fetch/);
  assert.equal(socket, 'closed 1006');
});
