import assert from 'node:assert/strict';
import {
  accept,
  add,
  authenticate,
  createSpace,
  ends,
  join,
  offer as offerBy,
  sees,
  world,
} from './harness.mjs';

const { test, peer, sharedPeer } = world();

/** The host of most tests, and a guest that has no identity yet. */
const pair = async () => [await sharedPeer('Ada'), await peer('her pocket', { identity: null })];

/** Offers an invitation for a device, kept as `offered`. */
const offer = (host, options) => offerBy(host, options, 'halo');

/** Makes a device of the host's identity. */
async function addDevice(host, guest, options) {
  const { code, authCode } = await offer(host, options);
  await accept(guest, code);
  const result = await authenticate(guest, authCode ?? '');
  if (result.code) throw new Error(`${guest.name} did not become a device: ${result.code} ${result.message}`);
}

/** A further device of the host's identity, in a context of its own. */
async function deviceOf(host, name) {
  const device = await peer(name, { identity: null });
  await addDevice(host, device);
  return device;
}

/** Waits until a client has the space open, as `space`. */
function arrives(peer, key) {
  return peer.run(async (key) => {
    globalThis.space = await until(() => client.getSpace(key)?.isOpen && client.getSpace(key), 'the space');
  }, key);
}

/** Checks that `space` is one and the same for all. */
async function bound(...peers) {
  for (const [n, one] of peers.entries()) await add(one, { from: `${one.name} ${n}` });
  for (const other of peers)
    for (const [n, one] of peers.entries()) await sees(other, { from: `${one.name} ${n}` });
}

const devices = (peer) =>
  peer.run(() =>
    client.halo.devices.get().map(({ deviceKey, ...rest }) => ({ key: deviceKey.toHex(), ...rest })),
  );

const identity = (peer) => peer.run(() => client.halo.identity.get()?.identityKey.toHex());

/** Waits until a peer lists so many devices, all online. */
function lists(peer, count) {
  return peer.run(
    (count) =>
      until(() => {
        const list = client.halo.devices.get();
        return list.length === count && list.every((device) => device.online);
      }, `${count} devices`),
    count,
  );
}

test('H01 createIdentity: one device, a display name, and no space', async () => {
  const ada = await peer('Ada', { identity: null });
  assert.deepEqual(await devices(ada), []);
  const made = await ada.run(async () => {
    const { displayName } = await client.halo.createIdentity({ displayName: 'Ada' });
    return { displayName, spaces: client.spaces.get().length, device: client.halo.device.deviceKey.toHex() };
  });
  const [device, ...others] = await devices(ada);
  assert.deepEqual(made, { displayName: 'Ada', spaces: 0, device: device.key });
  assert.deepEqual(others, []);
  const { key, label, ...rest } = device;
  assert.deepEqual(rest, { kind: 'BROWSER', current: true, online: true, keyStorage: 'WEBCRYPTO' });
  assert.match(label, /^Chrome, /);
});

for (const authMethod of ['NONE', 'SHARED_SECRET']) {
  const row = authMethod === 'NONE' ? 'I01' : 'I02';
  test(`${row} H02 device, ${authMethod}: both SUCCESS, same identity, two devices on both`, async () => {
    const ada = await peer('Ada');
    const pocket = await peer('her pocket', { identity: null });
    const { code, authCode } = await offer(ada, { authMethod });
    assert.equal(authCode === undefined, authMethod === 'NONE');
    await accept(pocket, code);
    assert.equal((await authenticate(pocket, authCode ?? '')).code, undefined);
    assert.deepEqual(await ends(pocket, 'accepted'), { state: 'SUCCESS', code: undefined });
    assert.deepEqual(await ends(ada, 'offered'), { state: 'SUCCESS', code: undefined });
    const key = await identity(ada);
    const joined = await pocket.run(() => {
      const { identityKey, spaceKey, kind } = accepted.get();
      return {
        identityKey: identityKey.toHex(),
        spaceKey,
        kind,
        name: client.halo.identity.get().displayName,
      };
    });
    assert.deepEqual(joined, { identityKey: key, spaceKey: undefined, kind: 'DEVICE', name: 'Ada' });
    assert.equal(await identity(pocket), key);
    for (const one of [ada, pocket]) await lists(one, 2);
    const keys = (list) => list.map((device) => device.key).toSorted();
    assert.deepEqual(keys(await devices(ada)), keys(await devices(pocket)));
    assert.notEqual((await devices(ada))[0].key, (await devices(pocket))[0].key);
  });
}

test('H03 existing, new and later joined spaces reach the second device', async () => {
  const ada = await peer('Ada');
  const bob = await sharedPeer('Bob');
  const own = await createSpace(ada);
  await add(ada, { made: 'before' });
  const pocket = await deviceOf(ada, 'her pocket');
  await arrives(pocket, own);
  await sees(pocket, { made: 'before' });
  await bound(ada, pocket);
  // New ones, of either device.
  const later = await createSpace(ada);
  await arrives(pocket, later);
  await bound(ada, pocket);
  const hers = await createSpace(pocket);
  await arrives(ada, hers);
  await bound(ada, pocket);
  // One that the second device joins, which the first has never heard of.
  const his = await createSpace(bob);
  await join(bob, pocket);
  await arrives(ada, his);
  await bound(ada, pocket, bob);
  const known = await bob.run(async () => {
    const member = () => space.members.get().find((member) => !member.self);
    await until(() => member().devices.length === 2, 'both devices');
    return { members: space.members.get().length, name: member().displayName };
  });
  assert.deepEqual(known, { members: 2, name: 'Ada' });
  // The second device goes on without the first, also after a reload.
  await ada.close();
  await pocket.reload();
  await pocket.open();
  assert.equal(await pocket.run(() => client.spaces.get().length), 4);
  await arrives(pocket, his);
  await bound(pocket, bob);
});

test('H03 a third device joins by the second, and knows all', async () => {
  const ada = await peer('Ada');
  const key = await createSpace(ada);
  const pocket = await deviceOf(ada, 'her pocket');
  await arrives(pocket, key);
  await bound(ada, pocket);
  await ada.run(() => client.mesh.goOffline());
  const desk = await deviceOf(pocket, 'her desk');
  await arrives(desk, key);
  await bound(pocket, desk);
  await ada.run(() => client.mesh.goOnline());
  for (const one of [ada, pocket, desk]) await lists(one, 3);
  await bound(ada, pocket, desk);
});

test('H04 H05 a name is seen by own devices and members, and kept', async () => {
  const ada = await peer('Ada');
  const bob = await sharedPeer('Bob');
  const key = await createSpace(ada);
  await join(ada, bob);
  const pocket = await deviceOf(ada, 'her pocket');
  await arrives(pocket, key);
  await bound(ada, pocket);
  await pocket.run(() => client.halo.updateProfile({ displayName: 'Countess' }));
  for (const one of [ada, pocket])
    await one.run(() => until(() => client.halo.identity.get().displayName === 'Countess', 'the name'));
  await bob.run(() =>
    until(() => space.members.get().some((member) => member.displayName === 'Countess'), 'the name'),
  );
  await ada.reload();
  await ada.open();
  assert.equal(await ada.run(() => client.halo.identity.get().displayName), 'Countess');
});

test('H06 label and kind of a device are seen by the others', async () => {
  const ada = await peer('Ada');
  const pocket = await deviceOf(ada, 'her pocket');
  const device = await pocket.run(async () => {
    const { label, kind } = await client.halo.updateDevice({ label: 'the pocket', kind: 'MOBILE' });
    return { label, kind };
  });
  assert.deepEqual(device, { label: 'the pocket', kind: 'MOBILE' });
  await ada.run(() =>
    until(
      () => client.halo.devices.get().some(({ label, kind }) => label === 'the pocket' && kind === 'MOBILE'),
      'the label',
    ),
  );
  await pocket.run(() => client.halo.updateDevice({ label: 'renamed' }));
  await pocket.reload();
  await pocket.open();
  assert.deepEqual(await pocket.run(() => [client.halo.device.label, client.halo.device.kind]), [
    'renamed',
    'MOBILE',
  ]);
  const tooLong = await ada.run(() => outcome(client.halo.updateDevice({ label: 'x'.repeat(257) })));
  assert.equal(tooLong.code, 'TOO_LARGE');
});

test('H13 contacts: members of shared spaces, once each, on all devices', async () => {
  const ada = await peer('Ada');
  const bob = await sharedPeer('Bob');
  for (let n = 0; n < 2; n++) {
    await createSpace(ada);
    await join(ada, bob);
  }
  const pocket = await deviceOf(ada, 'her pocket');
  for (const one of [ada, pocket])
    await one.run(() =>
      until(() => {
        const list = client.halo.contacts.get();
        return list.length === 1 && list[0].displayName === 'Bob' && list[0].presence === 'ONLINE';
      }, 'Bob'),
    );
  assert.deepEqual(
    await pocket.run(() => client.halo.contacts.get().map((contact) => contact.identityKey.toHex())),
    [await identity(bob)],
  );
});

test('S18 delete of a space reaches own devices, and no member', async () => {
  const ada = await peer('Ada');
  const bob = await sharedPeer('Bob');
  const key = await createSpace(ada);
  await join(ada, bob);
  const pocket = await deviceOf(ada, 'her pocket');
  await arrives(pocket, key);
  await ada.run(() => space.delete());
  for (const one of [ada, pocket])
    await one.run((key) => until(() => client.getSpace(key) === undefined, 'it is gone'), key);
  assert.equal(await bob.run((key) => client.getSpace(key).isOpen, key), true);
  await pocket.reload();
  await pocket.open();
  assert.equal(await pocket.run(() => client.spaces.get().length), 0);
});

test('I10 I23 device: with an identity it is IDENTITY_EXISTS at once, also for a device of the same', async () => {
  const ada = await peer('Ada');
  const pocket = await deviceOf(ada, 'her pocket');
  const bob = await sharedPeer('Bob');
  const { code } = await offer(ada);
  for (const one of [bob, pocket, ada])
    assert.equal(
      (await one.run((code) => outcome(() => client.halo.acceptInvitation(code)), code)).code,
      'IDENTITY_EXISTS',
    );
  assert.equal((await devices(ada)).length, 2);
  // Each kind is refused where the other belongs.
  const key = await createSpace(ada);
  const toSpace = await ada.run((key) => client.getSpace(key).createInvitation().get().code, key);
  const nobody = await peer('nobody', { identity: null });
  const thrown = await nobody.run(
    async ({ code, toSpace }) => [
      (await outcome(() => client.acceptInvitation(code))).code,
      (await outcome(() => client.halo.acceptInvitation(toSpace))).code,
      (await outcome(() => client.halo.createInvitation())).code,
    ],
    { code, toSpace },
  );
  assert.deepEqual(thrown, ['INVALID_INVITATION', 'INVALID_INVITATION', 'NO_IDENTITY']);
  const refused = await ada.run(async () => [
    (await outcome(() => client.halo.createInvitation({ role: 'READER' }))).code,
    (
      await outcome(() =>
        client.halo.createInvitation({
          authMethod: 'KNOWN_PUBLIC_KEY',
          guestKey: client.halo.device.deviceKey,
        }),
      )
    ).code,
  ]);
  assert.deepEqual(refused, ['INVALID_ARGUMENT', 'INVALID_ARGUMENT']);
});

test('I12 device: expiry: EXPIRED on the host, and a late guest is told', async () => {
  const [ada, pocket] = await pair();
  const code = await ada.run(() => {
    globalThis.offered = client.halo.createInvitation({ expires: Date.now() + 1200 });
    return offered.get().code;
  });
  assert.deepEqual(await ends(ada, 'offered'), { state: 'EXPIRED', code: 'INVITATION_EXPIRED' });
  const late = await pocket.run(async (code) => {
    const accepted = await outcome(() => client.halo.acceptInvitation(code));
    return accepted.code ?? (await outcome(client.halo.acceptInvitation(code).wait())).code;
  }, code);
  assert.equal(late, 'INVITATION_EXPIRED');
});

test('I13 device: persistent: hosted again after a reload with the same code', async () => {
  const ada = await peer('Ada');
  const pocket = await peer('her pocket', { identity: null });
  const { code, authCode } = await offer(ada, { persistent: true });
  await ada.run(() => until(() => offered.get().state === 'CONNECTING', 'it is stored'));
  await ada.reload();
  await ada.open();
  const again = await ada.run(async () => {
    const [invitation] = await until(
      () => client.halo.invitations.get().length > 0 && client.halo.invitations.get(),
      'it is hosted again',
    );
    return invitation.get();
  });
  assert.deepEqual([again.code, again.authCode, again.kind], [code, authCode, 'DEVICE']);
  await accept(pocket, code);
  assert.equal((await authenticate(pocket, authCode)).code, undefined);
  await lists(ada, 2);
});

test('I15 I16 I17 device: the code says DEVICE, holds no auth code and no key, and is short', async () => {
  const [ada] = await pair();
  const { code, authCode } = await offer(ada);
  assert.ok(code.length <= 120, `${code.length} characters`);
  assert.ok(!code.includes(authCode));
  const read = await ada.run((code) => {
    const decoded = [code, code.toLowerCase(), `  ${code}\n`, `https://x.test/#invitation=${code}`].map(
      (text) => es.InvitationEncoder.decode(text),
    );
    const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    const bits = [...code].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('');
    const hex = bits
      .match(/.{8}/g)
      .map((b) => Number.parseInt(b, 2).toString(16).padStart(2, '0'))
      .join('');
    const keys = [client.halo.identity.get().identityKey, client.halo.device.deviceKey];
    return {
      same: decoded.every((d) => d.code === code && d.kind === 'DEVICE'),
      encoded: es.InvitationEncoder.encode(offered.get()) === code,
      leaks: keys.filter((key) => hex.includes(key.toHex().slice(0, 16))).length,
    };
  }, code);
  assert.deepEqual(read, { same: true, encoded: true, leaks: 0 });
});

test('I18 device: single-use with five guests at once: one is admitted, four are told', async () => {
  const ada = await peer('Ada');
  const { code, authCode } = await offer(ada);
  const guests = await peer('guests', { client: false });
  const results = await guests.run(
    async ({ code, authCode }) => {
      const open1 = (n) => open({ config: { storage: { name: `guest${n}` } } });
      const clients = await Promise.all([1, 2, 3, 4, 5].map(open1));
      const all = clients.map((client) => outcome(client.halo.acceptInvitation(code).authenticate(authCode)));
      const codes = (await Promise.all(all)).map((r) => r.code);
      return { codes, identities: clients.filter((c) => c.halo.identity.get()).length };
    },
    { code, authCode },
  );
  assert.equal(results.codes.filter((error) => error === undefined).length, 1, String(results.codes));
  assert.equal(results.codes.filter((error) => error === 'INVITATION_USED').length, 4, String(results.codes));
  assert.equal(results.identities, 1);
  await lists(ada, 2);
});

test('I19 device: multi-use with several guests', async () => {
  const ada = await peer('Ada');
  const { code, authCode } = await offer(ada, { multiUse: true });
  const guests = await peer('guests', { client: false });
  const codes = await guests.run(
    async ({ code, authCode }) => {
      const guest = async (n) => {
        const client = await open({ config: { storage: { name: `guest${n}` } } });
        return outcome(client.halo.acceptInvitation(code).authenticate(authCode));
      };
      const atOnce = await Promise.all([guest(1), guest(2)]);
      return [...atOnce, await guest(3)].map((r) => r.code);
    },
    { code, authCode },
  );
  assert.deepEqual(codes, [undefined, undefined, undefined]);
  await lists(ada, 4);
});

test('T02 two tabs of a further device: what one is handed the other has', async () => {
  const ada = await peer('Ada');
  const key = await createSpace(ada);
  const one = await peer('a tab', { identity: null });
  const two = await peer('another tab', { identity: null, context: one.context });
  await addDevice(ada, one);
  await two.run(() => until(() => client.halo.identity.get(), 'the identity'));
  for (const tab of [one, two]) await arrives(tab, key);
  await bound(ada, one, two);
  await lists(ada, 2);
});

test('H12 a removed device neither connects nor writes; what it wrote stays', async () => {
  const ada = await peer('Ada');
  const bob = await peer('Bob');
  const key = await createSpace(ada);
  await join(ada, bob);
  const lost = await deviceOf(ada, 'a lost phone');
  await arrives(lost, key);
  await add(lost, { title: 'before' });
  for (const who of [ada, bob]) await sees(who, { title: 'before' });
  const gone = await lost.run(() => client.halo.device.deviceKey.toHex());
  const refused = await ada.run(
    async () => (await outcome(client.halo.removeDevice(client.halo.device.deviceKey))).code,
  );
  assert.equal(refused, 'INVALID_ARGUMENT', 'this device itself');
  await ada.run((gone) => client.halo.removeDevice(gone), gone);
  for (const who of [ada, bob, lost]) {
    await who.run(
      (gone) =>
        until(
          () => !space.members.get().some((m) => m.devices.some((d) => d.deviceKey.toHex() === gone)),
          'the device is gone',
        ),
      gone,
    );
  }
  await lists(ada, 1);
  await add(bob, { title: 'secret' });
  await sees(ada, { title: 'secret' });
  await sees(ada, { title: 'before' });
  const left = await lost.run(async () => {
    await until(() => space.members.get().every((m) => m.self || m.presence === 'OFFLINE'), 'it is alone');
    const { code } = await outcome(() => space.db.add({ title: 'no' }));
    return { code, secret: space.db.query({ title: 'secret' }).objects.length };
  });
  assert.deepEqual(left, { code: 'NOT_PERMITTED', secret: 0 });
  const next = await deviceOf(ada, 'a new phone');
  await arrives(next, key);
  await sees(next, { title: 'secret' });
});
