// The demo page as people use it: two visitors, each with a browser profile of
// their own, the real server and relay. What is looked for is what a person, or
// a screen reader, finds: roles and names. Screenshots are kept in
// web/test-output/demo. The tests build on one another, in order.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { limit, openChromium, Peer, root, Server } from './harness.mjs';

const shots = join(root, 'web/test-output/demo');
const desktop = { width: 1280, height: 800 };
const phone = { width: 360, height: 740 };

let server;
let browser;
let ada;
let grace;
const visitors = [];
/** Whether a test has failed, or is running. */
let failed = false;

/** A person with a browser profile, and the words in which they find things. */
class Visitor extends Peer {
  static async open(name, options = {}) {
    const context = await browser.newContext({ viewport: desktop, ...options });
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
    const page = await context.newPage();
    page.setDefaultTimeout(limit);
    const visitor = new Visitor(name, page, () => context.close());
    visitor.context = context;
    visitors.push(visitor);
    return visitor;
  }

  /** Comes for the first time and says their name. */
  async arrive(url = server.url) {
    await this.page.goto(url);
    await this.field('Your name').fill(this.name);
    await this.button('Start').click();
    await this.page.getByRole('navigation', { name: 'Your lists' }).waitFor();
  }

  field = (name) => this.page.getByRole('textbox', { name, exact: true });
  button = (name) => this.page.getByRole('button', { name, exact: true });
  box = (name) => this.page.getByRole('checkbox', { name, exact: true });
  dialog = (name) => this.page.getByRole('dialog', { name });
  says = (text) => this.page.getByText(text).filter({ visible: true }).first().waitFor();
  /** Waits until the connection is in one of these words. */
  link = (word) => this.page.getByRole('status', { name: 'Connection' }).getByText(word).waitFor();
  key = (key) => this.page.keyboard.press(key);

  async addTask(title) {
    await this.field('New task').fill(title);
    await this.key('Enter');
    await this.box(title).waitFor();
  }

  ticked(title, checked = true) {
    return this.page.getByRole('checkbox', { name: title, exact: true, checked }).waitFor();
  }

  titles() {
    return this.page
      .getByRole('list', { name: 'Tasks' })
      .getByRole('checkbox')
      .evaluateAll((boxes) => boxes.map((b) => b.ariaLabel));
  }

  count(name) {
    return this.page
      .getByRole('radio', { name: new RegExp(`^${name} \\d+$`) })
      .evaluate((radio) => Number(/\d+/.exec(radio.labels[0].textContent)));
  }

  /** Keeps a picture; nothing may stick out of the window. */
  async shot(name, options) {
    const over = await this.run(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(over, 0, `${name}: the page is wider than the window`);
    await this.page.screenshot({ path: join(shots, `${name}.png`), ...options });
  }

  /** Makes an invitation and leaves its dialog open. */
  async invite() {
    await this.button('Invite').click();
    return this.offered();
  }

  /** What the invitation's dialog offers to share. */
  async offered() {
    const link = await this.field('Invitation link').inputValue();
    const digits = await this.dialog('Invite to').getByRole('status', { name: 'Auth code' }).textContent();
    return { link, digits };
  }

  async cancelInvitation() {
    await this.button('Cancel invitation').click();
    await this.says('The invitation is cancelled.');
    await this.button('Done').click();
  }

  /** Enters digits in the join dialog. */
  async enter(digits) {
    await this.field('The digits you were told').fill(digits);
    await this.button('Join').click();
  }
}

/** Digits that are not these. */
const wrong = (digits) => (digits.startsWith('1') ? '2' : '1') + digits.slice(1);

before(async () => {
  mkdirSync(shots, { recursive: true });
  server = await Server.start();
  browser = await openChromium();
  ada = await Visitor.open('Ada');
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A test that fails too when a page reports an error; what a failure looked like is kept. */
function scene(name, f) {
  test(name, { timeout: 3 * limit }, async (t) => {
    if (failed) return t.skip('an earlier one has failed');
    failed = true;
    try {
      await f();
      assert.deepEqual(
        visitors.flatMap((visitor) => visitor.problems),
        [],
      );
      failed = false;
    } catch (error) {
      for (const { name: who, page, problems } of visitors) {
        await page.screenshot({ path: join(shots, `failed-${who}.png`) }).catch(() => undefined);
        for (const problem of problems) error.message += `\n${problem}`;
      }
      throw error;
    } finally {
      for (const visitor of visitors) visitor.problems = [];
    }
  });
}

scene('a first visit: a name, then no lists, then one', async () => {
  await ada.page.goto(server.url);
  await ada.field('Your name').waitFor();
  await ada.shot('welcome');
  await ada.field('Your name').fill('Ada');
  await ada.key('Enter');
  await ada.says('No lists yet.');
  assert.equal(await ada.run(() => document.activeElement.id), 'new-list');
  await ada.shot('no-lists');
  await ada.page.keyboard.type('Groceries');
  await ada.key('Enter');
  await ada.page.getByRole('heading', { name: 'Groceries', level: 1 }).waitFor();
  await ada.says('Nothing to do yet.');
});

scene('tasks by keyboard: add, tick, move, rename, delete, undo, filter', async () => {
  for (const title of ['Oat milk', 'Bread', 'Coffee', 'Lemons']) await ada.addTask(title);
  assert.deepEqual(await ada.titles(), ['Oat milk', 'Bread', 'Coffee', 'Lemons']);

  await ada.box('Oat milk').focus();
  await ada.key('ArrowDown');
  await ada.key('Enter');
  await ada.page.keyboard.type('Sourdough');
  await ada.key('Escape');
  await ada.box('Bread').focus();
  await ada.key('F2');
  await ada.page.keyboard.type('Sourdough from the bakery');
  await ada.key('Enter');
  await ada.box('Sourdough from the bakery').focus();
  await ada.key('Space');
  await ada.ticked('Sourdough from the bakery');

  await ada.key('Delete');
  await ada.box('Sourdough from the bakery').waitFor({ state: 'detached' });
  await ada.button('Undo').click();
  await ada.ticked('Sourdough from the bakery');
  await ada.page.getByRole('button', { name: 'Delete Lemons' }).click();
  await ada.box('Lemons').waitFor({ state: 'detached' });
  await ada.key('Control+z');
  await ada.box('Lemons').waitFor();
  assert.equal((await ada.titles()).length, 4);

  await ada.box('Lemons').focus();
  await ada.key('3');
  await ada.box('Lemons').waitFor({ state: 'detached' });
  assert.deepEqual(await ada.titles(), ['Sourdough from the bakery']);
  await ada.key('2');
  await ada.box('Lemons').waitFor();
  assert.deepEqual(await ada.titles(), ['Oat milk', 'Coffee', 'Lemons']);
  await ada.box('Coffee').focus();
  await ada.key('Space');
  await ada.box('Coffee').waitFor({ state: 'detached' });
  assert.equal(await ada.run(() => document.activeElement.ariaLabel), 'Lemons', 'the focus goes on');
  await ada.key('1');
  await ada.box('Coffee').uncheck();
  await ada.page.getByRole('radio', { name: 'All 4' }).check();
  assert.deepEqual([await ada.count('All'), await ada.count('Open'), await ada.count('Done')], [4, 3, 1]);
  await ada.says('Saved on this device');
});

scene('what a user types is text', async () => {
  const title = '<img src=x onerror=document.title="x"><script>alert(1)</script>';
  await ada.addTask(title);
  assert.equal(await ada.page.locator('main img, main script').count(), 0);
  await ada.page.getByRole('button', { name: `Delete ${title}` }).click();
  await ada.box(title).waitFor({ state: 'detached' });
});

scene('an invitation outlives its dialog, and can be copied', async () => {
  const { link, digits } = await ada.invite();
  assert.match(link, /^http:\/\/127\.0\.0\.1:\d+\/#invitation=[0-9A-Z]+$/);
  assert.match(digits, /^\d{3} \d{3}$/);
  await ada.page.getByRole('img', { name: 'QR code of the invitation link' }).waitFor();
  await ada.says('Waiting for your guest.');
  await ada.button('Copy the link').click();
  await ada.page.waitForFunction(async (text) => (await navigator.clipboard.readText()) === text, link);
  await ada.shot('invite');
  await ada.key('Escape');
  await ada.page.getByRole('heading', { name: 'Open invitation' }).waitFor();
  await ada.button('Show').click();
  assert.equal(await ada.field('Invitation link').inputValue(), link);
});

scene('a guest opens the link, errs once, and joins', async () => {
  const { link, digits } = await ada.offered();
  grace = await Visitor.open('Grace Hopper', { viewport: phone, colorScheme: 'dark', hasTouch: true });
  await grace.page.goto(link);
  await grace.says('You are invited to a list.');
  assert.equal(grace.page.url(), server.url, 'the secret has left the address');
  await grace.shot('phone-dark-welcome');
  await grace.field('Your name').fill(grace.name);
  await grace.button('Start').click();
  await grace.says('Enter the digits');
  await ada.says('Your guest is connected');
  await grace.shot('phone-dark-join');
  await grace.enter(wrong(digits));
  await grace.says('These are not the right digits. 2 attempts left.');
  await ada.says('Wrong digits, 2 attempts left.');
  await ada.shot('invite-wrong');
  await grace.shot('phone-dark-join-wrong');
  await grace.enter(digits);
  await grace.page.getByRole('heading', { name: 'Groceries', level: 1 }).waitFor();
  await ada.says('Grace Hopper has joined.');
  await ada.shot('invite-joined');
  await ada.button('Done').click();
  for (const title of ['Oat milk', 'Sourdough from the bakery', 'Coffee', 'Lemons'])
    await grace.box(title).waitFor();
});

scene('both edit, and see who is here', async () => {
  await grace.box('Oat milk').check();
  await ada.ticked('Oat milk');
  await ada.addTask('Figs');
  await grace.box('Figs').waitFor();
  await grace.page.getByRole('button', { name: 'Rename Figs' }).click();
  await grace.page.keyboard.type('Figs, ripe');
  await grace.key('Enter');
  await ada.box('Figs, ripe').waitFor();
  await grace.addTask('Candles');
  await ada.box('Candles').waitFor();
  const people = ada.page.getByRole('complementary', { name: 'Who is here' });
  await people.getByText('Grace Hopper').waitFor();
  await people.getByText('may edit').waitFor();
  await people.getByText(/here, (direct|relayed)/).waitFor();
  await grace.page
    .getByRole('complementary')
    .getByText(/here, (direct|relayed)/)
    .waitFor();
  assert.equal(await grace.button('Invite').count(), 0, 'an editor is not offered to invite');
  for (const visitor of [ada, grace]) await visitor.link(/Direct|Relayed/);
  await ada.says('Saved here and on 1 other device');
});

scene('the list is renamed for both', async () => {
  await ada.button('Rename this list').click();
  await ada.field('Name of this list').fill('Sunday market');
  await ada.key('Enter');
  await grace.page.getByRole('heading', { name: 'Sunday market', level: 1 }).waitFor();
});

scene('offline work is kept and merged', async () => {
  await ada.page.getByRole('switch', { name: 'Work offline' }).check();
  await ada.link('Offline');
  await grace.page.getByRole('complementary').getByText('away').waitFor();
  await ada.addTask('Honey');
  await ada.box('Coffee').check();
  await grace.addTask('Walnuts');
  await grace.box('Lemons').check();
  await ada.shot('offline');
  await ada.page.getByRole('switch', { name: 'Work offline' }).uncheck();
  for (const visitor of [ada, grace]) {
    for (const title of ['Honey', 'Walnuts']) await visitor.box(title).waitFor();
    for (const title of ['Coffee', 'Lemons']) await visitor.ticked(title);
    await visitor.link(/Direct|Relayed/);
  }
  assert.deepEqual((await ada.titles()).sort(), (await grace.titles()).sort());
});

scene('everything is there after a reload', async () => {
  const titles = await ada.titles();
  for (const visitor of [ada, grace]) {
    await visitor.page.reload();
    await visitor.page.getByRole('heading', { name: 'Sunday market', level: 1 }).waitFor();
    for (const title of titles) await visitor.box(title).waitFor();
    await visitor.ticked('Coffee');
  }
  await ada.page
    .getByRole('complementary')
    .getByText(/here, (direct|relayed)/)
    .waitFor();
  await grace.addTask('Olives');
  await ada.box('Olives').waitFor();
});

scene('a member who opens a link again is in the list', async () => {
  const { link, digits } = await ada.invite();
  await grace.page.goto(`${server.url}#`);
  await grace.page.goto(link);
  await grace.enter(digits);
  await grace.page.getByRole('heading', { name: 'Sunday market', level: 1 }).waitFor();
  assert.equal(grace.page.url().includes('invitation'), false);
  await ada.cancelInvitation();
});

scene('invitations that end are explained to both', async () => {
  const eve = await Visitor.open('Eve', { viewport: phone });
  await eve.arrive();
  await eve.button('Join a list').click();
  const code = eve.field('Invitation link or code');
  await code.fill('not an invitation!');
  await eve.button('Continue').click();
  await eve.says('This is not an invitation.');
  await eve.shot('phone-join-refused');

  const first = await ada.invite();
  await code.fill(first.link.slice(0, -8));
  await eve.button('Continue').click();
  await eve.says('The end of the invitation is missing.');
  await code.fill(first.link);
  await eve.button('Continue').click();
  await eve.says('Enter the digits');
  await ada.button('Cancel invitation').click();
  await eve.says('The invitation was cancelled by the person who made it.');
  await eve.key('Escape');

  await ada.button('Make a new invitation').click();
  const second = await ada.offered();
  assert.notEqual(second.link, first.link);
  await eve.button('Join a list').click();
  await code.fill(second.link.split('=')[1].toLowerCase());
  await eve.key('Enter');
  for (const left of ['2 attempts left', '1 attempt left']) {
    await eve.enter(wrong(second.digits));
    await eve.says(left);
  }
  await eve.enter(wrong(second.digits));
  await eve.says('Too many wrong codes.');
  await ada.says('Too many wrong codes.');
  await eve.shot('phone-join-over');
  await ada.button('Done').click();
  await eve.close();
  visitors.splice(visitors.indexOf(eve), 1);
});

scene('a list can be taken out as JSON', async () => {
  const [download] = await Promise.all([
    ada.page.waitForEvent('download'),
    ada.button('Export this list as JSON').click(),
  ]);
  assert.equal(download.suggestedFilename(), 'Sunday-market.json');
  const { list, tasks } = JSON.parse(readFileSync(await download.path(), 'utf8'));
  assert.equal(list, 'Sunday market');
  assert.deepEqual(
    tasks.map(({ title }) => title),
    await ada.titles(),
  );
  assert.equal(tasks.find(({ title }) => title === 'Coffee').done, true);
});

scene('settings, shortcuts, and a second list', async () => {
  await ada.page.getByRole('heading', { level: 1 }).click();
  await ada.key('?');
  await ada.dialog('Keyboard shortcuts').waitFor();
  await ada.shot('shortcuts');
  await ada.key('Escape');
  await ada.button('You and this device').click();
  await ada.says(/used of/);
  await ada.field('Your name').fill('Ada Lovelace');
  await ada.button('Save name').click();
  await ada.shot('settings');
  await ada.key('Escape');
  await grace.page.getByRole('complementary').getByText('Ada Lovelace').waitFor();
  await ada.field('Name of the new list').fill('Garden');
  await ada.key('Enter');
  await ada.page.getByRole('heading', { name: 'Garden', level: 1 }).waitFor();
  await ada.page.getByRole('link', { name: /^Sunday market/ }).click();
  await ada.box('Honey').waitFor();
  await ada.page.goBack();
  await ada.page.getByRole('heading', { name: 'Garden', level: 1 }).waitFor();
  await ada.page.goBack();
});

scene('roles are given and taken, and everybody sees who did what', async () => {
  const about = async (visitor, name) => {
    await visitor.button(`About ${name}`).click();
    return visitor.dialog(name);
  };
  const dialog = await about(ada, 'Grace Hopper');
  await dialog.getByLabel('What this member may do').selectOption({ label: 'may read' });
  await dialog.getByRole('button', { name: 'Change', exact: true }).click();
  await dialog.getByText('Changed: Grace Hopper may read.').waitFor();
  await ada.shot('member');
  await grace.says('You may read this list.');
  assert.equal(await grace.field('New task').isDisabled(), true);
  await dialog.getByLabel('What this member may do').selectOption({ label: 'may edit' });
  await dialog.getByRole('button', { name: 'Change', exact: true }).click();
  await dialog.getByText('Changed: Grace Hopper may edit.').waitFor();
  await ada.key('Escape');
  await grace.page.waitForFunction(() => !document.querySelector('#add-title').disabled);
  await about(grace, 'Ada Lovelace');
  assert.equal(await grace.page.getByLabel('What this member may do').isVisible(), false);
  await grace.key('Escape');
  for (const visitor of [ada, grace]) {
    await visitor.button('Who did what').click();
    await visitor.says('Ada Lovelace changed Grace Hopper: may read');
    await visitor.says('Ada Lovelace admitted Grace Hopper: may edit');
    await visitor.says('Ada Lovelace made the list');
    await visitor.shot(`${visitor === ada ? '' : 'phone-dark-'}log`);
    await visitor.key('Escape');
  }
});

scene('a second device is added by its link, and removed', async () => {
  await ada.button('You and this device').click();
  await ada.button('Your devices').click();
  await ada.dialog('Your devices').getByText('this device').waitFor();
  await ada.button('Add a device').click();
  await ada.says('Waiting for your other device.');
  const link = await ada.field('Invitation link').inputValue();
  const digits = await ada.dialog('Add a device').getByRole('status', { name: 'Auth code' }).textContent();
  await ada.shot('device-invite');
  const pocket = await Visitor.open('pocket', { viewport: phone });
  await pocket.page.goto(link);
  await pocket.dialog('Add this device').waitFor();
  await pocket.enter(wrong(digits));
  await pocket.says('These are not the right digits. 2 attempts left.');
  await pocket.shot('phone-device-join');
  await pocket.enter(digits);
  await ada.says('Your other device is there.');
  await ada.button('Done').click();
  await pocket.page.getByRole('link', { name: /^Sunday market/ }).click();
  for (const title of await ada.titles()) await pocket.box(title).waitFor();
  await pocket.addTask('Thyme');
  await ada.box('Thyme').waitFor({ state: 'attached' });
  await grace.box('Thyme').waitFor();

  await pocket.button('You and this device').click();
  await pocket.button('Your devices').click();
  await pocket.button('Rename this device').click();
  await pocket.field('Name of this device').fill('Pocket phone');
  await pocket.key('Enter');
  await ada.dialog('Your devices').getByText('Pocket phone').waitFor();
  await ada.shot('devices');
  await pocket.shot('phone-devices');
  await pocket.key('Escape');
  await pocket.key('Escape');
  await ada.button('Remove Pocket phone').click();
  await ada.page.getByRole('alertdialog', { name: 'Remove Pocket phone?' }).waitFor();
  await ada.shot('device-remove');
  await ada.button('Remove').click();
  await ada.button('Remove Pocket phone').waitFor({ state: 'detached' });
  await ada.page.getByRole('alertdialog').waitFor({ state: 'hidden' }); // or Escape closes that
  await ada.key('Escape');
  await ada.key('Escape');
  await pocket.says('You have removed this device.');
  await pocket.shot('phone-removed');
  assert.equal(await pocket.field('New task').isDisabled(), true);
  await ada.addTask('Sage');
  await grace.box('Sage').waitFor();
  assert.equal(await pocket.box('Sage').count(), 0);
  await pocket.close();
  visitors.splice(visitors.indexOf(pocket), 1);
});

scene('a guest for reading only, who is removed; and one leaves by oneself', async () => {
  const eve = await Visitor.open('Eve Reader');
  await eve.arrive();
  await ada.button('Invite').click();
  await ada.page.getByLabel('Your guest').selectOption({ label: 'may read' });
  await ada.page.waitForFunction(() => document.querySelector('#invite-role').value === 'READER');
  await ada.says('Waiting for your guest.');
  const { link, digits } = await ada.offered();
  await eve.page.goto(`${server.url}#`);
  await eve.page.goto(link);
  await eve.enter(digits);
  await eve.says('You may read this list.');
  await ada.says('Eve Reader has joined.');
  await ada.button('Done').click();
  await ada.button('About Eve Reader').click();
  await ada.button('Remove from this list …').click();
  await ada.shot('member-remove');
  await ada.button('Remove').click();
  await ada.says('Eve Reader is removed from Sunday market.');
  await eve.says('You were removed from this list.');
  await ada.page.getByRole('link', { name: /^Sunday market/ }).click();
  await ada.button('About Ada Lovelace').click();
  assert.equal(await ada.button('Leave this list …').count(), 0, 'the last owner cannot leave');
  await ada.says('A list needs an owner');
  await ada.key('Escape');
  await eve.close();
  visitors.splice(visitors.indexOf(eve), 1);
});

scene('recovery words are typed back, and bring everything back', async () => {
  const rosa = await Visitor.open('Rosa Luz', { viewport: phone });
  await rosa.arrive();
  const { link, digits } = await ada.invite();
  await rosa.page.goto(`${server.url}#`);
  await rosa.page.goto(link);
  await rosa.enter(digits);
  await rosa.page.getByRole('heading', { name: 'Sunday market', level: 1 }).waitFor();
  await ada.button('Done').click();
  await rosa.addTask('Thyme honey');
  await ada.box('Thyme honey').waitFor();

  await rosa.button('You and this device').click();
  await rosa.button('Recovery words').click();
  await rosa.says('You have no recovery words yet.');
  await rosa.button('Show me twelve words').click();
  const words = await rosa.page.locator('#words-list li').allTextContents();
  assert.equal(words.length, 12);
  await rosa.shot('phone-words');
  await rosa.button('I have written them down').click();
  const typed = rosa.field('Type the twelve words back');
  await typed.fill(words.slice(0, 11).join(' '));
  await rosa.button('Done').click();
  await rosa.says('There have to be twelve words.');
  await typed.fill([...words.slice(0, 4), 'zebra', ...words.slice(5)].join(' '));
  await rosa.button('Done').click();
  await rosa.says('Word 5 is not right.');
  await rosa.shot('phone-words-wrong');
  await typed.fill(`  ${words.join('\n').toUpperCase()} `);
  await rosa.button('Done').click();
  await rosa.says('Your recovery words are set.');
  await rosa.button('Recovery words').click();
  await rosa.says('You have recovery words since');
  assert.equal(await rosa.page.getByText(words[0], { exact: true }).count(), 0, 'they are shown once');
  const key = await rosa.page.locator('#identity-key').textContent();
  await rosa.close();
  visitors.splice(visitors.indexOf(rosa), 1);

  const back = await Visitor.open('Rosa again', { viewport: phone });
  await back.page.goto(server.url);
  await back.button('I have my recovery words').click();
  const field = back.field('Your twelve recovery words');
  await field.fill(Array(12).fill('abandon').join(' ')); // own words in another order fit one time in 16
  await back.button('Bring me back').click();
  await back.says('One of the words is another one, or two are exchanged.');
  await back.shot('phone-recover');
  await field.fill(words.join(' '));
  await back.button('Bring me back').click();
  await back.page.getByRole('link', { name: /^Sunday market/ }).click();
  await back.box('Thyme honey').waitFor();
  await back.addTask('Rosemary');
  await ada.box('Rosemary').waitFor();
  await back.button('You and this device').click();
  assert.equal(await back.page.locator('#identity-key').textContent(), key);
  await back.button('Your devices').click();
  await back.page.getByRole('button', { name: /^Remove / }).click();
  await back.button('Remove').click();
  await back.page.getByRole('button', { name: /^Remove / }).waitFor({ state: 'detached' });
  await back.shot('phone-recovered');
  await ada.button('Who did what').click();
  await ada.says('Rosa Luz made recovery words');
  await ada.says('Rosa Luz removed a device of Rosa Luz');
  await ada.key('Escape');
  await back.close();
  visitors.splice(visitors.indexOf(back), 1);
});

scene('it looks right on phone and desktop, light and dark', async () => {
  for (const colorScheme of ['light', 'dark']) {
    for (const visitor of [ada, grace]) {
      await visitor.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      for (const [device, size] of Object.entries({ desktop, phone })) {
        await visitor.page.setViewportSize(size);
        await visitor.shot(`${visitor === ada ? 'owner' : 'editor'}-${device}-${colorScheme}`, {
          fullPage: true,
        });
      }
    }
    await ada.invite();
    await ada.shot(`phone-${colorScheme}-invite`);
    await ada.cancelInvitation();
    await ada.page.getByRole('link', { name: 'All lists', exact: true }).click();
    await ada.says('Your lists');
    await ada.shot(`phone-${colorScheme}-lists`);
    await ada.page.goBack();
    await ada.box('Honey').waitFor();
  }
});

scene('erasing asks first, and leaves nothing', async () => {
  await grace.page.getByRole('button', { name: 'You and this device' }).click();
  await grace.button('Erase everything …').click();
  const question = grace.page.getByRole('alertdialog', { name: 'Erase everything here?' });
  await question.waitFor();
  await grace.shot('phone-erase');
  await grace.button('Keep everything').click();
  await grace.button('Erase everything …').click();
  await question.getByRole('button', { name: 'Erase everything' }).click();
  await grace.field('Your name').waitFor();
  await ada.box('Honey').waitFor();
});

scene('a page that cannot start says why', async () => {
  const missing = await Visitor.open('missing');
  missing.allow(/404|Failed to load/);
  await missing.page.route('**/echospace.wasm', (route) => route.fulfill({ status: 404, body: 'no' }));
  await missing.page.goto(server.url);
  await missing.says('The database engine could not be loaded.');
  await missing.button('Reload the page').waitFor();
  await missing.shot('failed-missing');

  const blocked = await Visitor.open('blocked');
  await blocked.page.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    };
  });
  await blocked.page.goto(server.url);
  await blocked.says('This browser does not let the page store anything.');
  await blocked.shot('failed-blocked');
});

scene('a full storage is told, and loses nothing', async () => {
  ada.allow(/STORAGE_FULL/);
  await ada.page.setViewportSize(desktop);
  // A full disk shows as a transaction that the browser aborts for that reason.
  await ada.run(() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...args) {
      const request = put.apply(this, args);
      if (globalThis.full) {
        const error = new DOMException('', 'QuotaExceededError');
        Object.defineProperty(this.transaction, 'error', { value: error });
        this.transaction.abort();
      }
      return request;
    };
    globalThis.full = true;
  });
  await ada.addTask('One too many');
  await ada.says('The storage of this browser is full.');
  await ada.says('Storage is full');
  await ada.shot('storage-full');
  await ada.run(() => {
    globalThis.full = false;
  });
  await ada.addTask('Another one');
  await ada.says('Saved on this device');
  await ada.page.reload();
  for (const title of ['One too many', 'Another one']) await ada.box(title).waitFor();
});

scene('after a crash a reload brings everything back', async () => {
  const rosa = await Visitor.open('Rosa');
  rosa.allow(/unreachable|CRASHED/);
  // An edit that traps, as a bug in the module would.
  await rosa.page.addInitScript(() => {
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = async (...args) => {
      const { exports } = await instantiate(...args);
      const es_apply = (...numbers) => {
        if (globalThis.trap) throw new WebAssembly.RuntimeError('unreachable');
        return exports.es_apply(...numbers);
      };
      const value = { ...exports, es_apply };
      return Object.create(WebAssembly.Instance.prototype, { exports: { value } });
    };
  });
  await rosa.arrive();
  await rosa.field('Name of the new list').fill('Seeds');
  await rosa.key('Enter');
  await rosa.addTask('Poppies');
  await rosa.says('Saved on this device');
  await rosa.run(() => {
    globalThis.trap = true;
  });
  await rosa.field('New task').fill('Nettles');
  await rosa.key('Enter');
  await rosa.page.getByRole('heading', { name: 'The database engine has stopped' }).waitFor();
  await rosa.shot('failed-crashed');
  await rosa.button('Reload the page').click();
  await rosa.box('Poppies').waitFor();
});
