// Credentials for people outside a space, and the log for those in it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { createSpace, join, root, share, world } from './harness.mjs';

const { test, peer, sharedPeer } = world();

const pair = async () => [await sharedPeer('Ada'), await sharedPeer('Bob')];

/** Makes a presentation of all credentials of `space`, and of the devices. */
const present = (who, nonce, options = {}) =>
  who.run(
    async ({ nonce, options }) => {
      const query = client.halo.queryCredentials({ spaceKey: space.key });
      await until(() => query.get().length > 0, 'the own admission');
      const ids = [...query.get(), ...client.halo.queryCredentials({ type: 'DEVICE' }).get()].map(
        ({ id }) => id,
      );
      const bytes = await client.halo.presentCredentials({ ids, nonce: Uint8Array.from(nonce), ...options });
      return Array.from(bytes);
    },
    { nonce: [...nonce], options },
  );

/** Verifies on a page that holds nothing else: gives what is shown, or the error's code. */
const verify = (verifier, presentation, nonce, options = {}) =>
  verifier.run(
    async ({ presentation, nonce, options }) => {
      const work = es.verifyPresentation(Uint8Array.from(presentation), {
        nonce: Uint8Array.from(nonce),
        ...options,
      });
      const { value, code } = await outcome(work);
      return code ?? JSON.parse(JSON.stringify(value));
    },
    { presentation, nonce: [...nonce], options },
  );

test('H07 a presentation verifies with the nonce; altered, foreign, expired or replayed it does not', async () => {
  const [ada, bob] = await pair();
  const stranger = await peer('Stranger', { client: false });
  const key = await createSpace(ada);
  await join(ada, bob, { role: 'READER' });
  const nonce = randomBytes(24);
  const audience = 'https://example.org';
  const presentation = await present(bob, nonce, { audience });
  const who = await bob.run(() => client.halo.identity.get().identityKey.toHex());
  const device = await bob.run(() => client.halo.device.deviceKey.toHex());

  const shown = await verify(stranger, presentation, nonce, { audience, trust: [key] });
  assert.equal(shown.identityKey, who);
  assert.equal(shown.deviceKey, device);
  assert.equal(shown.audience, audience);
  assert.equal(shown.expires - shown.issued, 300_000);
  assert.deepEqual(shown.spaces, [{ spaceKey: key, role: 'READER' }]);
  assert.deepEqual(
    shown.credentials.map(({ type, subject, role, spaceKey }) => ({ type, subject, role, spaceKey })),
    [
      { type: 'DEVICE', subject: who, role: undefined, spaceKey: undefined },
      { type: 'MEMBER', subject: who, role: 'READER', spaceKey: key },
    ],
  );

  const now = Date.now();
  assert.equal(await verify(stranger, presentation, randomBytes(24)), 'PROOF_REPLAYED');
  assert.equal(
    await verify(stranger, presentation, nonce, { audience: 'https://other.org' }),
    'PROOF_REPLAYED',
  );
  assert.equal(await verify(stranger, presentation, nonce, { now: now + 3_600_000 }), 'PROOF_EXPIRED');
  assert.equal(await verify(stranger, presentation, nonce, { now: now - 3_600_000 }), 'PROOF_EXPIRED');
  assert.equal(await verify(stranger, presentation, nonce, { trust: [device] }), 'NOT_PERMITTED');
  const altered = presentation.with(-1, presentation.at(-1) ^ 1);
  assert.equal(await verify(stranger, altered, nonce), 'BAD_SIGNATURE');
  assert.equal(await verify(stranger, presentation.slice(0, -1), nonce), 'MALFORMED');

  const foreign = await bob.run(
    async ({ ids, nonce }) => outcome(client.halo.presentCredentials({ ids, nonce: Uint8Array.from(nonce) })),
    { ids: [await ada.run(() => client.halo.queryCredentials().get()[0].id)], nonce: [...nonce] },
  );
  assert.equal(foreign.code, 'NOT_FOUND');
  const short = await bob.run(() => outcome(client.halo.presentCredentials({ nonce: new Uint8Array(15) })));
  assert.equal(short.code, 'INVALID_ARGUMENT');
});

test('H07 echospace verify prints what a presentation shows', async () => {
  const [ada] = await pair();
  const key = await createSpace(ada);
  const nonce = randomBytes(16);
  const presentation = await present(ada, nonce);
  const folder = await mkdtemp(path(tmpdir(), 'echospace-'));
  const file = path(folder, 'presentation');
  await writeFile(file, Uint8Array.from(presentation));
  const run = (hex) =>
    new Promise((resolve) => {
      execFile(path(root, 'bin/echospace'), ['verify', file, '--nonce', hex], (error, stdout, stderr) =>
        resolve({ failed: error !== null, stdout, stderr }),
      );
    });
  const { stdout } = await run(nonce.toString('hex'));
  assert.match(stdout, new RegExp(`^member ${key} OWNER$`, 'm'));
  assert.match(stdout, /^credential [0-9a-f]{64} GENESIS /m);
  assert.match(stdout, /^credential [0-9a-f]{64} PROFILE "Ada" /m);
  const replayed = await run('00'.repeat(16));
  assert.equal(replayed.failed, true);
  assert.match(replayed.stderr, /PROOF_REPLAYED/);
  await rm(folder, { recursive: true });
});

test('H08 credentials are queried by type, and the query follows', async () => {
  const ada = await sharedPeer('Ada');
  const bob = await peer('Bob', { client: false });
  await bob.run(async () => {
    globalThis.early = new es.Client();
    globalThis.all = early.halo.queryCredentials();
    globalThis.members = early.halo.queryCredentials({ type: ['MEMBER', 'SET_ROLE'] });
    globalThis.seen = record(members, (list) => list.map(({ type, role }) => `${type} ${role}`));
    await early.initialize();
    await early.halo.createIdentity({ displayName: 'Bob' });
    globalThis.client = early;
  });
  assert.deepEqual(
    await bob.run(() => until(() => all.get().length === 1 && all.get().map(({ type }) => type))),
    ['DEVICE'],
  );
  await share(ada, bob);
  await bob.run(() => until(() => seen.at(-1)?.[0] === 'MEMBER EDITOR', 'the admission'));
  const who = await bob.run(() => client.halo.identity.get().identityKey.toHex());
  await ada.run((who) => space.setRole(who, 'ADMIN'), who);
  assert.deepEqual(await bob.run(() => until(() => seen.at(-1).length === 2 && seen.at(-1))), [
    'MEMBER EDITOR',
    'SET_ROLE ADMIN',
  ]);
  const fields = await bob.run(() => {
    const [first] = members.get();
    return {
      ...JSON.parse(JSON.stringify(first)),
      bytes: first.bytes instanceof Uint8Array && first.bytes.length > 100,
    };
  });
  const key = await ada.run(() => space.key.toHex());
  assert.deepEqual([fields.subject, fields.spaceKey, fields.text, fields.bytes], [who, key, 'Bob', true]);
  assert.equal(fields.issuer, await ada.run(() => client.halo.device.deviceKey.toHex()));
  assert.deepEqual(
    await bob.run(() => {
      const once = members.get();
      return [once === members.get(), seen[0]];
    }),
    [true, []],
  );
  assert.deepEqual(
    await bob.run(async () => {
      await client.destroy();
      return all.get();
    }),
    [],
  );
});

test('S16 the audit log tells who did what to whom, when, by which device and invitation', async () => {
  const [ada, bob] = await pair();
  const eve = await peer('Eve');
  await createSpace(ada);
  await ada.run(() => {
    globalThis.logs = record(space.auditLog, (log) => log.length);
  });
  await join(ada, bob, { role: 'ADMIN' });
  const invitation = await ada.run(() => offered.get().invitationId);
  await join(bob, eve);
  const [adaKey, bobKey, eveKey] = await Promise.all(
    [ada, bob, eve].map((who) => who.run(() => client.halo.identity.get().identityKey.toHex())),
  );
  await ada.run(async (eve) => {
    await until(() => space.members.get().length === 3, 'three members');
    await space.setRole(eve, 'READER');
    await space.removeMember(eve);
  }, eveKey);
  const wanted = [
    ' FOUNDED Ada OWNER',
    'Ada RENAMED Ada',
    'Ada ADMITTED Bob ADMIN',
    'Bob ADMITTED Eve EDITOR',
    'Ada ROLE_CHANGED Eve READER',
    'Ada REMOVED Eve',
  ];
  for (const who of [ada, bob]) {
    const lines = await who.run(async (length) => {
      const say = ({ by, action, subject, role = '', valid }) =>
        `${by?.displayName ?? ''} ${action} ${subject.displayName} ${role}${valid ? '' : ' void'}`.trimEnd();
      const log = await until(async () => {
        const list = (await space.audit()).filter(({ action }) => action !== 'DEVICE_ADDED');
        return list.length >= length && list;
      }, 'the whole log');
      return log.map(say);
    }, wanted.length);
    assert.deepEqual(lines, wanted);
  }
  const { log, devices, now, lengths } = await ada.run(async () => {
    await until(() => logs.at(-1) >= 7, 'the observable follows');
    return {
      log: JSON.parse(JSON.stringify(await space.audit())),
      devices: [
        client.halo.device.deviceKey.toHex(),
        space.members
          .get()
          .find(({ self }) => !self)
          .devices[0].deviceKey.toHex(),
      ],
      now: Date.now(),
      lengths: logs,
    };
  });
  assert.deepEqual(
    lengths,
    [...lengths].sort((a, b) => a - b),
  );
  const admissions = log.filter(({ action }) => action === 'ADMITTED');
  assert.deepEqual(
    admissions.map(({ by, issuer, subject }) => [by.identityKey, issuer, subject.identityKey]),
    [
      [adaKey, devices[0], bobKey],
      [bobKey, devices[1], eveKey],
    ],
  );
  assert.equal(admissions[0].invitationId, invitation);
  for (const { time } of log) assert.ok(Math.abs(now - time) < 600_000);
  const closed = await ada.run(async () => {
    await space.close();
    return (await outcome(space.audit())).code;
  });
  assert.equal(closed, 'SPACE_CLOSED');
});
