// The owner's page in a real browser: wishes, cases, questions and notes, live and on a phone, with a desk that works behind it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from './chromium.mjs';
import { start, until } from './gateway.mjs';
import { act, actingFor, open } from './pages.mjs';

test('an owner says what is wanted, and follows it until it is done', async () => {
  const gateway = await start();
  const browser = await launch();
  try {
    const [robert, sam] = ['Robert Chen', 'Sam Reyes'].map((name) => gateway.who(name));
    const desk = await actingFor(gateway, sam, robert);
    const page = await open(browser, gateway, 'portal', robert, { width: 375, height: 800 });
    await page.shows('#whose', 'Robert Chen, Chen Holdings LLC');
    const { properties } = await gateway.query(robert, '{ properties { totalCount } }');
    await page.shows('#count', String(properties.totalCount));
    await page.fits('the page');
    await page.named();

    // Mistakes stand beside their fields, and nothing is lost.
    const wish = (name) => `#wish [name=${name}]`;
    await page.fill(wish('budget'), '1,200');
    await page.click('#wish form > button');
    await page.shows('#wish label:has([name=budget]) .problem', 'must be an amount such as 1200.50');
    await page.fill(wish('budget'), '1200.5');
    await page.fill(wish('currency'), 'XX');
    await page.click('#wish form > button');
    for (const [field, mistake] of [['text', 'must not be blank'], ['currency', /\w/]]) await page.shows(`#wish label:has([name=${field}]) .problem`, mistake);
    assert.equal(await page.tab.evaluate(() => document.activeElement.getAttribute('aria-invalid')), 'true');
    await page.fill(wish('currency'), 'USD');
    const said = `Please have the fence mended. <script>alert(1)</script> ${'Averylongword'.repeat(8)}`;
    await page.fill(wish('text'), said);
    await page.fill(wish('wanted'), 'A fence without holes');
    await page.fill(wish('priority'), 'HIGH');
    await page.fill(wish('notAfter'), '2099-12-31');
    await page.fill(wish('mustNots'), 'No barbed wire\n\nNo paint');
    await page.click('#wish form > button');
    await page.shows('#thanks', /Thank you\. Your wish is I-\d+\./);
    await page.shows('#intents > li:first-child', 'not read it yet');
    await page.shows('#intents > li:first-child', said);
    assert.deepEqual([await page.value(wish('text')), await page.value(wish('priority')), await page.value(wish('currency'))], ['', 'NORMAL', 'USD']);
    const query = '{ intents(first: 1, orderBy: CREATED_DESC) { nodes { id version text wanted priority budgetMinor budgetCurrency notAfter mustNots } } }';
    const { id, version, ...kept } = (await gateway.query(robert, query)).intents.nodes[0];
    const expected = { text: said, wanted: 'A fence without holes', priority: 'HIGH', budgetMinor: 120050, budgetCurrency: 'USD', notAfter: '2099-12-31', mustNots: ['No barbed wire', 'No paint'] };
    assert.deepEqual({ ...kept, budgetMinor: Number(kept.budgetMinor) }, expected);
    await page.fits('a long wish');

    // The desk works, and the page says so in plain words.
    await act(gateway, desk, 'intentClassify', { id, version, kind: 'REPAIR', urgency: 'NORMAL' });
    await page.shows('#intents > li:first-child', 'The desk has read it.');
    const made = await act(gateway, desk, 'intentConvertToCase', { id, version: version + 1 });
    await page.shows('#cases > li:first-child', 'A fence without holes');
    await page.click('#cases > li:first-child button');
    await page.shows('#open-title', 'A fence without holes');
    await page.shows('#open-state', 'not looked at it yet');
    assert.equal(await page.text('#wish'), '', 'on a phone there is one thing at a time');
    await page.act('CASE_ADD_NOTE', { text: 'The gate key is with the neighbour.' });
    await page.shows('#open-body .mine', 'The gate key is with the neighbour.');
    const versionOf = async () => (await gateway.query(robert, 'query ($id: ID!) { case(id: $id) { version } }', { id: made.id })).case.version;
    const work = async (mutation, more = {}) => act(gateway, desk, mutation, { id: made.id, version: await versionOf(), ...more });
    await work('caseTriage', { kind: 'REPAIR', priority: 'NORMAL' });
    await page.shows('#open-state', 'will begin');
    await work('caseUpdateStatus', { state: 'IN_PROGRESS' });
    await page.shows('#open-state', 'Somebody works on it.');
    await act(gateway, desk, 'caseAddInternalNote', { id: made.id, text: 'Only the desk knows' });
    await act(gateway, desk, 'caseAddNote', { id: made.id, text: 'The fence builder was here.' });
    await page.shows('#open-body', 'The fence builder was here.');

    // Questions: in words and by a button. What is half typed stays, whatever else happens.
    await work('caseAsk', { text: 'What colour?' });
    await page.fill('#open-body .asked [name=answer]', 'As it was, ');
    await work('caseAsk', { text: 'Wood or steel?', choices: ['Wood', 'Steel'], dueAt: '2099-01-01T12:00:00Z' });
    await page.shows('#open-body .asked', 'Please answer until');
    assert.equal(await page.value('#open-body .asked [name=answer]'), 'As it was, ');
    await page.fill('#open-body .asked [name=answer]', 'As it was, brown');
    await page.click('#open-body .asked button::-p-text(Answer)');
    await page.shows('#open-body .asked', 'As it was, brown (Robert Chen');
    await page.tab.focus('#open-body .asked form button');
    await page.tab.keyboard.press('Enter');
    await page.shows('#open-body .asked', 'Wood (Robert Chen');
    await page.shows('#open-state', 'Somebody works on it.');
    await page.fits('a case');
    await page.named();

    // It comes to an end, twice.
    await work('caseResolve', { resolution: 'DONE', summary: 'The fence stands.' });
    await page.shows('#open-state', 'The work is done: The fence stands. It closes by itself on ');
    assert.deepEqual(await page.actions(), ['CASE_ADD_NOTE', 'CASE_CLOSE', 'CASE_REOPEN']);
    await page.act('CASE_REOPEN', { reason: ' ' });
    await page.shows('[data-action=CASE_REOPEN] .problem', 'must not be blank');
    await page.act('CASE_REOPEN', { reason: 'There is still a hole.' });
    await page.shows('#open-state', 'Somebody works on it.');
    await work('caseResolve', { resolution: 'DONE', summary: 'No hole is left.' });
    await page.shows('#open-state', 'No hole is left.');
    await page.act('CASE_CLOSE');
    await page.shows('#open-state', /It is closed: No hole is left\. You can reopen it until /);

    // One that is given up, and one that is taken back.
    const dull = await act(gateway, robert, 'intentSubmit', { text: 'Polish the door bell' });
    await page.click('#back');
    await page.shows('#intents > li:first-child', 'Polish the door bell');
    const first = (inside) => `#intents > li:first-child ${inside}`;
    await page.click(first('details:has(textarea) > summary'));
    assert.equal(await page.value(first('textarea')), 'Polish the door bell');
    await page.fill(first('textarea'), 'Polish the door bell and the gate');
    await page.click(first('details:has(textarea) form > button'));
    await page.shows(first('.text'), 'Polish the door bell and the gate');
    await page.click(first('details:has([name=reason]) > summary'));
    await page.click(first('details:has([name=reason]) form > button'));
    await page.shows('#intents > li:first-child', 'You took it back.');
    // A wish for a whole portfolio.
    const { portfolios: { nodes: [group] } } = await gateway.query(robert, '{ portfolios(first: 1) { nodes { id } } }');
    await page.fill(wish('propertyId'), `portfolio ${group.id}`);
    await page.fill(wish('text'), 'Look after all the gutters');
    await page.fill(wish('notBefore'), '2099-03-01');
    await page.click('#wish form > button');
    await page.shows('#intents > li:first-child', 'Look after all the gutters');
    const latest = await gateway.query(robert, '{ intents(first: 1, orderBy: CREATED_DESC) { nodes { portfolioId notBefore } } }');
    assert.deepEqual(latest.intents.nodes[0], { portfolioId: group.id, notBefore: '2099-03-01' });
    assert.equal((await gateway.query(robert, 'query ($id: ID!) { intent(id: $id) { state } }', { id: dull.id })).intent.state, 'WITHDRAWN');
    await act(gateway, desk, 'caseCreate', { title: 'Count the tiles' });
    await page.shows('#cases > li:first-child', 'Count the tiles');
    await page.click('#cases > li:first-child button');
    await page.act('CASE_CANCEL', { reason: 'There are enough.' });
    await page.shows('#open-state', 'It was given up: There are enough.');

    assert.ok(!(await page.wire()).includes('Only the desk knows'));
    assert.deepEqual(page.wrong, []);
    await page.tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
    await page.click('#back');
    await page.picture('portal-phone');

    // After a break the page goes on by itself, with what happened meanwhile.
    await gateway.restart('SIGKILL');
    await act(gateway, robert, 'intentSubmit', { text: 'Sweep the chimney' });
    await page.shows('#intents > li:first-child', 'Sweep the chimney');
    await page.live();
    await act(gateway, desk, 'caseCreate', { title: 'Oil the gate' });
    await page.shows('#cases > li:first-child', 'Oil the gate');
    await until('no trouble', async () => (await page.text('#trouble')) === '');
  } finally {
    await browser.close();
    await gateway.stop();
  }
});
