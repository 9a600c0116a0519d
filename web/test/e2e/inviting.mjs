// What an invitation says and to whom: KNOWN_PUBLIC_KEY, roles, links and QR codes.

import assert from 'node:assert/strict';
import jsQR from 'jsqr';
import { accept, authenticate, createSpace, join, offer, world } from './harness.mjs';

const { test, peer, sharedPeer, start } = world();

const pair = async () => [await sharedPeer('Ada'), await sharedPeer('Bob')];

const identity = (who) => who.run(() => client.halo.identity.get().identityKey.toHex());

/** Offers an invitation for that identity alone, kept as `offered`. */
const offerTo = (host, key, options = {}) =>
  host.run(
    ({ key, options }) => {
      const guestKey = es.PublicKey.from(key);
      globalThis.offered = space.createInvitation({ authMethod: 'KNOWN_PUBLIC_KEY', guestKey, ...options });
      globalThis.offeredStates = record(offered, (value) => value.state);
      return offered.get().code;
    },
    { key, options },
  );

test('I11 KNOWN_PUBLIC_KEY: the guest that is named joins without a code, another errors and the host waits', async () => {
  const [ada, bob] = await pair();
  const eve = await peer('Eve');
  const key = await createSpace(ada);
  const code = await offerTo(ada, await identity(bob));
  assert.equal(await ada.run(() => offered.get().authCode), undefined);

  await accept(eve, code);
  const refused = await authenticate(eve, '');
  assert.equal(refused.code, 'WRONG_GUEST');
  assert.equal(await eve.run(() => accepted.get().state), 'ERROR');
  assert.deepEqual(await ada.run(() => [space.invitations.get().length, offered.get().error]), [
    1,
    undefined,
  ]);

  await accept(bob, code);
  assert.equal((await authenticate(bob, '')).code, undefined);
  assert.equal(await bob.run(() => space.key.toHex()), key);
  assert.equal(await ada.run(() => outcome(offered.wait()).then(() => offered.get().state)), 'SUCCESS');
  const states = await bob.run(() => acceptedStates.filter((state) => state !== 'INIT'));
  assert.deepEqual(states, ['CONNECTING', 'CONNECTED', 'AUTHENTICATING', 'SUCCESS', 'complete']);
  const members = await ada.run(() =>
    space.members
      .get()
      .map(({ displayName }) => displayName)
      .sort(),
  );
  assert.deepEqual(members, ['Ada', 'Bob']);
});

test('I11 half of a known key is refused at once', async () => {
  const ada = await sharedPeer('Ada');
  await createSpace(ada);
  const codes = await ada.run(async () => {
    const guestKey = client.halo.identity.get().identityKey;
    const cases = [
      { authMethod: 'KNOWN_PUBLIC_KEY' },
      { authMethod: 'KNOWN_PUBLIC_KEY', guestKey: es.PublicKey.from(`01${'00'.repeat(31)}`) },
      { guestKey },
      { authMethod: 'NONE', guestKey },
    ];
    return Promise.all(cases.map((o) => outcome(() => space.createInvitation(o)).then(({ code }) => code)));
  });
  assert.deepEqual(codes, Array(4).fill('INVALID_ARGUMENT'));
});

for (const role of ['READER', 'ADMIN']) {
  test(`S16 an invitation gives the role ${role}, and tells the guest before it says the code`, async () => {
    const [ada, bob] = await pair();
    await createSpace(ada);
    const { code, authCode } = await offer(ada, { role });
    assert.equal(await ada.run(() => offered.get().role), role);
    await accept(bob, code);
    const told = await bob.run(async () => {
      await until(() => accepted.get().state === 'READY_FOR_AUTHENTICATION');
      return accepted.get().role;
    });
    assert.equal(told, role);
    assert.equal((await authenticate(bob, authCode)).code, undefined);
    const own = await bob.run(async () => {
      const me = () => space.members.get().find(({ self }) => self)?.role;
      return [accepted.get().role, await until(me, 'the own membership')];
    });
    assert.deepEqual(own, [role, role]);
    const write = await bob.run(() => outcome(() => space.db.add({ title: 'x' }).title));
    assert.equal(write.code, role === 'READER' ? 'NOT_PERMITTED' : undefined);
  });
}

test('I22 a member without the right to invite cannot', async () => {
  const [ada, bob] = await pair();
  await createSpace(ada);
  await join(ada, bob, { role: 'READER' });
  assert.equal(
    await bob.run(() => outcome(() => space.createInvitation()).then(({ code }) => code)),
    'NOT_PERMITTED',
  );
});

/** Draws an SVG document in the page, and reads the QR code in the picture. */
async function readQr(page, svg, side) {
  const shades = await page.run(
    async ({ svg, side }) => {
      const image = new Image(side, side);
      image.src = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
      await image.decode();
      const canvas = new OffscreenCanvas(side, side).getContext('2d');
      canvas.drawImage(image, 0, 0, side, side);
      const { data } = canvas.getImageData(0, 0, side, side);
      let shades = ''; // of the pixels, one digit each: an array of numbers takes seconds to cross
      for (let i = 0; i < data.length; i += 4) shades += data[i] >> 5;
      return shades;
    },
    { svg, side },
  );
  const pixels = new Uint8ClampedArray(4 * side * side);
  for (let i = 0; i < pixels.length; i++) pixels[i] = i % 4 === 3 ? 255 : 36 * Number(shades[i >> 2]);
  return jsQR(pixels, side, side)?.data;
}

test('I15 I16 a link and a QR code bring the guest to the invitation, and hold no secret of the space', async () => {
  const [ada, bob] = await pair();
  const { url } = await start();
  await createSpace(ada);
  const { code, authCode } = await offer(ada);
  const { link, svg } = await ada.run(async () => ({
    link: es.InvitationEncoder.toLink(offered.get()),
    svg: await es.InvitationEncoder.toSvg(offered.get()),
  }));
  assert.equal(link, `${url}#invitation=${code}`);
  for (const side of [200, 512]) assert.equal(await readQr(ada, svg, side), link);
  const long = await ada.run(() =>
    es.InvitationEncoder.toSvg(offered.get(), { base: `https://example.org/${'path/'.repeat(40)}?x=ä` }),
  );
  assert.match(
    await readQr(ada, long, 800),
    new RegExp(`^https://example.org/(path/){40}\\?x=%C3%A4#invitation=${code}$`),
  );
  for (const text of [link, svg]) assert.equal(text.includes(authCode), false);
  assert.equal(link.includes(await ada.run(() => space.key.toHex())), false);

  // The guest's page was opened by the link.
  await accept(bob, link);
  assert.equal((await authenticate(bob, authCode)).code, undefined);
});
