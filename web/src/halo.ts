import type { Connection } from './client.js';
import { Credentials } from './credentials.js';
import { EchospaceError } from './errors.js';
import {
  AuthenticatingInvitation,
  CancellableInvitation,
  codeOf,
  rawInvitationOptions,
} from './invitation.js';
import { PublicKey } from './keys.js';
import { Observable, observeOutside, Source } from './observable.js';
import { readContacts } from './people.js';
import { loadWords, RecoveryPhrase, typedPhrase } from './phrase.js';
import type { RawClient, RawDevice, RawIdentity, RawInvitation } from './raw.js';
import type {
  Contact,
  Credential,
  CredentialFilter,
  DecodedInvitation,
  Device,
  DeviceProfile,
  Identity,
  Invitation,
  InvitationOptions,
  PresentOptions,
  Profile,
  RecoverOptions,
  Recovery,
} from './types.js';

/**
 * The identity of a client: the person, their devices, and whom they share spaces with.
 * All of it, and what opens the spaces, is replicated between the devices, in a space
 * of their own that is on no list.
 */
export class Halo {
  /** The identity, or null if this profile has none yet. */
  readonly identity: Observable<Identity | null>;
  /** The devices of the identity, this one first. */
  readonly devices: Observable<Device[]>;
  /** Those with whom the identity shares a space, or did, once each. */
  readonly contacts: Observable<Contact[]>;
  /** Whether the identity has a recovery phrase. */
  readonly recovery: Observable<Recovery>;
  /** The invitations for further devices that this one hosts. */
  readonly invitations: Observable<CancellableInvitation[]>;

  readonly #identity = new Source<Identity | null>(null);
  readonly #devices = new Source<Device[]>([]);
  readonly #contacts = new Source<Contact[]>([]);
  readonly #recovery = new Source<Recovery>({ exists: false });
  readonly #invitations = new Source<CancellableInvitation[]>([]);
  readonly #credentials = new Credentials();
  readonly #connection: (what: string) => Connection;

  /** @internal */
  constructor(connection: (what: string) => Connection) {
    this.#connection = connection;
    this.identity = new Observable(this.#identity);
    this.devices = new Observable(this.#devices);
    this.contacts = new Observable(this.#contacts);
    this.recovery = new Observable(this.#recovery);
    this.invitations = new Observable(this.#invitations);
  }

  /** The device that this page runs on; null without an identity. */
  get device(): Device | null {
    return this.#devices.value.find((device) => device.current) ?? null;
  }

  /**
   * Makes an identity, with this device as its first.
   *
   * @throws IDENTITY_EXISTS.
   */
  createIdentity(profile: Profile = {}): Promise<Identity> {
    return this.#change('createIdentity', (raw) => raw.createIdentity({ ...profile }));
  }

  /**
   * Changes what other devices and members see of this identity. A space that is closed
   * is told when it is opened.
   */
  updateProfile(profile: Profile): Promise<Identity> {
    return this.#change('updateProfile', (raw) => raw.updateProfile({ ...profile }));
  }

  async #change(what: string, f: (raw: RawClient) => Promise<RawIdentity>): Promise<Identity> {
    const { runtime, raw } = this.#connection(what);
    return identityOf(await runtime.guard(runtime.call(() => f(raw))));
  }

  /**
   * Changes what this device tells the other devices of the identity; what is left out
   * stays. Gives the device as it is then.
   *
   * @throws NO_IDENTITY; TOO_LARGE for a label of more than 256 bytes, or a kind of more than 64.
   */
  async updateDevice(profile: DeviceProfile): Promise<Device> {
    const { runtime, raw } = this.#connection('updateDevice');
    await runtime.guard(runtime.call(() => raw.updateDevice({ ...profile })));
    return this.device as Device;
  }

  /**
   * Puts a device of this identity out for good, from the HALO and from every space: it
   * can neither connect nor write any more, and reads nothing that is written from now
   * on. What it wrote stays. A space that is closed follows when it is opened, on any
   * device of the identity.
   *
   * @throws NO_IDENTITY; NOT_FOUND for no device of it; INVALID_ARGUMENT for this device:
   *   do it on another one.
   */
  async removeDevice(device: PublicKey | string): Promise<void> {
    const { runtime, raw } = this.#connection('removeDevice');
    const key = PublicKey.from(device).asUint8Array();
    await runtime.guard(runtime.call(() => raw.removeDevice(key)));
  }

  /**
   * Makes a recovery phrase of twelve words (BIP-39, English). Show its words once and
   * have the person type them back: {@link RecoveryPhrase.confirm} makes it the phrase of
   * the identity. Loads the word list, `wordlist.js` beside the package.
   *
   * @throws NO_IDENTITY; WASM_UNAVAILABLE if the word list is not there.
   */
  async createRecoveryPhrase(): Promise<RecoveryPhrase> {
    const list = await loadWords();
    const { runtime, raw } = this.#connection('createRecoveryPhrase');
    return new RecoveryPhrase(
      runtime,
      runtime.call(() => raw.createRecoveryPhrase(list)),
    );
  }

  /**
   * Gets an identity back by its recovery phrase, in a profile that has none: this device
   * becomes one of it. Somebody who shares a space with it must be online, or another of
   * its devices; all its spaces open, and fill as their members come online. Resolves when
   * the identity is there and its spaces are listed. Only one runs at a time: a second call
   * ends the first with CANCELLED.
   *
   * @throws INVALID_PHRASE with `reason`, and `word`, the number of the first word that is in
   *   no phrase; IDENTITY_EXISTS; TIMEOUT if nobody who knows the phrase was online;
   *   CANCELLED, CLOSED; WASM_UNAVAILABLE if the word list is not there.
   */
  async recoverIdentity(phrase: string, options: RecoverOptions = {}): Promise<Identity> {
    const { timeout, signal } = options;
    const text = typedPhrase('recoverIdentity', phrase);
    const list = await loadWords();
    const { runtime, raw } = this.#connection('recoverIdentity');
    if (signal?.aborted)
      throw new EchospaceError('CANCELLED', 'recoverIdentity: the signal was aborted before it began');
    const found = runtime.call(() =>
      raw.recoverIdentity(list, text, timeout === undefined ? {} : { timeout }),
    );
    const abort = () => runtime.call(() => raw.cancelRecovery());
    signal?.addEventListener('abort', abort);
    try {
      return identityOf(await runtime.guard(found));
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * Invites a further device of this identity. Hosting starts at once. The device gets
   * the identity, all its spaces, and those that come.
   *
   * @throws NO_IDENTITY; INVALID_ARGUMENT for a role, and for KNOWN_PUBLIC_KEY: a
   *   device makes its key when it accepts.
   */
  createInvitation(options: InvitationOptions = {}): CancellableInvitation {
    const { runtime, raw } = this.#connection('createInvitation');
    return CancellableInvitation.of(
      runtime,
      runtime.call(() => raw.createDeviceInvitation(rawInvitationOptions(options))),
    );
  }

  /**
   * Makes this device one of the inviting identity: `authenticate()` resolves when it is.
   * Its spaces open as they arrive from the other devices.
   *
   * @throws IDENTITY_EXISTS at once if this profile has an identity; INVALID_INVITATION,
   *   VERSION_UNSUPPORTED.
   */
  acceptInvitation(
    invitation: Invitation | DecodedInvitation | string,
    options: { timeout?: number } = {},
  ): AuthenticatingInvitation {
    const { runtime, raw } = this.#connection('acceptInvitation');
    const code = codeOf(invitation);
    return AuthenticatingInvitation.of(
      runtime,
      runtime.call(() => raw.acceptDeviceInvitation(code, options)),
    );
  }

  /**
   * The credentials that hold about this identity: those of its devices, and of its
   * membership in each open space. Follows what changes.
   */
  queryCredentials(filter?: CredentialFilter): Observable<Credential[]> {
    return this.#credentials.query(filter);
  }

  /**
   * Shows chosen credentials to somebody who drew a nonce: gives the bytes for
   * {@link verifyPresentation} on their side, or for `echospace verify`. Without `ids`
   * it shows only which identity this is. For each space whose credentials are chosen it
   * also tells the names and keys of the members who admitted this identity.
   *
   * @throws NO_IDENTITY; NOT_FOUND for an id that is not among {@link queryCredentials};
   *   INVALID_ARGUMENT for a nonce that is not of 16 to 64 bytes; BAD_CREDENTIAL for a
   *   credential that cannot be shown.
   */
  async presentCredentials(options: PresentOptions): Promise<Uint8Array<ArrayBuffer>> {
    const { runtime, raw } = this.#connection('presentCredentials');
    const ids = [...(options.ids ?? [])];
    return runtime.guard(runtime.call(() => raw.presentCredentials({ ...options, ids })));
  }

  /** @internal Keeps the observables at what the core says. */
  follow(connection: Connection): (() => void)[] {
    const { runtime, raw } = connection;
    this.#credentials.follow(connection);
    return [
      runtime.call(() => raw.observe('identity', (value) => this.#identity.next(value && identityOf(value)))),
      runtime.call(() => raw.observe('devices', (values) => this.#devices.next(values.map(deviceOf)))),
      runtime.call(() => raw.observe('recovery', (value) => this.#recovery.next({ ...value }))),
      runtime.call(() => raw.observe('contacts', (bytes) => this.#contacts.next(readContacts(bytes)))),
      observeOutside(
        (cb: (values: RawInvitation[]) => void) => runtime.call(() => raw.observe('invitations', cb)),
        (values) => this.#invitations.next(values.map((value) => CancellableInvitation.of(runtime, value))),
      ),
    ];
  }

  /** @internal Forgets the identity of a client that was closed. */
  clear(): void {
    this.#identity.next(null);
    this.#devices.next([]);
    this.#contacts.next([]);
    this.#recovery.next({ exists: false });
    this.#invitations.next([]);
    this.#credentials.clear();
  }
}

function identityOf({ identityKey, displayName }: RawIdentity): Identity {
  return { identityKey: PublicKey.from(identityKey), ...(displayName !== undefined && { displayName }) };
}

function deviceOf({ deviceKey, ...rest }: RawDevice): Device {
  return { ...rest, deviceKey: PublicKey.from(deviceKey) };
}
