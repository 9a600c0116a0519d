import { EchospaceError, toEchospaceError } from './errors.js';
import { Halo } from './halo.js';
import { AuthenticatingInvitation, codeOf } from './invitation.js';
import { PublicKey } from './keys.js';
import { checkPlatform } from './loader.js';
import { askPasskey, makePasskey, passphraseBytes } from './locking.js';
import { Observable, observeOutside, Source } from './observable.js';
import type { RawClient, RawNetwork, RawSpace, RawStatus, RawUnlock } from './raw.js';
import { openRuntime, type Runtime } from './runtime.js';
import { Space } from './space.js';
import type { ClientOptions, ClientStatus, DecodedInvitation, Invitation, NetworkStatus } from './types.js';

/** The version of this package. */
declare const ECHOSPACE_VERSION: string;

/** The list of spaces: as an observable, and by key or id. */
export class SpaceList extends Observable<Space[]> {
  /** All spaces of the identity; empty before `initialize()`. */
  override get(): Space[];
  /** The space with that key, or that key or id as a string; undefined if there is none. */
  override get(key: PublicKey | string): Space | undefined;
  override get(key?: PublicKey | string): Space[] | Space | undefined {
    const spaces = super.get();
    if (key === undefined) return spaces;
    return spaces.find((space) => space.id === key || space.key.equals(key));
  }
}

/** The network as the client sees it. */
export interface Mesh {
  readonly networkStatus: Observable<NetworkStatus>;
  /** Leaves the network until `goOnline()`; work goes on locally. */
  goOffline(): Promise<void>;
  goOnline(): Promise<void>;
}

/** A client that is running: its module, its object in the core, and how to stop listening to it. */
export interface Connection {
  readonly runtime: Runtime;
  readonly raw: RawClient;
  readonly stops: (() => void)[];
}

const closed: ClientStatus = {
  state: 'closed',
  storage: { persistent: false, passphrase: false, passkeys: 0 },
};
/** What `initialize()` fails with if the profile is locked and was not opened. */
const locked: ReadonlySet<string> = new Set(['PASSPHRASE_REQUIRED', 'WRONG_PASSPHRASE', 'CANCELLED']);
const offline: NetworkStatus = { state: 'offline', relay: [], peers: [] };

/**
 * One profile of a person in this browser: the identity, its spaces, and the
 * network between its devices and the members of its spaces.
 *
 * ```ts
 * const client = new Client();
 * await client.initialize();
 * if (!client.halo.identity.get()) await client.halo.createIdentity();
 * const space = await client.createSpace();
 * ```
 */
export class Client {
  /** The version of this package. */
  readonly version: string = ECHOSPACE_VERSION;
  /** Whether the client is open, and why not. */
  readonly status: Observable<ClientStatus>;
  /** The identity and its devices. */
  readonly halo: Halo;
  readonly spaces: SpaceList;
  readonly mesh: Mesh;

  readonly #options: ClientOptions;
  #passphrase: string | undefined;
  readonly #status = new Source<ClientStatus>(closed);
  readonly #network = new Source<NetworkStatus>(offline);
  readonly #spaces = new Source<Space[]>([]);
  readonly #known = new Map<string, Space>();
  #opening: Promise<Connection> | undefined;
  #connection: Connection | undefined;
  /** What found the profile locked and could not open it: it may be erased. */
  #refused: Connection | undefined;
  #closing: Promise<void> | undefined;

  /** Makes a client. Nothing is loaded, stored or sent before {@link Client.initialize}. */
  constructor(options: ClientOptions = {}) {
    this.#options = options;
    this.#passphrase = options.config?.storage?.passphrase;
    this.status = new Observable(this.#status);
    this.spaces = new SpaceList(this.#spaces);
    this.halo = new Halo((what) => this.#require(what));
    this.mesh = {
      networkStatus: new Observable(this.#network),
      goOffline: () => this.#call('goOffline', (raw) => raw.goOffline()),
      goOnline: () => this.#call('goOnline', (raw) => raw.goOnline()),
    };
  }

  /** True between `initialize()` and `destroy()`. */
  get initialized(): boolean {
    return this.#connection !== undefined;
  }

  /**
   * Loads the core and opens this profile. May be called again, and after
   * `destroy()`; a call that failed may be repeated.
   *
   * @throws WASM_UNAVAILABLE, UNSUPPORTED_BROWSER, INSECURE_CONTEXT,
   *   STORAGE_UNAVAILABLE, PASSPHRASE_REQUIRED, WRONG_PASSPHRASE or VERSION_UNSUPPORTED;
   *   CANCELLED if no passkey was given. A profile that does not open is left as it was.
   */
  async initialize(): Promise<void> {
    await this.#closing;
    this.#opening ??= this.#open().catch((error) => {
      this.#opening = undefined;
      throw error;
    });
    await this.#opening;
  }

  async #open(): Promise<Connection> {
    this.#status.next({ ...closed, state: 'opening' });
    let unlock: RawUnlock = {};
    let connection: Connection | undefined;
    this.#refused = undefined;
    try {
      unlock = this.#unlock();
      checkPlatform();
      const runtime = await openRuntime(wasmAddress(this.#options));
      const raw = runtime.call(() => runtime.api.createClient(rawOptions(this.#options)));
      connection = { runtime, raw, stops: [] };
      await runtime.guard(raw.initialize(unlock));
      this.#connection = connection;
      this.#follow(connection);
      return connection;
    } catch (error) {
      const failure = toEchospaceError(error);
      const state = failure.code === 'CRASHED' ? 'crashed' : 'closed';
      if (locked.has(failure.code)) this.#refused = connection;
      this.#status.next({ ...closed, state, error: failure });
      throw failure;
    } finally {
      unlock.passphrase?.fill(0);
    }
  }

  #unlock(): RawUnlock {
    const { passkey } = this.#options.config?.storage ?? {};
    return {
      ...(this.#passphrase !== undefined && {
        passphrase: passphraseBytes('initialize', this.#passphrase),
      }),
      ...(passkey && { askPasskey: (among) => askPasskey('initialize', among) }),
    };
  }

  /** Keeps the observables at what the core says. */
  #follow(connection: Connection): void {
    const { runtime, raw, stops } = connection;
    stops.push(
      runtime.call(() => raw.observe('status', (value) => this.#statusChanged(connection, statusOf(value)))),
      runtime.call(() => raw.observe('network', (value) => this.#network.next(networkOf(value)))),
      observeOutside(
        (cb: (values: RawSpace[]) => void) => runtime.call(() => raw.observe('spaces', cb)),
        (values) => this.#spaces.next(values.map((value) => this.#space(value))),
      ),
      ...this.halo.follow(connection),
      runtime.onCrash((error) => this.#status.next({ ...this.#status.value, state: 'crashed', error })),
    );
  }

  #statusChanged(connection: Connection, status: ClientStatus): void {
    const { state, error } = status;
    if (state === 'crashed') connection.runtime.crash(error);
    else if (state === 'closed' && error) queueMicrotask(() => this.#disconnect(connection, status));
    else this.#status.next(status);
  }

  /**
   * Closes the client: spaces close, the network is left, what was written is
   * stored first. May be called again, and before `initialize()`.
   */
  destroy(): Promise<void> {
    this.#closing ??= this.#close().finally(() => {
      this.#closing = undefined;
    });
    return this.#closing;
  }

  async #close(): Promise<void> {
    const connection = await this.#opening?.catch(() => undefined);
    if (!connection) return;
    const { runtime, raw } = connection;
    if (!runtime.crashed) {
      for (const space of this.#known.values()) space.commit();
      await runtime.guard(raw.destroy());
    }
    this.#disconnect(connection);
  }

  #disconnect(connection: Connection, status = closed): void {
    if (this.#connection !== connection) return;
    const { runtime, stops } = connection;
    if (!runtime.crashed) {
      for (const stop of stops) stop();
      for (const space of this.#known.values()) space.forget();
    }
    this.#known.clear();
    this.#connection = undefined;
    this.#opening = undefined;
    this.#spaces.next([]);
    this.#network.next(offline);
    this.halo.clear();
    if (this.#status.value.state !== 'crashed') this.#status.next(status);
  }

  /**
   * Erases this profile: identity, keys, spaces, everything stored. The client
   * is open afterwards and has no identity. It does so too after an `initialize()`
   * that failed for the passphrase or passkey, which may be forgotten.
   */
  async reset(): Promise<void> {
    const connection = this.#refused ?? this.#require('reset');
    await connection.runtime.guard(connection.raw.reset());
    this.#refused = undefined;
    this.#disconnect(connection);
    await this.initialize();
  }

  /**
   * Sets or changes the passphrase of this profile, or removes it with null. It is compared in
   * Unicode's form C. Other tabs that are open stay so. All is stored when this resolves; a
   * failure, or the end of the page, leaves the one or the other. The page is busy for about
   * half a second, as it is whenever the passphrase is tried.
   *
   * What a browser erases may stay in its files for a while: only a profile that was new when
   * it got its passphrase was never there without. The key of a device that the browser keeps
   * (`halo.device.keyStorage` is `WEBCRYPTO`) stays with it: of a copy of its files, nothing
   * opens without the passphrase, but that key can be used to sign. It is sealed in a profile
   * that had its passphrase, or `storage.deviceKey`, when the identity or the device was made.
   *
   * @throws INVALID_ARGUMENT for an empty one or one over 1,024 bytes; PASSPHRASE_REQUIRED if another
   *   tab changed what opens the profile since this page opened it; STORAGE_FULL.
   */
  async setPassphrase(next: string | null): Promise<void> {
    const bytes = next === null ? undefined : passphraseBytes('setPassphrase', next);
    try {
      await this.#call('setPassphrase', (raw) => raw.setPassphrase(bytes));
    } finally {
      bytes?.fill(0);
    }
    this.#passphrase = next ?? undefined;
  }

  /**
   * Has the person make a passkey that opens this profile beside the passphrase, if there is one:
   * with `storage.passkey` `initialize()` asks for it. Call it from a click, since browsers want
   * one. A profile whose passkeys and passphrase are all lost does not open again.
   *
   * @param options.name - what the person sees in the list of their passkeys; by default the display name.
   * @throws UNSUPPORTED_BROWSER if the browser or the authenticator has no passkeys that give a
   *   secret (WebAuthn's extension PRF); CANCELLED; PASSPHRASE_REQUIRED as setPassphrase does.
   */
  async addPasskey(options: { name?: string } = {}): Promise<void> {
    this.#require('addPasskey');
    const name = options.name ?? this.halo.identity.get()?.displayName ?? 'Echospace';
    const { credential, salt, secret } = await makePasskey('addPasskey', name);
    try {
      await this.#call('addPasskey', (raw) => raw.addPasskey(credential, salt, secret));
    } finally {
      secret.fill(0);
    }
  }

  /** Removes all passkeys; the browser keeps them in its list, where they open nothing. */
  removePasskeys(): Promise<void> {
    return this.#call('removePasskeys', (raw) => raw.removePasskeys());
  }

  /**
   * Makes a space. It is open, and can be invited to, when this resolves.
   *
   * @param properties - initial properties of the space, such as its name.
   * @throws NO_IDENTITY.
   */
  async createSpace(properties: object = {}): Promise<Space> {
    const raw = await this.#call('createSpace', (client) => client.createSpace());
    const space = this.#space(raw);
    if (Object.keys(properties).length > 0)
      space.db.transact(() => Object.assign(space.properties, properties));
    return space;
  }

  /**
   * Makes a new space of what {@link Space.export} gave: owned by this identity,
   * with objects of the same content and the same ids, so that references stay
   * right. A history is written again by this device: times and messages are
   * kept, the author of all is this identity. The space appears when all of it
   * is stored; a failure leaves nothing behind.
   *
   * @param archive - the file; bytes are taken too.
   * @throws NO_IDENTITY; INVALID_ARGUMENT for what is no archive; MALFORMED for
   *   one that is cut off or was altered; VERSION_UNSUPPORTED for one of a newer
   *   version; TOO_LARGE over 1 GiB of content; STORAGE_FULL.
   */
  async importSpace(archive: Blob | ArrayBuffer | Uint8Array): Promise<Space> {
    this.#require('importSpace');
    const bytes = await bytesOf(archive);
    return this.#space(await this.#call('importSpace', (client) => client.importSpace(bytes)));
  }

  /** The space with that key, or that key or id as a string; undefined if the identity is not in it. */
  getSpace(key: PublicKey | string): Space | undefined {
    return this.spaces.get(key);
  }

  /**
   * Accepts an invitation to a space: connects to its host at once. The same
   * code gives the same invitation.
   *
   * @param invitation - what {@link InvitationEncoder.decode} gave, or the code itself.
   * @param options.timeout - limit in milliseconds.
   * @throws NO_IDENTITY, INVALID_INVITATION or VERSION_UNSUPPORTED.
   */
  acceptInvitation(
    invitation: Invitation | DecodedInvitation | string,
    options: { timeout?: number } = {},
  ): AuthenticatingInvitation {
    const { runtime, raw } = this.#require('acceptInvitation');
    const code = codeOf(invitation);
    return AuthenticatingInvitation.of(
      runtime,
      runtime.call(() => raw.acceptInvitation(code, options)),
    );
  }

  #require(what: string): Connection {
    if (this.#connection) return this.#connection;
    throw new EchospaceError('NOT_INITIALIZED', `${what}: call initialize() first`);
  }

  async #call<T>(what: string, f: (raw: RawClient) => Promise<T>): Promise<T> {
    const { runtime, raw } = this.#require(what);
    return runtime.guard(runtime.call(() => f(raw)));
  }

  /** Gives the same Space for the same space. */
  #space(raw: RawSpace): Space {
    const key = PublicKey.from(raw.key).toHex();
    const known = this.#known.get(key);
    if (known?.is(raw)) return known;
    known?.forget();
    const space = new Space(this.#require('spaces').runtime, raw);
    this.#known.set(key, space);
    return space;
  }
}

async function bytesOf(archive: unknown): Promise<Uint8Array> {
  if (archive instanceof Uint8Array) return archive;
  if (archive instanceof ArrayBuffer) return new Uint8Array(archive);
  if (!(archive instanceof Blob))
    throw new EchospaceError('INVALID_ARGUMENT', 'importSpace: want the Blob or the bytes of an archive');
  try {
    return new Uint8Array(await archive.arrayBuffer());
  } catch (cause) {
    throw new EchospaceError('INVALID_ARGUMENT', 'importSpace: the file cannot be read', { cause });
  }
}

/** @internal Where the module is. The expression is one that bundlers recognise as naming a file beside this one. */
export function wasmAddress({ config }: ClientOptions): string {
  const url = config?.wasmUrl ?? new URL('./echospace.wasm', import.meta.url);
  return new URL(url, globalThis.document?.baseURI ?? import.meta.url).href;
}

function relaysOf(relay: string | readonly string[] | undefined): string[] {
  if (relay !== undefined) return typeof relay === 'string' ? [relay] : [...relay];
  const { location } = globalThis;
  if (!location || !/^https?:$/.test(location.protocol)) return [];
  const url = new URL('/relay', location.origin);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return [url.href];
}

function rawOptions({ config = {} }: ClientOptions): Parameters<Runtime['api']['createClient']>[0] {
  const { storage = {} } = config;
  return {
    relay: relaysOf(config.relay),
    iceServers: (config.iceServers ?? []).map((server) => ({
      urls: typeof server.urls === 'string' ? [server.urls] : [...server.urls],
      ...(server.username !== undefined && { username: server.username }),
      ...(server.credential !== undefined && { credential: server.credential }),
    })),
    storageName: storage.name ?? 'default',
    persistent: storage.persistent ?? true,
    ...(storage.deviceKey === 'SEALED' && { sealDeviceKey: true }),
    ...(storage.snapshotAfter !== undefined && { snapshotAfter: storage.snapshotAfter }),
    log: config.log ?? 'warn',
    device: { label: thisBrowser(), kind: 'BROWSER' },
  };
}

/** The browser and the system that it runs on, as far as it says so. */
function thisBrowser(): string {
  const says = globalThis.navigator?.userAgent ?? '';
  const find = (names: string) =>
    new RegExp(names).exec(says)?.[0].replace('Edg', 'Edge').replace('OPR', 'Opera');
  const browser = find('Firefox|Edg|OPR|Chrome|Safari');
  const system = find('Android|iPhone|iPad|Windows|Mac|CrOS|Linux');
  return [browser, system].filter(Boolean).join(', ');
}

function statusOf({ state, error, storage }: RawStatus): ClientStatus {
  return {
    state: state === 'failed' ? 'closed' : state,
    storage,
    ...(error && { error: toEchospaceError(error) }),
  };
}

function networkOf({ state, relay, peers }: RawNetwork): NetworkStatus {
  return {
    state,
    relay: relay.map(({ error, ...rest }) => ({ ...rest, ...(error && { error: toEchospaceError(error) }) })),
    peers: peers.map((peer) => ({
      identityKey: PublicKey.from(peer.identityKey),
      deviceKey: PublicKey.from(peer.deviceKey),
      spaceKey: PublicKey.from(peer.spaceKey),
      path: peer.path,
    })),
  };
}
