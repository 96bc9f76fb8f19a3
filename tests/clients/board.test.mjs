// The desk's board in a real browser, in two windows at once, with the owner's page beside them: a wish becomes a case and comes to
// its end, and everybody sees it happen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from './chromium.mjs';
import { start, until } from './gateway.mjs';
import { act, actingFor, open } from './pages.mjs';

const SECRET = 'The plumber is the cheapest of three';

/** How many things wait in each part of the queue, as the gateway counts them for this person. */
async function countsOf(gateway, desk) {
  const data = await gateway.query(desk, '{ workItemCounts(by: [BUCKET]) { counts { value count } } }');
  return Object.fromEntries(data.workItemCounts.counts.map(({ value, count }) => [value, count]));
}

/** The id of the case with this number. */
async function idOf(gateway, who, number) {
  const data = await gateway.query(who, 'query ($number: String!) { cases(filter: { number: $number }) { nodes { id } } }', { number });
  return data.cases.nodes[0].id;
}

test('a wish becomes a case and comes to its end, in two windows of the desk and one of the owner', async () => {
  const gateway = await start();
  const browser = await launch();
  try {
    const [robert, sam, dana] = ['Robert Chen', 'Sam Reyes', 'Dana Okafor'].map((name) => gateway.who(name));
    const acting = await actingFor(gateway, sam, robert);
    const owner = await open(browser, gateway, 'portal', robert);
    const one = await open(browser, gateway, 'dashboard', sam);
    const other = await open(browser, gateway, 'dashboard', sam);
    const both = (check) => Promise.all([one, other].map(check));
    const before = await countsOf(gateway, sam);
    const part = (desk, bucket, more) => desk.shows(`[data-bucket=${bucket}]`, new RegExp(` ${before[bucket] + more}$`));
    await both((desk) => part(desk, 'ALL', 0));
    await both((desk) => desk.fill('#order', 'CREATED_DESC'));

    // The owner says what is wanted.
    await until('houses to choose from', async () => Number(await owner.text('#count')) > 1);
    const house = await owner.tab.$eval('#wish [name=propertyId]', (select) => [select.options[1].value, select.options[1].textContent]);
    await owner.fill('#wish [name=propertyId]', house[0]);
    await owner.fill('#wish [name=text]', 'The kitchen tap drips and the sink is blocked. <b>Soon</b>, please.');
    await owner.fill('#wish [name=budget]', '250.50');
    await owner.fill('#wish [name=mustNots]', 'No drilling\nNo work on Sundays');
    await owner.click('#wish form > button');
    await owner.shows('#thanks', 'Your wish is I-');
    const [wish] = /I-\d+/.exec(await owner.text('#thanks'));
    await both((desk) => desk.shows('#queue', `${wish} The kitchen tap drips`));
    await both((desk) => part(desk, 'ALL', 1));
    await both((desk) => part(desk, 'UNASSIGNED', 1));

    // The desk reads it, with the suggestion as one.
    await one.click('#queue button');
    await one.shows('#open-body .suggestion', /suggestion .*repair .*\d+ % sure[\s\S]*words: .*tap/);
    await one.shows('#open-body', 'No drilling; No work on Sundays');
    await one.shows('#open-body', '$250.50');
    await one.shows('#open-body', '<b>Soon</b>, please.');
    await one.shows('#open-body', house[1]);
    assert.deepEqual(await one.actions(), ['INTENT_CLASSIFY', 'INTENT_DECLINE']);
    assert.equal(await one.value('[data-action=INTENT_CLASSIFY] [name=kind]'), 'REPAIR');
    await one.act('INTENT_DECLINE', { reason: ' ' });
    await one.shows('[data-action=INTENT_DECLINE] label', 'must not be blank');
    await other.click('#queue button');
    await other.shows('#open-title', wish);
    await one.act('INTENT_CLASSIFY', { urgency: 'HIGH' });
    await both((desk) => desk.shows('#open-body', 'repair, high, by Sam Reyes'));
    await owner.shows('#intents', 'The desk has read it.');
    await one.act('INTENT_CONVERT_TO_CASE', { title: 'Mend the kitchen tap' });
    await one.shows('#open-title', /^C-\d+ Mend the kitchen tap$/);
    const [number] = (await one.text('#open-title')).split(' ');
    await both((desk) => desk.shows('#queue', `${number} Mend the kitchen tap`));
    await both((desk) => desk.lacks('#queue', wish));
    await other.shows('#open-body', 'a case was made of it');
    await owner.shows('#cases', `${number} Mend the kitchen tap`);
    await owner.shows('#intents', `made a case of it: ${number}`);

    // The case goes on in one window and is seen in the other.
    await other.click('#queue button');
    await other.shows('#open-title', number);
    await other.unfold('CASE_CANCEL');
    await other.fill('[data-action=CASE_CANCEL] [name=reason]', 'half a sentence');
    await one.act('CASE_TRIAGE', { kind: 'REPAIR', priority: 'URGENT' });
    await both((desk) => desk.shows('#open-body', 'Sam Reyes looked at the case and took it on'));
    await both((desk) => desk.shows('#queue > li:first-child', /triaged\s*urgent/));
    await until('no way to triage twice', async () => !(await other.actions()).includes('CASE_TRIAGE'));
    await one.act('CASE_UPDATE_STATUS', { state: 'IN_PROGRESS' });
    await both((desk) => desk.shows('#queue > li:first-child', 'in progress'));
    await one.act('CASE_ASSIGN');
    await part(one, 'MINE', 1);
    await other.shows('#open-body dl', 'Sam Reyes');
    await part(other, 'MINE', 1);
    await part(other, 'UNASSIGNED', 0);
    await one.shows('#open-body dl', 'Sam Reyes');
    await one.act('CASE_UNASSIGN');
    await both((desk) => part(desk, 'UNASSIGNED', 1));
    await other.act('CASE_ASSIGN');
    await both((desk) => part(desk, 'MINE', 1));
    await one.act('CASE_UPDATE', { title: 'Mend the kitchen tap and the sink' });
    await both((desk) => desk.shows('#queue', `${number} Mend the kitchen tap and the sink`));
    await owner.shows('#cases', `${number} Mend the kitchen tap and the sink`);
    await one.act('CASE_LINK', { kind: 'RELATES_TO' });
    await both((desk) => desk.shows('.links', /relates to\s*C-\d+/));
    await other.click('.links form > button');
    await both((desk) => desk.lacks('.links', 'relates to'));
    await one.act('CASE_UPDATE_STATUS', { state: 'WAITING_EXTERNAL', waitingFor: ' ' });
    await one.shows('[data-action=CASE_UPDATE_STATUS] label', 'must be given');
    await one.act('CASE_UPDATE_STATUS', { state: 'WAITING_EXTERNAL', waitingFor: 'the plumber' });
    await both((desk) => desk.shows('#open-body dl', 'the plumber'));
    await owner.shows('#cases', 'It waits for the plumber.');
    await one.act('CASE_UPDATE_STATUS', { state: 'IN_PROGRESS' });
    await both((desk) => desk.shows('#open-body > p', 'in progress'));

    // Notes: one for all, and one that only the desk reads.
    await owner.click('#cases button');
    await one.act('CASE_ADD_INTERNAL_NOTE', { text: SECRET });
    await one.act('CASE_ADD_NOTE', { text: 'The plumber comes this week.' });
    await both((desk) => desk.shows('.internal', SECRET));
    await both((desk) => desk.shows('.internal', 'only for the desk'));
    await owner.shows('#open-body', 'The plumber comes this week.');

    // A question, and its answer from the owner's page.
    await one.act('CASE_ASK', { text: 'Which day suits you?', choices: 'Monday\nTuesday' });
    await both((desk) => desk.shows('#queue', 'Which day suits you?'));
    await both((desk) => desk.shows('.questions', 'Monday / Tuesday'));
    await owner.shows('#open-state', 'The desk waits for you.');
    await owner.click('#open-body .asked button::-p-text(Tuesday)');
    await both((desk) => desk.shows('.questions', 'Tuesday (Robert Chen'));
    await both((desk) => desk.lacks('#queue', 'Which day suits you?'));
    await owner.shows('#open-body .asked', 'Tuesday (Robert Chen');
    // What somebody was typing is still there, after all these changes from elsewhere.
    assert.equal(await other.value('[data-action=CASE_CANCEL] [name=reason]'), 'half a sentence');

    // Older entries come when they are asked for.
    const caseId = await idOf(gateway, acting, number);
    for (let n = 1; n <= 32; n += 1) await act(gateway, acting, 'caseAddNote', { id: caseId, text: `Note ${n} of many` });
    const beginning = 'The plumber comes this week.';
    await one.shows('.notes', 'Note 32 of many');
    await one.shows('.notes', beginning);
    await one.click('#back');
    await one.click(`#queue button[data-thing="${caseId}"]`);
    await one.shows('.notes', 'Note 32 of many');
    await one.lacks('.notes', beginning);
    await one.click('.notes > button');
    await one.shows('.notes', beginning);
    await one.click('.timeline > button');
    await one.shows('.timeline', 'looked at the case and took it on');
    await owner.click('#back');
    await owner.click(`#cases button[data-case="${caseId}"]`);
    await owner.shows('#open-body', 'Note 32 of many');
    await owner.lacks('#open-body', beginning);
    await owner.click('#open-body h3 + button');
    await owner.shows('#open-body', beginning);

    // An answer that is lost: the request goes out again under its key, and is done once.
    await other.tab.setRequestInterception(true);
    const held = {};
    const holding = new Promise((resolve) => {
      other.tab.on('request', async (request) => {
        const body = request.postData() ?? '';
        if (body.includes('caseResolve') && !held.resolve) {
          held.resolve = true;
          resolve(request);
        } else if (body.includes('caseAddNote') && !held.note) {
          held.note = true;
          await fetch(request.url(), { method: 'POST', headers: request.headers(), body });
          request.abort();
        } else {
          request.continue();
        }
      });
    });
    await other.act('CASE_ADD_NOTE', { text: 'Said once, sent twice.' });
    await other.shows('[data-action=CASE_ADD_NOTE] .problem', 'cannot be reached');
    await one.shows('.notes', 'Said once, sent twice.');
    await other.act('CASE_ADD_NOTE');
    await until('an empty form', async () => (await other.value('[data-action=CASE_ADD_NOTE] [name=text]')) === '');
    const { case: { notes } } = await gateway.query(acting, 'query ($id: ID!) { case(id: $id) { notes(filter: { search: "sent twice" }) { totalCount } } }',
      { id: caseId });
    assert.equal(notes.totalCount, 1);
    assert.deepEqual(other.wrong.splice(0), ['Failed to load resource: net::ERR_FAILED']);

    // Somebody else is faster while a change is on its way.
    await other.act('CASE_RESOLVE', { resolution: 'DONE', summary: 'The tap is tight again.' });
    const request = await holding;
    const { id, version } = JSON.parse(request.postData()).variables.input;
    await act(gateway, acting, 'caseChangePriority', { id, version, priority: 'LOW' });
    await request.continue();
    await other.shows('[data-action=CASE_RESOLVE] .problem', `Somebody was faster: it is at version ${version + 1} now and in the state “in progress”`);
    await both((desk) => desk.shows('#open-body > p', 'low'));
    assert.equal(await other.value('[data-action=CASE_RESOLVE] [name=summary]'), 'The tap is tight again.');
    await other.act('CASE_RESOLVE');
    await both((desk) => desk.shows('#open-body', 'done: The tap is tight again.'));
    await both((desk) => desk.shows('#open-body .timeline', 'Sam Reyes resolved the case.'));
    await both((desk) => part(desk, 'ALL', 0));
    await both((desk) => desk.lacks('#queue', number));
    await owner.shows('#open-state', 'The work is done: The tap is tight again.');
    await until('the forms of its state', async () => String(await one.actions()) === 'CASE_ADD_INTERNAL_NOTE,CASE_ADD_NOTE,CASE_CLOSE,CASE_LINK,CASE_REOPEN');
    await one.act('CASE_REOPEN', { reason: 'It drips again.' });
    await both((desk) => desk.shows('#queue', number));
    await one.act('CASE_RESOLVE', { resolution: 'DONE', summary: 'A new washer.' });
    await one.act('CASE_CLOSE');
    await both((desk) => desk.shows('#open-body > p', 'closed'));
    await owner.shows('#open-state', 'It is closed: A new washer.');

    // Who may only read sees it all, and no forms.
    const reader = await open(browser, gateway, 'dashboard', dana);
    await reader.fill('#order', 'CREATED_DESC');
    await reader.click('#queue > li:first-child button');
    await reader.shows('#open-body .timeline', 'Robert Chen');
    assert.deepEqual(await reader.actions(), []);

    // Nothing of the desk's own came to the owner, neither on the page nor over the wire.
    assert.ok((await one.wire()).includes(SECRET));
    assert.ok(!(await owner.wire()).includes(SECRET));
    assert.ok(!(await owner.text('body')).includes(SECRET));
    for (const page of [owner, one, other, reader]) {
      await page.named();
      assert.deepEqual(page.wrong, []);
    }
    await one.picture('board');
    await owner.picture('portal');

    // After a break the windows go on by themselves.
    await gateway.restart('SIGKILL');
    await act(gateway, robert, 'intentSubmit', { text: 'The garden needs water.' });
    await both((desk) => desk.shows('#queue', 'The garden needs water.'));
    await both((desk) => desk.live());
    await act(gateway, robert, 'intentSubmit', { text: 'The gate squeaks.' });
    await both((desk) => desk.shows('#queue', 'The gate squeaks.'));
    await owner.shows('#intents', 'The gate squeaks.');

    // The owner takes leave of the desk: nothing of theirs is left there.
    const grants = await gateway.query(robert, '{ accessGrants { nodes { id version granteeOrganizationId revokedAt } } }');
    for (const { id, version } of grants.accessGrants.nodes.filter((grant) => grant.granteeOrganizationId === sam.organization && !grant.revokedAt)) {
      await act(gateway, robert, 'accessGrantRevoke', { id, version });
    }
    await both((desk) => desk.lacks('#queue', 'The gate squeaks.'));
    await one.shows('#open-problem', /\S/);
  } finally {
    await browser.close();
    await gateway.stop();
  }
});

test('the queue is paged, filtered, searched and put in order, also on a phone and in the dark', async () => {
  const gateway = await start();
  const browser = await launch();
  try {
    const [robert, sam] = ['Robert Chen', 'Sam Reyes'].map((name) => gateway.who(name));
    const acting = await actingFor(gateway, sam, robert);
    const long = 'Averylongwordthatnobodywouldsay'.repeat(4);
    for (let n = 1; n <= 23; n += 1) await act(gateway, robert, 'intentSubmit', { text: n === 7 ? `The chimney whistles ${long}` : `Wish ${n}`, priority: 'LOW' });
    await act(gateway, acting, 'caseCreate', { title: 'The well has run dry', kind: 'REPAIR', priority: 'URGENT' });
    const { ALL: total } = await countsOf(gateway, sam);
    assert.ok(total > 20 && total <= 40, `${total} things wait`);

    const desk = await open(browser, gateway, 'dashboard', sam, { width: 375, height: 800 });
    const entries = () => desk.tab.$$eval('#queue > li', (all) => all.length);
    await desk.shows('#found', String(total));
    assert.equal(await entries(), 20);
    await desk.click('#later');
    await until('the second page', async () => (await entries()) === total - 20);
    await desk.click('#earlier');
    await until('the first page', async () => (await entries()) === 20);
    await desk.fill('#search', 'chimney whistles');
    await desk.shows('#queue', /^I-\d+ The chimney whistles/);
    await until('one entry', async () => (await entries()) === 1);
    await desk.fits('the queue');

    await desk.tab.focus('#queue button');
    await desk.tab.keyboard.press('Enter');
    await desk.shows('#open-title', /I-\d+/);
    await desk.shows('#open-body', long);
    await desk.unfold('INTENT_CLASSIFY');
    await desk.fits('a wish');
    assert.equal(await desk.text('#queue'), '');
    await desk.tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
    await desk.picture('board-phone');
    await desk.click('#back');

    await desk.fill('#search', '');
    await until('all of them', async () => (await entries()) === 20);
    await desk.fill('#order', 'CREATED_DESC');
    await desk.shows('#queue', /^C-\d+ The well has run dry/);
    await desk.fill('#by-kind', 'INTENT');
    await desk.shows('#queue', /^I-\d+ Wish 23/);
    await desk.lacks('#queue', 'The well');
    await desk.fill('#by-kind', 'CASE');
    await desk.fill('#by-priority', 'URGENT');
    await desk.fill('#by-state', 'NEW');
    await desk.fill('#by-owner', robert.organization);
    await desk.shows('#queue', 'The well has run dry');
    await desk.lacks('#queue', 'normal');
    for (const filter of ['#by-kind', '#by-priority', '#by-state', '#by-owner']) await desk.fill(filter, '');
    for (const bucket of ['OVERDUE', 'TODAY', 'THIS_WEEK', 'MINE', 'UNASSIGNED', 'LATE', 'ALL']) {
      await desk.click(`[data-bucket=${bucket}]`);
      // Something may become late meanwhile: what counts is what the gateway says now.
      await until(`the things in ${bucket}`, async () => {
        const { [bucket]: count } = await countsOf(gateway, sam);
        return (await desk.text('#found')) === String(count) && (await entries()) === Math.min(count, 20);
      });
      assert.equal(await desk.tab.$eval(`[data-bucket=${bucket}]`, (button) => button.getAttribute('aria-pressed')), 'true');
    }
    await desk.shows('#queue', /^C-\d+ The well has run dry/);
    await desk.click('#queue button');
    await desk.shows('#open-title', 'The well has run dry');
    await desk.shows('#open-body dl', 'Chen Holdings LLC');
    for (const action of await desk.actions()) await desk.unfold(action);
    await desk.fits('a case');
    await desk.named();
    await desk.picture('board-phone-case');
    await desk.click('#back');
    await desk.click('#show-houses');
    await desk.shows('#board', /\d+ /);
    await desk.fits('the properties');
    assert.deepEqual(desk.wrong, []);
  } finally {
    await browser.close();
    await gateway.stop();
  }
});
