// The pages that people look at, in a real browser: the example board, which is live and still right after the gateway was killed and
// came back, and GraphiQL behind the links that `make run` prints.

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
    await tab.click('#show-houses');
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

test('a link into GraphiQL runs as its person, and another link in the same tab as the other', async () => {
  const gateway = await start();
  const browser = await launch();
  try {
    const tab = await browser.newPage();
    await tab.setViewport({ width: 1280, height: 800 });
    const link = (name) => new RegExp(`${name} in .*\\n\\s*(\\S+graphiql#\\S+)`).exec(gateway.said)[1];
    for (const [name, role] of [['Robert Chen', 'OWNER'], ['Sam Reyes', 'CONCIERGE_STAFF']]) {
      if (tab.url() === 'about:blank') await tab.goto(link(name));
      else await tab.evaluate((hash) => { location.hash = hash; }, new URL(link(name)).hash);
      const who = () => tab.$eval('#who', (found) => found.textContent).catch(() => '');
      await until(`${name} at the top`, async () => (await who()).startsWith(`${name}, ${role} of `));
      await tab.waitForSelector('.graphiql-execute-button');
      await tab.click('.graphiql-execute-button');
      const answer = () => tab.$eval('.result-window', (found) => found.innerText);
      await until('an answer', async () => (await answer()).includes('"displayName"'));
      assert.ok((await answer()).includes(`"${name}"`), await answer());
      // A tab for each query, and no more than these after the second link.
      assert.equal(await tab.$$eval('.graphiql-tab', (tabs) => tabs.length), 7);
    }
    await tab.screenshot({ path: picture.replace('dashboard', 'graphiql') });
  } finally {
    await browser.close();
    await gateway.stop();
  }
});
