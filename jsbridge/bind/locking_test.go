//go:build js

package bind

import "testing"

// TestClient_locking passes what opens a profile through the plain API.
func TestClient_locking(t *testing.T) {
	newPage(t).run(t, `
		const bytes = (text) => new TextEncoder().encode(text);
		const client = api.createClient({storageName: 'test'});
		const statuses = []; client.observe('status', (s) => statuses.push(s));
		const storage = () => { const {passphrase, passkeys} = statuses.at(-1).storage; return {passphrase, passkeys}; };
		await rejected(client.initialize({passphrase: 'text'}), 'INVALID_ARGUMENT', 'a passphrase that is a string');
		await rejected(client.initialize({passphrase: new Uint8Array()}), 'INVALID_ARGUMENT', 'an empty passphrase');
		await rejected(client.setPassphrase(bytes('x')), 'NOT_INITIALIZED', 'setPassphrase');
		const given = bytes('one');
		await client.initialize({passphrase: given});
		same([...given], [...bytes('one')], 'what the page gave stays its own');
		same(storage(), {passphrase: true, passkeys: 0}, 'status');
		await client.destroy();
		const locked = await rejected(client.initialize(), 'PASSPHRASE_REQUIRED', 'no passphrase');
		same([locked.passphrase, locked.passkeys], [true, 0], 'details');
		await rejected(client.initialize({passphrase: bytes('two')}), 'WRONG_PASSPHRASE', 'a wrong passphrase');
		await client.initialize({passphrase: bytes('one')});
		const salt = new Uint8Array(32).fill(3), secret = new Uint8Array(32).fill(4);
		await rejected(client.addPasskey(bytes('id'), salt), 'INVALID_ARGUMENT', 'no secret');
		await rejected(client.addPasskey(bytes('id'), salt, new Uint8Array(31)), 'INVALID_ARGUMENT', 'a short secret');
		await client.addPasskey(bytes('id'), salt, secret);
		same(storage(), {passphrase: true, passkeys: 1}, 'status');
		await rejected(client.setPassphrase('text'), 'INVALID_ARGUMENT', 'a string');
		await client.setPassphrase();
		same(storage(), {passphrase: false, passkeys: 1}, 'status');
		await client.destroy();
		await rejected(client.initialize({passphrase: bytes('one')}), 'PASSPHRASE_REQUIRED', 'the former passphrase');
		const asked = [];
		const ask = (answer) => ({askPasskey: async (among) => { asked.push(among.map((p) => [[...p.credential], [...p.salt]])); return answer(); }});
		const no = Object.assign(new Error('no'), {name: 'EchospaceError', code: 'CANCELLED'});
		await rejected(client.initialize(ask(() => { throw no; })), 'CANCELLED', 'a person who says no');
		await rejected(client.initialize({askPasskey: () => { throw no; }}), 'CANCELLED', 'one that throws');
		await rejected(client.initialize(ask(() => 'text')), 'INVALID_ARGUMENT', 'an answer of the wrong form');
		await rejected(client.initialize(ask(() => new Uint8Array(32))), 'WRONG_PASSPHRASE', 'another secret');
		await client.initialize(ask(() => secret.slice()));
		same(asked, Array(4).fill([[[...bytes('id')], [...salt]]]), 'asked');
		await client.removePasskeys();
		await client.destroy();
		await client.initialize();
		same(storage(), {passphrase: false, passkeys: 0}, 'status');
	`)
}
