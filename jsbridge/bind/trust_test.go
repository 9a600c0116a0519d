//go:build js

package bind

import "testing"

// H07 H08 with nothing but the plain objects.
func TestTrust_H07_H08_plainObjects(t *testing.T) {
	newPage(t).run(t, `
		const [client, space] = await open();
		const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
		let mine; const stop = client.observe('credentials', (list) => { mine = list });
		await until(() => mine?.length === 3, 'the credentials');
		same(mine.map(({type, role, text}) => [type, role, text]), [['DEVICE', undefined, undefined], ['GENESIS', 'OWNER', undefined], ['PROFILE', undefined, 'Ada']], 'types');
		same(mine.map((c) => c.spaceKey && hex(c.spaceKey)), [undefined, hex(space.key), hex(space.key)], 'spaces');
		const nonce = Uint8Array.from({length: 16}, (_, i) => i), now = Date.now();
		const ids = mine.map(({id}) => id);
		const bytes = await client.presentCredentials({ids, nonce, audience: 'me'});
		const shown = api.verifyPresentation(bytes, {nonce, now, trust: [space.key]});
		same([shown.audience, hex(shown.identityKey), shown.spaces.map(({role}) => role), shown.credentials.map(({id}) => id).sort()],
			['me', hex(mine[0].subject), ['OWNER'], ids.toSorted()], 'shown');
		refused(api.verifyPresentation(bytes, {nonce: nonce.slice(1), now}), 'PROOF_REPLAYED', 'another nonce');
		refused(api.verifyPresentation(bytes, {nonce, now: 0}), 'PROOF_EXPIRED', 'long before');
		for (const [what, ...args] of [['nothing'], ['no bytes', 'x', {nonce, now}], ['no options', bytes], ['no nonce', bytes, {now}],
			['a short key', bytes, {nonce, now, trust: [new Uint8Array(31)]}], ['no key', bytes, {nonce, now, trust: [1]}]])
			refused(api.verifyPresentation(...args), 'INVALID_ARGUMENT', what);
		refused(api.verifyPresentation(new Uint8Array(3), {nonce, now}), 'MALFORMED', 'junk');
		for (const o of [undefined, {}, {nonce: 'x'}, {nonce: new Uint8Array(15)}, {nonce, ids: [1]}, {nonce, ids: ['00']}])
			await rejected(client.presentCredentials(o), 'INVALID_ARGUMENT', 'presentCredentials ' + JSON.stringify(o));
		await rejected(client.presentCredentials({nonce, ids: ['00'.repeat(32)]}), 'NOT_FOUND', 'unknown');
		stop();
	`)
}

func TestTrust_S16_audit(t *testing.T) {
	newPage(t).run(t, `
		const [client, space] = await open();
		const say = ({byName, action, subjectName, valid}) => [byName, action, subjectName, valid];
		const want = [[undefined, 'FOUNDED', 'Ada', true], ['Ada', 'RENAMED', 'Ada', true]];
		const without = (log) => log.filter(({action}) => action !== 'DEVICE_ADDED').map(say);
		same(without(space.audit()), want, 'audit');
		const seen = []; const stop = space.observe('audit', (log) => seen.push(without(log)));
		same(seen, [want], 'observed at once');
		await client.updateProfile({displayName: 'Ada L.'});
		await until(() => seen.length === 2, 'the new name is told');
		same(seen[1].at(-1), ['Ada L.', 'RENAMED', 'Ada L.', true], 'the new entry');
		await space.close();
		refused(space.audit(), 'SPACE_CLOSED', 'closed');
		stop();
	`)
}

func TestInvitation_I11_options(t *testing.T) {
	newPage(t).run(t, `
		const [client, space] = await open();
		const guestKey = space.key;
		for (const o of [{authMethod: 'KNOWN_PUBLIC_KEY'}, {guestKey}, {authMethod: 'NONE', guestKey}, {authMethod: 'KNOWN_PUBLIC_KEY', guestKey: new Uint8Array(32)},
			{authMethod: 'KNOWN_PUBLIC_KEY', guestKey: new Uint8Array(31)}, {authMethod: 'KNOWN_PUBLIC_KEY', guestKey: 'x'}, {role: 'KING'}, {authMethod: 'TRUST'}])
			refused(space.createInvitation(o), 'INVALID_ARGUMENT', JSON.stringify(o));
		const invitation = space.createInvitation({authMethod: 'KNOWN_PUBLIC_KEY', guestKey, role: 'KEEPER'});
		same([invitation.get().authMethod, invitation.get().authCode, invitation.get().role], ['KNOWN_PUBLIC_KEY', undefined, 'KEEPER'], 'taken');
	`)
}
