import assert from 'node:assert/strict';
import {
  accept,
  add,
  authenticate,
  createSpace,
  ends,
  offer,
  sees,
  share,
  world,
  wrong,
} from './harness.mjs';

const { test, peer, sharedPeer } = world();

const pair = async () => [await sharedPeer('Ada'), await sharedPeer('Bob')];

for (const authMethod of ['NONE', 'SHARED_SECRET']) {
  const row = authMethod === 'NONE' ? 'I01' : 'I02';
  test(`${row} ${authMethod}: both SUCCESS, same key, both hold the space`, async () => {
    const [ada, bob] = await pair();
    const key = await createSpace(ada);
    const { code, authCode } = await offer(ada, { authMethod });
    assert.equal(authCode === undefined, authMethod === 'NONE');
    await accept(bob, code);
    if (authCode) assert.equal((await authenticate(bob, authCode)).code, undefined);
    assert.deepEqual(await ends(bob, 'accepted'), { state: 'SUCCESS', code: undefined });
    assert.deepEqual(await ends(ada, 'offered'), { state: 'SUCCESS', code: undefined });
    const joined = await bob.run(() => {
      globalThis.space = client.getSpace(accepted.get().spaceKey);
      return { key: space.key.toHex(), open: space.isOpen };
    });
    assert.deepEqual(joined, { key, open: true });
    await add(ada, { row: authMethod });
    await sees(bob, { row: authMethod });
  });
}

test('I04 attempts are those of the invitation, whoever guesses', async () => {
  const [ada, bob] = await pair();
  const eve = await peer('Eve');
  await createSpace(ada);
  const { code, authCode } = await offer(ada);
  for (const guest of [bob, eve]) await accept(guest, code);
  assert.equal((await authenticate(bob, wrong(authCode))).code, 'WRONG_AUTH_CODE');
  assert.equal((await authenticate(eve, wrong(authCode))).attemptsLeft, 1);
  assert.equal((await authenticate(bob, wrong(authCode))).code, 'TOO_MANY_ATTEMPTS');
  assert.equal((await ends(ada, 'offered')).code, 'TOO_MANY_ATTEMPTS');
  assert.equal((await ends(eve, 'accepted')).state, 'ERROR');
});

test('I10 already a member: ALREADY_MEMBER with the key, and nothing is written', async () => {
  const [ada, bob] = await pair();
  const key = await share(ada, bob);
  const { code, authCode } = await offer(ada);
  await accept(bob, code);
  const result = await authenticate(bob, authCode);
  assert.equal(result.code, 'ALREADY_MEMBER');
  assert.equal(result.spaceKey, key);
  assert.equal(await ada.run(() => space.members.get().length), 2);
});

test('I12 expiry: EXPIRED on the host, gone from the invitations, and a late guest is told', async () => {
  const [ada, bob] = await pair();
  await createSpace(ada);
  const { code } = await ada.run(() => {
    globalThis.offered = space.createInvitation({ expires: Date.now() + 1200 });
    return { code: offered.get().code };
  });
  assert.deepEqual(await ends(ada, 'offered'), { state: 'EXPIRED', code: 'INVITATION_EXPIRED' });
  await ada.run(() => until(() => space.invitations.get().length === 0, 'it is gone'));
  const late = await bob.run(async (code) => {
    const accepted = await outcome(() => client.acceptInvitation(code));
    return accepted.code ?? (await outcome(client.acceptInvitation(code).wait())).code;
  }, code);
  assert.equal(late, 'INVITATION_EXPIRED');
});

test('I13 persistent: hosted again after a reload with the same code', async () => {
  const ada = await peer('Ada');
  const bob = await sharedPeer('Bob');
  const key = await createSpace(ada);
  const { code, authCode } = await offer(ada, { persistent: true });
  await accept(bob, code);
  assert.equal((await authenticate(bob, wrong(authCode))).code, 'WRONG_AUTH_CODE');
  await bob.run(() => accepted.cancel());
  await ada.reload();
  await ada.open();
  const again = await ada.run(async (key) => {
    const { invitations } = client.getSpace(key);
    const [invitation] = await until(
      () => invitations.get().length > 0 && invitations.get(),
      'it is hosted again',
    );
    return invitation.get();
  }, key);
  assert.deepEqual([again.code, again.authCode], [code, authCode]);
  await accept(bob, code);
  assert.equal((await authenticate(bob, wrong(authCode))).code, 'WRONG_AUTH_CODE');
  assert.equal((await authenticate(bob, authCode)).code, undefined);
});

test('I14 non-persistent: gone after a reload', async () => {
  const ada = await peer('Ada');
  const key = await createSpace(ada);
  await offer(ada);
  await ada.reload();
  await ada.open();
  await ada.run(() => until(() => client.mesh.networkStatus.get().state === 'online', 'online'));
  assert.equal(await ada.run((k) => client.getSpace(k).invitations.get().length, key), 0);
});

test('I15 decode() reads a code as people paste it, and refuses anything else by name', async () => {
  const [ada] = await pair();
  await createSpace(ada);
  const { code } = await offer(ada);
  const read = await ada.run((code) => {
    const variants = [code, code.toLowerCase(), `  ${code}\n`, `https://x.test/#invitation=${code}`];
    return variants.map((text) => es.InvitationEncoder.decode(text).code);
  }, code);
  assert.deepEqual(read, Array(4).fill(code));
  const refused = await ada.run(async (code) => {
    const last = code.at(-1) === '0' ? '1' : '0';
    const flipped = code.slice(0, 20) + (code[20] === 'A' ? 'B' : 'A') + code.slice(21);
    const results = [];
    for (const text of ['', 'hello, world', code.slice(0, 30), flipped, code.slice(0, -1) + last])
      results.push(await outcome(() => es.InvitationEncoder.decode(text)));
    return results.map(({ code, reason }) => [code, reason]);
  }, code);
  for (const [error] of refused) assert.equal(error, 'INVALID_INVITATION');
  assert.deepEqual(
    refused.slice(0, 4).map(([, reason]) => reason),
    ['empty', 'junk', 'truncated', 'checksum'],
  );
});

test('I16 I17 the code holds no auth code and no key, and is short', async () => {
  const [ada] = await pair();
  await createSpace(ada);
  const { code, authCode } = await offer(ada);
  assert.ok(code.length <= 120, `${code.length} characters`);
  assert.ok(!code.includes(authCode));
  const leaks = await ada.run((code) => {
    const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    const bits = [...code].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('');
    const hex = bits
      .match(/.{8}/g)
      .map((b) => Number.parseInt(b, 2).toString(16).padStart(2, '0'))
      .join('');
    const keys = [space.key, client.halo.identity.get().identityKey, client.halo.device.deviceKey];
    return keys.filter((key) => hex.includes(key.toHex().slice(0, 16))).length;
  }, code);
  assert.equal(leaks, 0);
});

test('I18 single-use with five guests at once: one is admitted, four are told', async () => {
  const ada = await peer('Ada');
  const key = await createSpace(ada);
  const { code, authCode } = await offer(ada);
  const guests = await peer('guests', { client: false });
  const results = await guests.run(
    async ({ code, authCode }) => {
      const open1 = (n) => open({ config: { storage: { name: `guest${n}` } }, identity: `guest${n}` });
      const clients = await Promise.all([1, 2, 3, 4, 5].map(open1));
      const all = clients.map((client) => outcome(client.acceptInvitation(code).authenticate(authCode)));
      return {
        codes: (await Promise.all(all)).map((r) => r.code),
        spaces: clients.map((c) => c.spaces.get().length),
      };
    },
    { code, authCode },
  );
  assert.equal(results.codes.filter((error) => error === undefined).length, 1, String(results.codes));
  assert.equal(results.codes.filter((error) => error === 'INVITATION_USED').length, 4, String(results.codes));
  assert.deepEqual(results.spaces.toSorted(), [0, 0, 0, 0, 1]);
  assert.equal(await ada.run((k) => client.getSpace(k).members.get().length, key), 2);
});

test('I19 multi-use with several guests, at once and one after the other', async () => {
  const ada = await peer('Ada');
  await createSpace(ada);
  const { code, authCode } = await offer(ada, { multiUse: true });
  const guests = await peer('guests', { client: false });
  const codes = await guests.run(
    async ({ code, authCode }) => {
      const guest = async (n) => {
        const client = await open({ config: { storage: { name: `guest${n}` } }, identity: `guest${n}` });
        return outcome(client.acceptInvitation(code).authenticate(authCode));
      };
      const atOnce = await Promise.all([guest(1), guest(2)]);
      return [...atOnce, await guest(3)].map((r) => r.code);
    },
    { code, authCode },
  );
  assert.deepEqual(codes, [undefined, undefined, undefined]);
  assert.equal(await ada.run(() => until(() => space.members.get().length === 4)), true);
  assert.notEqual(await ada.run(() => offered.get().state), 'ERROR');
});

test('I23 accepting a space without identity throws NO_IDENTITY at once', async () => {
  const [ada] = await pair();
  await createSpace(ada);
  const { code } = await offer(ada);
  const nobody = await peer('nobody', { identity: null });
  const thrown = await nobody.run((code) => {
    try {
      client.acceptInvitation(code);
      return 'nothing';
    } catch (error) {
      return error.code;
    }
  }, code);
  assert.equal(thrown, 'NO_IDENTITY');
});

test('I25 what passes the relay holds nothing of the space', async () => {
  const ada = await peer('Ada', { init: tapSockets });
  const bob = await peer('Bob', { init: tapSockets });
  const key = await share(ada, bob);
  await add(ada, { title: 'a very private title' });
  await sees(bob, { title: 'a very private title' });
  for (const who of [ada, bob]) {
    const found = await who.run((key) => {
      const keyBytes = key
        .match(/../g)
        .map((h) => String.fromCharCode(Number.parseInt(h, 16)))
        .join('');
      const secrets = ['a very private title', key, keyBytes, 'Ada', 'Bob'];
      return {
        frames: wire.length,
        leaks: secrets.filter((secret) => wire.some((frame) => frame.includes(secret))),
      };
    }, key);
    assert.ok(found.frames > 5, `${found.frames} frames`);
    assert.deepEqual(found.leaks, []);
  }
});

/** Notes every frame that goes to the relay or comes from it, as a string of bytes. */
function tapSockets() {
  globalThis.wire = [];
  const note = (data) => {
    const bytes = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data);
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    wire.push(text);
  };
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    note(data);
    return send.call(this, data);
  };
  const Real = WebSocket;
  globalThis.WebSocket = class extends Real {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => data instanceof ArrayBuffer && note(data));
    }
  };
}

test('I27 the space that was just created can be invited to at once', async () => {
  const [ada, bob] = await pair();
  const { code, authCode } = await ada.run(async () => {
    globalThis.offered = (await client.createSpace()).createInvitation();
    return offered.get();
  });
  await accept(bob, code);
  assert.equal((await authenticate(bob, authCode)).code, undefined);
});
