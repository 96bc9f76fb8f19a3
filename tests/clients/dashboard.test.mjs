// The example page in a real browser. The board is live, and still right after the gateway was killed and came back.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launch } from './chromium.mjs';
import { start, until } from './gateway.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const page = pathToFileURL(path.resolve(here, '../../examples/dashboard/index.html')).href;
const picture = path.resolve(here, '../../target/dashboard.png');

test('the dashboard shows what happens, also while the gateway was away', async () => {
  const gateway = await start();
  const browser = await launch();
  try {
    const robert = gateway.who('Robert Chen');
    const sam = gateway.who('Sam Reyes');
    const socket = gateway.url.replace('http', 'ws') + '/graphql';
    const tab = await browser.newPage();
    await tab.setViewport({ width: 1200, height: 800 });
    const wrong = [];
    tab.on('pageerror', (problem) => wrong.push(problem.message));
    await tab.goto(`${page}#organization=${sam.organization}&token=${sam.token}&url=${encodeURIComponent(socket)}`);
    const text = (id) => tab.$eval(`#${id}`, (found) => found.textContent);
    await until('a live board', async () => (await text('state')) === 'live');
    const houses = Number(await text('count'));
    assert.ok(houses >= 20, `${houses} houses of two owners`);

    const note = async (notes) => {
      const data = await gateway.query(robert, '{ properties(first: 1) { edges { node { id version } } } }');
      const { id, version } = data.properties.edges[0].node;
      const change = `mutation ($key: UUID!, $input: PropertyUpdateInput!) {
        propertyUpdate(idempotencyKey: $key, input: $input) { replayed }
      }`;
      await gateway.query(robert, change, { key: randomUUID(), input: { id, version, notes } });
      return id;
    };
    const row = (id, notes) => document.querySelector(`tr[data-id="${id}"]`)?.textContent.includes(notes);
    const shows = (id, notes) => until(`${notes} on the board`, () => tab.evaluate(row, id, notes));
    // Text that looks like markup stays text.
    const id = await note('<b>roof</b> leaks');
    await shows(id, '<b>roof</b> leaks');
    assert.match(await text('log'), /property\.updated – Robert Chen, Chen Holdings LLC/);
    await until('operations', async () => (await text('operations')).length > 0);

    await gateway.restart('SIGKILL');
    await note('mended while away');
    await shows(id, 'mended while away');
    await until('a live board again', async () => (await text('state')) === 'live');
    await note('and live again');
    await shows(id, 'and live again');
    assert.equal(Number(await text('count')), houses);
    await tab.screenshot({ path: picture });
    assert.deepEqual(wrong, []);
  } finally {
    await browser.close();
    await gateway.stop();
  }
});
