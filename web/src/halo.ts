import type { Connection } from './client.js';
import {
  AuthenticatingInvitation,
  CancellableInvitation,
  codeOf,
  rawInvitationOptions,
} from './invitation.js';
import { PublicKey } from './keys.js';
import { Observable, Source } from './observable.js';
import type { RawClient, RawDevice, RawIdentity } from './raw.js';
import type { DecodedInvitation, Device, Identity, Invitation, InvitationOptions, Profile } from './types.js';

/** The identity of a client: the person, their devices, and whom they share spaces with. */
export class Halo {
  /** The identity, or null if this profile has none yet. */
  readonly identity: Observable<Identity | null>;
  readonly devices: Observable<Device[]>;

  readonly #identity = new Source<Identity | null>(null);
  readonly #devices = new Source<Device[]>([]);
  readonly #connection: (what: string) => Connection;

  /** @internal */
  constructor(connection: (what: string) => Connection) {
    this.#connection = connection;
    this.identity = new Observable(this.#identity);
    this.devices = new Observable(this.#devices);
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

  /** Changes what other devices and members see of this identity. */
  updateProfile(profile: Profile): Promise<Identity> {
    return this.#change('updateProfile', (raw) => raw.updateProfile({ ...profile }));
  }

  async #change(what: string, f: (raw: RawClient) => Promise<RawIdentity>): Promise<Identity> {
    const { runtime, raw } = this.#connection(what);
    return identityOf(await runtime.guard(runtime.call(() => f(raw))));
  }

  /**
   * Invites a further device of this identity. Hosting starts at once.
   *
   * @throws UNSUPPORTED by this version of the core.
   */
  createInvitation(options: InvitationOptions = {}): CancellableInvitation {
    const { runtime, raw } = this.#connection('createInvitation');
    return CancellableInvitation.of(
      runtime,
      runtime.call(() => raw.createDeviceInvitation(rawInvitationOptions(options))),
    );
  }

  /**
   * Makes this device one of the inviting identity.
   *
   * @throws IDENTITY_EXISTS, INVALID_INVITATION, VERSION_UNSUPPORTED, or
   *   UNSUPPORTED by this version of the core.
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

  /** @internal Keeps the observables at what the core says. */
  follow({ runtime, raw }: Connection): (() => void)[] {
    return [
      runtime.call(() => raw.observe('identity', (value) => this.#identity.next(value && identityOf(value)))),
      runtime.call(() => raw.observe('devices', (values) => this.#devices.next(values.map(deviceOf)))),
    ];
  }

  /** @internal Forgets the identity of a client that was closed. */
  clear(): void {
    this.#identity.next(null);
    this.#devices.next([]);
  }
}

function identityOf({ identityKey, displayName }: RawIdentity): Identity {
  return { identityKey: PublicKey.from(identityKey), ...(displayName !== undefined && { displayName }) };
}

function deviceOf({ deviceKey, ...rest }: RawDevice): Device {
  return { ...rest, deviceKey: PublicKey.from(deviceKey) };
}
