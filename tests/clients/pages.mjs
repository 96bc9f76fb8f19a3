// The example pages in tabs of a browser, as somebody of the demo: what they show, what they got over the wire and what they complained of.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { until } from './gateway.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** A tab with this example, live, as this person of the demo. */
export async function open(browser, gateway, example, who, { width = 1200, height = 900 } = {}) {
  // Each in a context of its own, and so in front: a page behind others is drawn late or never.
  const context = await browser.createBrowserContext();
  const tab = await context.newPage();
  await tab.setViewport({ width, height });
  const page = new Page(tab);
  await page.listen();
  const socket = `${gateway.url.replace('http', 'ws')}/graphql`;
  const file = pathToFileURL(path.join(root, 'examples', example, 'index.html')).href;
  await tab.goto(`${file}#organization=${who.organization}&token=${who.token}&url=${encodeURIComponent(socket)}`);
  await page.live();
  return page;
}

/** The desk as it acts for this owner, through their grant. */
export async function actingFor(gateway, desk, owner) {
  const data = await gateway.query(desk, '{ engagedOrganizations { nodes { id organizationId } } }');
  const { id } = data.engagedOrganizations.nodes.find(({ organizationId }) => organizationId === owner.organization);
  return { ...desk, headers: { ...desk.headers, 'x-grant-id': id } };
}

/** Calls a mutation as somebody of the demo. */
export async function act(gateway, who, mutation, input) {
  const type = `${mutation[0].toUpperCase()}${mutation.slice(1)}Input!`;
  const query = `mutation ($key: UUID!, $input: ${type}) { done: ${mutation}(idempotencyKey: $key, input: $input) { result { id } } }`;
  return (await gateway.query(who, query, { key: randomUUID(), input })).done.result;
}

class Page {
  constructor(tab) {
    this.tab = tab;
    this.wrong = [];
    this.received = [];
  }

  async listen() {
    this.tab.on('pageerror', (problem) => this.wrong.push(problem.message));
    this.tab.on('console', (message) => {
      if (['error', 'warn'].includes(message.type())) this.wrong.push(message.text());
    });
    this.tab.on('response', (response) => {
      if (response.request().method() === 'POST') this.received.push(response.text().catch(() => ''));
    });
    const wire = await this.tab.createCDPSession();
    await wire.send('Network.enable');
    wire.on('Network.webSocketFrameReceived', ({ response }) => this.received.push(response.payloadData));
  }

  /** All that came over the wire so far. */
  async wire() {
    return (await Promise.all(this.received)).join('\n');
  }

  live() {
    return until('a live page', async () => (await this.text('#state')) === 'live');
  }

  /** What stands there for people to read; nothing of what is hidden. */
  text(selector) {
    return this.tab.$$eval(selector, (found) => found.filter((one) => one.checkVisibility()).map((one) => one.innerText).join('\n')).catch(() => '');
  }

  shows(selector, what) {
    const found = (text) => (what instanceof RegExp ? what.test(text) : text.includes(what));
    return until(`${what} in ${selector}`, async () => found(await this.text(selector))).catch(async (problem) => {
      throw new Error(`${problem.message}, which shows: ${await this.text(selector)} ${await this.text('#state, #trouble')} ${this.wrong}`);
    });
  }

  lacks(selector, what) {
    return until(`no ${what} in ${selector}`, async () => !(await this.text(selector)).includes(what));
  }

  click(selector) {
    return this.use(selector, (found) => found.click());
  }

  async use(selector, how) {
    const found = this.tab.locator(selector).setTimeout(15_000);
    await how(found).catch(async (problem) => {
      await this.picture('lost');
      throw new Error(`${selector}: ${problem.message} ${this.wrong}`, { cause: problem });
    });
  }

  /** Fills in the form of an action, and sends it. */
  async act(action, values = {}) {
    await this.unfold(action);
    for (const [name, value] of Object.entries(values)) await this.fill(`[data-action="${action}"] [name="${name}"]`, value);
    await this.click(`[data-action="${action}"] > button`);
  }

  async fill(selector, value) {
    // What types has nothing to type for an empty field, and tells nobody that it is empty now.
    if (value === '' && await this.tab.$eval(selector, (found) => found.localName !== 'select')) {
      await this.tab.focus(selector);
      await this.tab.$eval(selector, (found) => found.select());
      return this.tab.keyboard.press('Backspace');
    }
    return this.use(selector, (found) => found.fill(value));
  }

  async unfold(action) {
    const form = `[data-action="${action}"]`;
    await this.use(`details:not([hidden]) > ${form}, :not(details) > ${form}:not([hidden])`, (found) => found.setVisibility(null).wait());
    const folded = await this.tab.$eval(form, (found) => found.parentElement.localName === 'details' && !found.parentElement.open);
    if (folded) await this.click(`details:has(> ${form}) > summary`);
  }

  /** The actions for which there is a form now. */
  actions() {
    return this.tab.$$eval('[data-action]', (forms) => forms.filter((form) => !form.hidden && !form.closest('[hidden]')).map((form) => form.dataset.action).sort());
  }

  value(selector) {
    return this.tab.$eval(selector, (found) => found.value);
  }

  /** Nothing reaches beyond the right edge of a phone. */
  async fits(what) {
    const { inner, wide, who } = await this.tab.evaluate(() => ({
      inner: document.documentElement.clientWidth,
      wide: document.documentElement.scrollWidth,
      who: [...document.body.querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 80)),
    }));
    assert.ok(wide <= inner && who.length === 0, `${what} is ${wide} wide on ${inner}: ${who}`);
  }

  /** Every field and every button has a name that is read out. */
  async named() {
    const nameless = await this.tab.$$eval('input, select, textarea, button, summary', (all) => all
      .filter((one) => one.getClientRects().length && !one.labels?.length && !one.textContent.trim() && !one.getAttribute('aria-label'))
      .map((one) => one.outerHTML.slice(0, 80)));
    assert.deepEqual(nameless, []);
  }

  picture(name) {
    return this.tab.screenshot({ path: path.join(root, 'target', `${name}.png`), fullPage: true });
  }
}
