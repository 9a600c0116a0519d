// What invitations to a space and invitations for a device have in common.

import assert from 'node:assert/strict';
import { accept, authenticate, createSpace, ends, offer, reaches, world, wrong } from './harness.mjs';

const { test, peer, sharedPeer } = world();

const kinds = [
  {
    name: '',
    guest: (open) => open('Bob'),
    prepare: createSpace,
    from: 'space',
    nothing: (guest) => guest.run(() => accepted.get().spaceKey === undefined),
  },
  {
    name: 'device: ',
    guest: () => peer('her pocket', { identity: null }), // it has no identity yet
    prepare: () => {},
    from: 'halo',
    nothing: (guest) => guest.run(() => !client.halo.identity.get()),
  },
];

for (const { name, guest, prepare, from, nothing } of kinds) {
  /** A host that has what it invites to, and a guest; `open` makes the one that a test wrecks. */
  const pair = async ({ host = sharedPeer, other = sharedPeer } = {}) => {
    const ada = await host('Ada');
    const bob = await guest(other);
    await prepare(ada);
    return [ada, bob];
  };
  const invite = (ada, options) => offer(ada, options, from);

  test(`I03 ${name}a wrong code once, then the right one: SUCCESS`, async () => {
    const [ada, bob] = await pair();
    const { code, authCode } = await invite(ada);
    await accept(bob, code);
    const { code: error, attemptsLeft } = await authenticate(bob, wrong(authCode));
    assert.deepEqual({ error, attemptsLeft }, { error: 'WRONG_AUTH_CODE', attemptsLeft: 2 });
    assert.equal((await authenticate(bob, authCode)).code, undefined);
    assert.equal((await ends(ada, 'offered')).state, 'SUCCESS');
  });

  test(`I04 ${name}three wrong codes: both end with TOO_MANY_ATTEMPTS, and the guest has nothing`, async () => {
    const [ada, bob] = await pair();
    const { code, authCode } = await invite(ada);
    await accept(bob, code);
    const codes = [];
    for (let i = 0; i < 3; i++) codes.push((await authenticate(bob, wrong(authCode))).code);
    assert.deepEqual(codes, ['WRONG_AUTH_CODE', 'WRONG_AUTH_CODE', 'TOO_MANY_ATTEMPTS']);
    assert.deepEqual(await ends(ada, 'offered'), { state: 'ERROR', code: 'TOO_MANY_ATTEMPTS' });
    assert.deepEqual(await ends(bob, 'accepted'), { state: 'ERROR', code: 'TOO_MANY_ATTEMPTS' });
    assert.equal(await nothing(bob), true);
  });

  test(`I05 ${name}timeout of the invitation: host TIMEOUT, the guest is told`, async () => {
    const [ada, bob] = await pair();
    const { code } = await invite(ada, { timeout: 1500 });
    await accept(bob, code);
    await reaches(bob, 'accepted', 'READY_FOR_AUTHENTICATION');
    assert.deepEqual(await ends(ada, 'offered'), { state: 'TIMEOUT', code: 'TIMEOUT' });
    assert.notEqual((await ends(bob, 'accepted')).state, 'SUCCESS');
    await ada.run(
      (from) =>
        until(
          () => (from === 'halo' ? client.halo : space).invitations.get().every((i) => i !== offered),
          'it is on no list',
        ),
      from,
    );
  });

  test(`I05 ${name}timeout of one guest: that guest TIMEOUT, the host goes on`, async () => {
    const [ada, bob] = await pair();
    const { code, authCode } = await invite(ada);
    await accept(bob, code, { timeout: 1000 });
    assert.deepEqual(await ends(bob, 'accepted'), { state: 'TIMEOUT', code: 'TIMEOUT' });
    await accept(bob, code);
    assert.equal((await authenticate(bob, authCode)).code, undefined);
  });

  test(`I06 ${name}host cancels while connected: host CANCELLED, guest CANCELLED_BY_HOST`, async () => {
    const [ada, bob] = await pair();
    const { code, authCode } = await invite(ada);
    await accept(bob, code);
    await reaches(bob, 'accepted', 'READY_FOR_AUTHENTICATION');
    await ada.run(() => offered.cancel());
    assert.equal((await ends(ada, 'offered')).state, 'CANCELLED');
    assert.equal((await ends(bob, 'accepted')).code, 'CANCELLED_BY_HOST');
    assert.equal((await authenticate(bob, authCode)).code, 'CANCELLED_BY_HOST');
  });

  test(`I07 I20 ${name}guest cancels: guest CANCELLED, the host waits for the next`, async () => {
    const [ada, bob] = await pair();
    const { code, authCode } = await invite(ada);
    await accept(bob, code);
    await reaches(bob, 'accepted', 'READY_FOR_AUTHENTICATION');
    await bob.run(() => accepted.cancel());
    assert.equal((await ends(bob, 'accepted')).state, 'CANCELLED');
    await accept(bob, code);
    assert.equal((await authenticate(bob, authCode)).code, undefined);
    assert.equal((await ends(ada, 'offered')).state, 'SUCCESS');
  });

  test(`I08 I20 ${name}a guest that breaks off: the host waits, the guest may try again`, async () => {
    const [ada, bob] = await pair({ other: peer });
    const { code, authCode } = await invite(ada);
    await accept(bob, code);
    await reaches(ada, 'offered', 'READY_FOR_AUTHENTICATION');
    await bob.reload();
    await bob.open();
    await accept(bob, code);
    assert.equal((await authenticate(bob, authCode)).code, undefined);
    assert.equal((await ends(ada, 'offered')).state, 'SUCCESS');
  });

  test(`I09 ${name}host gone: the guest errors within seconds`, async () => {
    const [ada, bob] = await pair({ host: peer });
    const { code } = await invite(ada);
    await accept(bob, code);
    await reaches(bob, 'accepted', 'READY_FOR_AUTHENTICATION');
    await ada.close();
    assert.deepEqual(await ends(bob, 'accepted'), { state: 'ERROR', code: 'HOST_UNREACHABLE' });
  });

  test(`I24 ${name}the same code opened twice in one client gives the same invitation`, async () => {
    const [ada, bob] = await pair();
    const { code } = await invite(ada);
    await accept(bob, code);
    assert.equal(
      await bob.run((code) => {
        const invitation = es.InvitationEncoder.decode(code);
        const again = (invitation.kind === 'DEVICE' ? client.halo : client).acceptInvitation(invitation);
        again.cancel();
        return again === accepted;
      }, code),
      true,
    );
  });

  test(`I26 ${name}each state is seen once, in order, on both sides`, async () => {
    const [ada, bob] = await pair();
    const { code, authCode } = await invite(ada);
    await accept(bob, code);
    await reaches(bob, 'accepted', 'READY_FOR_AUTHENTICATION');
    await authenticate(bob, authCode);
    await ends(ada, 'offered');
    const order = [
      'INIT',
      'CONNECTING',
      'CONNECTED',
      'READY_FOR_AUTHENTICATION',
      'AUTHENTICATING',
      'SUCCESS',
      'complete',
    ];
    for (const [who, list] of [
      [ada, 'offeredStates'],
      [bob, 'acceptedStates'],
    ]) {
      const states = await who.run((list) => globalThis[list], list);
      assert.deepEqual(states, order.slice(order.indexOf(states[0])), `${who.name}: ${states}`);
      assert.ok(['INIT', 'CONNECTING'].includes(states[0]), `${who.name}: ${states}`);
    }
  });

  test(`I28 ${name}an invitation made while the host is offline works when it is online`, async () => {
    const [ada, bob] = await pair();
    await ada.run(() => client.mesh.goOffline());
    const { code, authCode } = await invite(ada);
    await accept(bob, code);
    const joining = authenticate(bob, authCode);
    await ada.run(() => client.mesh.goOnline());
    assert.equal((await joining).code, undefined);
    assert.equal((await ends(ada, 'offered')).state, 'SUCCESS');
  });
}
