import { EchospaceError, type ErrorCode, toEchospaceError } from './errors.js';
import { InvitationEncoder } from './invitationcode.js';
import { PublicKey } from './keys.js';
import { Observable, Source } from './observable.js';
import type { RawInvitation, RawInvitationOptions, RawInvitationValue } from './raw.js';
import type { Runtime } from './runtime.js';
import type {
  AuthMethod,
  DecodedInvitation,
  Invitation,
  InvitationOptions,
  InvitationState,
  Role,
} from './types.js';

/** The faces that were made for invitations of the core, so that each has one. */
const faces = new WeakMap<RawInvitation, CancellableInvitation>();

/** How an invitation that did not succeed ends for those who wait, if the core names no error. */
const endings: Partial<Record<InvitationState, ErrorCode>> = {
  CANCELLED: 'CANCELLED',
  TIMEOUT: 'TIMEOUT',
  ERROR: 'INTERNAL',
  EXPIRED: 'INVITATION_EXPIRED',
};

/**
 * An invitation that this device offers or accepts: an observable of its
 * states, each once and in order. It completes with SUCCESS and fails in every
 * other final state; one that admits several guests goes on after a SUCCESS.
 */
export class CancellableInvitation extends Observable<Invitation> {
  protected readonly runtime: Runtime;
  protected readonly raw: RawInvitation;

  /** @internal */
  protected constructor(runtime: Runtime, raw: RawInvitation, isGuest: boolean) {
    const source = new Source<Invitation>(runtime.call(() => invitationOf(raw.get())));
    super(source);
    this.runtime = runtime;
    this.raw = raw;
    let first = true;
    let last = source.value.state;
    const accept = (value: Invitation) => {
      const again = first && value.state === last;
      first = false;
      last = value.state;
      if (!again) source.next(value);
      const code = endings[value.state];
      if (code)
        source.error(value.error ?? new EchospaceError(code, `the invitation has ended: ${value.state}`));
      else if (value.state === 'SUCCESS' && (isGuest || !value.multiUse)) source.complete();
      if (source.ended) release();
    };
    // An ended invitation lives as long as the page holds it.
    const held: (() => void)[] = [];
    const release = () => {
      for (const stop of held.splice(0)) stop();
    };
    held.push(runtime.onCrash((error) => source.error(error)));
    held.push(runtime.call(() => raw.observe('value', (value) => accept(invitationOf(value)))));
    if (source.ended) release();
  }

  /** @internal Gives the face of an invitation that this device offers. */
  static of(runtime: Runtime, raw: RawInvitation): CancellableInvitation {
    const face = faces.get(raw) ?? new CancellableInvitation(runtime, raw, false);
    faces.set(raw, face);
    return face;
  }

  /** What to share; the same as `InvitationEncoder.encode(invitation.get())`. */
  get code(): string {
    return this.get().code;
  }

  /** Ends the invitation on this side and tells the other. May be called again, and after the end. */
  cancel(): Promise<void> {
    return this.runtime.guard(this.raw.cancel());
  }
}

/** An invitation that this device accepts. */
export class AuthenticatingInvitation extends CancellableInvitation {
  /** @internal Gives the face of an invitation that this device accepts. */
  static override of(runtime: Runtime, raw: RawInvitation): AuthenticatingInvitation {
    const known = faces.get(raw);
    if (known instanceof AuthenticatingInvitation) return known;
    const face = new AuthenticatingInvitation(runtime, raw, true);
    faces.set(raw, face);
    return face;
  }

  /**
   * Says the auth code to the host. May be called at once: it waits for the
   * connection. Resolves when this device has joined and the space is open.
   *
   * @throws WRONG_AUTH_CODE with `attemptsLeft`, after which it may be called
   *   again; TOO_MANY_ATTEMPTS and every other error end the invitation.
   */
  authenticate(authCode: string): Promise<void> {
    return this.runtime.guard(this.raw.authenticate(authCode));
  }
}

function invitationOf(raw: RawInvitationValue): Invitation {
  const { swarmKey, spaceKey, identityKey, delegated, error, ...rest } = raw;
  return {
    ...rest,
    type: delegated ? 'DELEGATED' : 'INTERACTIVE',
    kind: raw.kind as Invitation['kind'],
    authMethod: raw.authMethod as AuthMethod,
    state: raw.state as InvitationState,
    ...(raw.role !== undefined && { role: raw.role as Role }),
    swarmKey: PublicKey.from(swarmKey),
    ...(spaceKey && { spaceKey: PublicKey.from(spaceKey) }),
    ...(identityKey && { identityKey: PublicKey.from(identityKey) }),
    ...(error && { error: toEchospaceError(error) }),
  } as Invitation;
}

/** @internal The options as the core takes them. */
export function rawInvitationOptions({ guestKey, ...rest }: InvitationOptions): RawInvitationOptions {
  return { ...rest, ...(guestKey && { guestKey: guestKey.asUint8Array() }) };
}

/** @internal The code of whatever a caller has to accept. */
export function codeOf(invitation: Invitation | DecodedInvitation | string): string {
  return typeof invitation === 'string' ? InvitationEncoder.decode(invitation).code : invitation.code;
}
