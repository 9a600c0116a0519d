//go:build js

package bind

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/storage/memstore"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// helpers are what the JavaScript of a test finds besides its arguments.
const helpers = `
	const same = (got, want, what) => {
		const text = (v) => JSON.stringify(v, (_, x) => typeof x === 'bigint' ? x + 'n' : Object.is(x, -0) ? '-0' : x !== x ? 'NaN' : x);
		if (text(got) !== text(want)) throw new Error(what + ': got ' + text(got) + ', want ' + text(want));
	};
	const refused = (result, code, what) => {
		if (!(result instanceof Error)) throw new Error(what + ': was taken: ' + result);
		same(result.code, code, what);
		return result;
	};
	const rejected = (promise, code, what) => promise.then(
		(value) => { throw new Error(what + ': resolved to ' + value) },
		(error) => refused(error, code, what));
	const until = async (condition, what) => {
		for (const end = Date.now() + 60000; !condition(); await new Promise((r) => setTimeout(r, 5)))
			if (Date.now() > end) throw new Error('still not so: ' + what);
	};
`

// page is the api object over memory, as a page finds it.
type page struct {
	api   safejs.Value
	exits atomic.Int32
	alter func(Options, *client.Ports)
}

func newPage(t *testing.T) *page {
	t.Helper()
	p := &page{}
	e := env.Env{Clock: env.ClockFunc(time.Now), Rand: rand.Reader, Log: env.NoLog{}}
	ports := func(o Options) client.Ports {
		// Like a profile, the store outlives the clients that open it.
		disk, ks := memstore.NewDisk(), keys.NewMemoryKeyStore(e)
		ports := client.Ports{
			Env: e,
			OpenStore: func(context.Context, func(error)) (client.Storage, error) {
				return client.Storage{Store: disk.Open(), Keys: ks, Destroy: func(context.Context) error { return nil }}, nil
			},
			Relays: func(func()) []client.Relay { return []client.Relay{} },
			Slot:   func(context.Context) (uint32, func(), error) { return 0, func() {}, nil },
			Lock:   func(context.Context, string) (func(), error) { return func() {}, nil },
		}
		if p.alter != nil {
			p.alter(o, &ports)
		}
		return ports
	}
	p.api = Make(t.Context(), ports, func(func()) func() { return func() {} }, func() { p.exits.Add(1) })
	return p
}

// run calls an async JavaScript function with the api and, if open, a client
// with a space.
func (p *page) run(t *testing.T, body string) {
	t.Helper()
	source := `(async (api) => { ` + helpers + `
		const open = async () => {
			const client = api.createClient({storageName: 'test'});
			await client.initialize();
			await client.createIdentity({displayName: 'Ada'});
			return [client, await client.createSpace()];
		};
	` + body + ` })`
	f, err := safejs.Global().Call("eval", source)
	if err != nil {
		t.Fatal(err)
	}
	promise, err := f.Invoke(p.api)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := jsval.Await(ctx, promise); err != nil {
		t.Fatal(err)
	}
}

func TestObjects_O01_addReadChangeRemoveRestore(t *testing.T) {
	newPage(t).run(t, `
		const [client, space] = await open();
		const id = space.add({title: 'Water', done: false, note: 'x', 'ü': 1});
		same(/^[0-9a-f]{32}$/.test(id), true, 'id');
		same(space.get(id), {done: false, note: 'x', title: 'Water', 'ü': 1}, 'added');
		same(space.update(id, {done: true, note: undefined, owner: {name: 'Ada'}, left: null}), undefined, 'update');
		same(space.get(id), {done: true, left: null, owner: {name: 'Ada'}, title: 'Water', 'ü': 1}, 'updated');
		space.update(id, {owner: {age: 7}});
		same(space.get(id).owner, {age: 7}, 'a nested object is set as a whole');
		same(space.update(id, {}), undefined, 'nothing to update');
		same(space.remove(id), undefined, 'remove');
		same(space.remove(id), undefined, 'remove again');
		same(space.get(id), undefined, 'removed');
		refused(space.update(id, {done: false}), 'NOT_FOUND', 'update of a removed one');
		same(space.restore(id), undefined, 'restore');
		same(space.get(id).title, 'Water', 'restored');
		same(space.get('f'.repeat(32)), undefined, 'unknown');
		refused(space.remove('f'.repeat(32)), 'NOT_FOUND', 'remove of an unknown one');
		for (const bad of [undefined, 1, 1n, 'x', '', id + '0', null, {}])
			refused(space.get(bad), 'INVALID_ARGUMENT', 'id ' + String(bad));
		await space.flush({});
		await space.close();
		refused(space.get(id), 'SPACE_CLOSED', 'closed');
		await space.open();
		same(space.get(id).title, 'Water', 'stored');
	`)
}

func TestObjects_O04_valuesAreKept(t *testing.T) {
	newPage(t).run(t, `
		const [client, space] = await open();
		const own = (o, name, value) => Object.defineProperty(o, name, {value, enumerable: true, configurable: true, writable: true});
		const values = {
			null: null, true: true, false: false, zero: 0, minusZero: -0, nan: NaN, infinity: -Infinity, half: 0.5,
			safe: Number.MAX_SAFE_INTEGER, unsafe: 2 ** 60, least: Number.MIN_SAFE_INTEGER, tiny: 5e-324, negative: -33,
			big: 12345678901234567890123n, minusBig: -1n, bigZero: 0n,
			empty: '', emoji: '👩‍🚀', nul: '\0', long: 'ä'.repeat(500000),
			nested: {deep: {er: {}}}, foreign: Object.assign(Object.create(null), {a: 1}),
			proto: own({}, '__proto__', {mine: true}), '': 'no name',
		};
		const id = space.add({...values, date: new Date(-1), bytes: Uint8Array.of(0, 255)});
		const got = space.get(id);
		for (const [name, value] of Object.entries(values)) same(got[name], value, name);
		same(Object.is(got.minusZero, -0), true, 'minus zero');
		same(typeof got.big, 'bigint', 'big integers');
		same(Object.hasOwn(got.proto, '__proto__'), true, 'a property named __proto__');
		same([got.date instanceof Date, got.date.getTime()], [true, -1], 'date');
		same([got.bytes instanceof Uint8Array, ...got.bytes], [true, 0, 255], 'bytes');
	`)
}

func TestObjects_O04_othersAreRefusedByName(t *testing.T) {
	newPage(t).run(t, `
		const [client, space] = await open();
		class Task {}
		const cyclic = {}; cyclic.self = cyclic;
		const cases = {
			undefined: undefined, function: () => 1, symbol: Symbol('s'), array: [1], map: new Map(), class: new Task(),
			float: new Float32Array(1), loneHigh: 'a\ud800', loneLow: '\udc00b', invalidDate: new Date(NaN), boxed: new String('a'),
			symbolKey: {[Symbol('s')]: 1}, badKey: {'\ud800': 1}, cyclic, throwing: {get x() { throw new Error('no') }},
		};
		const seen = []; space.query(undefined, (list) => seen.push(list.length));
		for (const [name, value] of Object.entries(cases)) {
			const error = refused(space.add({deep: {[name]: value}}), 'UNSUPPORTED_VALUE', name);
			same(error.path.startsWith('deep.' + name), true, 'path of ' + name + ': ' + error.path);
			same(error.message.includes(error.path), true, 'the message names the path');
		}
		for (const value of [undefined, null, 1, 1n, 'x', [], new Date()]) refused(space.add(value), 'UNSUPPORTED_VALUE', 'add ' + String(value));
		const id = space.add({kept: 1});
		refused(space.update(id, {kept: 2, bad: '\ud800'}), 'UNSUPPORTED_VALUE', 'update');
		refused(space.query({bad: []}, () => {}), 'UNSUPPORTED_VALUE', 'filter');
		same(space.get(id), {kept: 1}, 'a refused update changes nothing');
		await until(() => seen.length > 1, 'the query heard');
		same(seen.at(-1), 1, 'what was refused is not there');
	`)
}

func TestObjects_O06_query(t *testing.T) {
	newPage(t).run(t, `
		const [client, space] = await open();
		const first = space.add({kind: 'task', title: 'a', n: 1});
		let all, tasks, titles = [];
		const stopAll = space.query(undefined, (list, ids) => { all = ids });
		const stop = space.query({kind: 'task', n: 1}, (list, ids) => { tasks = ids; titles = list.map((o) => o.title) });
		same(all, [first], 'the first result comes at once');
		same(titles, ['a'], 'with the objects');
		const second = space.add({kind: 'task', title: 'b', n: 1}), third = space.add({kind: 'note', n: 1});
		await until(() => all.length === 3, 'all');
		same(all, [first, second, third], 'in the order of creation');
		same(tasks, [first, second], 'only what is equal');
		space.update(first, {title: 'A'});
		await until(() => titles[0] === 'A', 'a change is told');
		space.update(first, {n: 2});
		await until(() => tasks.length === 1, 'one left the result');
		space.remove(second); space.update(first, {n: 1});
		await until(() => tasks[0] === first && tasks.length === 1, 'one left, one came back');
		space.restore(second);
		await until(() => tasks.length === 2, 'restored');
		same(tasks, [first, second], 'at its place');
		refused(space.onChange(() => {}), 'INVALID_ARGUMENT', 'onChange beside queries');
		await space.close(); await space.open();
		space.update(second, {title: 'B'});
		await until(() => titles[1] === 'B', 'goes on after the space was closed');
		stop(); stop(); stopAll();
		const before = titles.length;
		space.add({kind: 'task', n: 1});
		const stopChanges = space.onChange(() => {});
		refused(space.query(undefined, () => {}), 'INVALID_ARGUMENT', 'query beside onChange');
		stopChanges();
		let count; space.query({kind: 'task', n: 1}, (list) => { count = list.length });
		same([count, titles.length], [3, before], 'a stopped query hears nothing');
	`)
}

// C10: wherever the panic is, what is pending is rejected, the status tells, and
// nothing is taken any more.
func TestCrash_C10(t *testing.T) {
	cases := map[string]func(*client.Storage){
		"in a call":      func(*client.Storage) { panic("on request") },
		"in a goroutine": func(s *client.Storage) { s.Persist = func(context.Context) bool { panic("on request") } },
	}
	for name, crash := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPage(t)
			p.alter = func(o Options, ports *client.Ports) {
				open := ports.OpenStore
				ports.OpenStore = func(ctx context.Context, lost func(error)) (client.Storage, error) {
					if o.StorageName == "stuck" {
						select {}
					}
					s, err := open(ctx, lost)
					crash(&s)
					return s, err
				}
			}
			p.run(t, `
				const stuck = api.createClient({storageName: 'stuck'});
				const states = []; stuck.observe('status', (s) => states.push(s));
				const pending = rejected(stuck.initialize(), 'CRASHED', 'pending');
				const client = api.createClient({});
				const initialize = client.initialize().catch((error) => refused(error, 'CRASHED', 'initialize'));
				same((await pending).message.includes('on request'), true, 'the reason is told');
				await initialize;
				await until(() => states.at(-1).state === 'crashed', 'the status tells');
				refused(states.at(-1).error, 'CRASHED', 'why');
				refused(client.initialize(), 'CRASHED', 'a later call for a promise');
				refused(client.acceptInvitation('x'), 'CRASHED', 'a later call');
				refused(api.createClient({}), 'CRASHED', 'a later client');
			`)
			if n := p.exits.Load(); n != 1 {
				t.Errorf("the module was ended %d times, want once", n)
			}
		})
	}
}

func TestClient_deviceInvitations(t *testing.T) {
	newPage(t).run(t, `
		const [client] = await open();
		refused(client.createDeviceInvitation({role: 'READER'}), 'INVALID_ARGUMENT', 'a device with a role');
		refused(client.acceptDeviceInvitation('x', {}), 'INVALID_INVITATION', 'no code');
	`)
}

// An invitation that has ended, and that the page has let go of, is gone.
func TestInvitation_isForgotten(t *testing.T) {
	newPage(t).run(t, `
		const [client, space] = await open();
		const before = api.functions();
		const offer = async () => {
			const invitation = space.createInvitation({});
			const states = [];
			const stop = invitation.observe('value', ({state}) => states.push(state));
			same(space.createInvitation({}) === invitation, false, 'another one');
			await invitation.cancel();
			await until(() => states.at(-1) === 'CANCELLED', 'it ends');
			stop();
		};
		let others = [];
		const end = space.observe('invitations', (list) => { others = list; });
		for (let n = 0; n < 20; n++) await offer();
		same(others.length, 20, 'those under way are held');
		for (const invitation of others) await invitation.cancel();
		await until(() => others.length === 0, 'all have ended');
		end();
		const most = api.functions();
		same(most >= before + 20 * 2 * 4, true, 'functions were made: ' + (most - before));
		await until(() => {
			for (let n = 0; n < 256; n++) new Array(1 << 16).fill(n); // for the browser's collector
			for (let n = 0; n < 50; n++) client.acceptInvitation('x'.repeat(1 << 16)); // for Go's
			return api.functions() < before + 20;
		}, 'the functions are gone, but for ' + (api.functions() - before));
	`)
}
