import type { EchospaceError } from './errors.js';
import type { PublicKey } from './keys.js';

/** How much the core writes to the console. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'none';

/** Options of a client. All have defaults, so that `new Client()` works where the page's server is a relay too. */
export interface ClientOptions {
  config?: {
    /** Addresses of relays (`wss://…`), all of which are used. By default `/relay` of the page's own origin. */
    relay?: string | readonly string[];
    /** STUN and TURN servers besides those that a relay offers. */
    iceServers?: readonly RTCIceServer[];
    storage?: {
      /** Keeps clients of one page apart; `default` by default. */
      name?: string;
      /** Asks the browser not to evict what is stored; on by default. The client's status says if it was granted. */
      persistent?: boolean;
      /**
       * Opens the profile, whose keys are encrypted under it besides what the browser does: a copy
       * of the browser's files opens nothing without it. A new profile gets it; one that is there
       * without is refused with WRONG_PASSPHRASE: see {@link Client.setPassphrase}. There is no way
       * to recover it.
       */
      passphrase?: string;
      /**
       * Where the key of a device that is made is kept. By default the browser keeps it, if it can and the
       * profile has neither passphrase nor passkey then. `SEALED` is for pages whose people may set one
       * later: a key that the browser keeps does not come under it. See {@link Device.keyStorage}.
       */
      deviceKey?: 'SEALED';
      /**
       * Has `initialize()` ask for a passkey where the profile has one and no passphrase is given:
       * see {@link Client.addPasskey}. Off by default: the profile is then refused with PASSPHRASE_REQUIRED.
       */
      passkey?: boolean;
      /**
       * After how many milliseconds without a change a snapshot of a space is written, from which it opens
       * at once. By default that is after 3,000, and only when there is enough that is new.
       */
      snapshotAfter?: number;
    };
    /** Where `echospace.wasm` is; by default beside the module that this code is in. */
    wasmUrl?: string | URL;
    /** `warn` by default. */
    log?: LogLevel;
  };
}

/** Options of {@link Space.export}. */
export interface ExportOptions {
  /**
   * Adds every change that the space was made of, with its time and who wrote
   * it; off by default.
   */
  history?: boolean;
  /**
   * `archive` (the default): a file that `importSpace` reads. `json`: for people
   * and scripts; it cannot be imported.
   */
  format?: 'archive' | 'json';
}

/** Whether the client can be used. */
export interface ClientStatus {
  /** `crashed` is final: reload the page. */
  readonly state: 'closed' | 'opening' | 'open' | 'crashed';
  /** Why the client crashed, could not be opened, or was closed by itself (another version took its storage). */
  readonly error?: EchospaceError;
  readonly storage: {
    /** True if the browser has promised not to evict what is stored. */
    readonly persistent: boolean;
    /** Whether a passphrase opens this profile, as far as this page knows; false while it is closed. */
    readonly passphrase: boolean;
    /** How many passkeys open it. With neither it opens by itself. */
    readonly passkeys: number;
    /** Bytes in use and bytes at hand, as far as the browser tells. */
    readonly usage?: number;
    readonly quota?: number;
  };
}

/** Whom the client is connected to. */
export interface NetworkStatus {
  /** `online`: at least one relay answers. */
  readonly state: 'offline' | 'connecting' | 'online';
  readonly relay: readonly {
    readonly url: string;
    readonly state: string;
    readonly error?: EchospaceError;
  }[];
  readonly peers: readonly {
    readonly identityKey: PublicKey;
    readonly deviceKey: PublicKey;
    readonly spaceKey: PublicKey;
    /** `direct`: browser to browser; `relayed`: sealed frames by way of a relay. */
    readonly path: 'direct' | 'relayed';
  }[];
}

/** What a person tells about themselves. */
export interface Profile {
  displayName?: string;
}

/** A person. */
export interface Identity {
  readonly identityKey: PublicKey;
  readonly displayName?: string;
}

/** What a device tells the other devices of its identity. */
export interface DeviceProfile {
  /** What its owner calls it; in the beginning the browser and the system that it runs on. */
  label?: string;
  /** What it is, a word: `BROWSER` for a page, unless the page says another. */
  kind?: string;
}

/** A browser profile or native peer of an identity. */
export interface Device {
  readonly deviceKey: PublicKey;
  readonly label: string;
  readonly kind: string;
  /** True for the device that this page runs on. */
  readonly current: boolean;
  readonly online: boolean;
  /** Where the private key of the device is that this page runs on; of others it is not known. */
  readonly keyStorage?: KeyStorage;
}

/**
 * Where the private key of a device is, by which it signs all that it writes.
 *
 * `WEBCRYPTO`: a key of the browser's that no script can read, this library neither. A script
 * that gets into the page can sign while it runs there, and takes nothing along. The browser
 * keeps it in its files in clear, beside what a passphrase or a passkey encrypts.
 *
 * `SEALED`: with all other keys, encrypted under what opens the profile; where the browser has
 * no such keys (Ed25519 of WebCrypto), for a device that was made in a profile with a passphrase
 * or a passkey, or before there were any such keys.
 */
export type KeyStorage = 'WEBCRYPTO' | 'SEALED';

/** Somebody with whom the identity shares, or shared, a space. */
export interface Contact {
  readonly identityKey: PublicKey;
  readonly displayName?: string;
  /** Whether one of their devices is connected to a space that both are in. */
  readonly presence: 'ONLINE' | 'OFFLINE';
}

/** Whether the identity has a recovery phrase. */
export interface Recovery {
  readonly exists: boolean;
  /** When it was made, in milliseconds since 1970, by the clock of the device that made it. */
  readonly createdAt?: number;
}

/** How an identity is recovered. */
export interface RecoverOptions {
  /** How long to look for somebody who helps, in milliseconds; 60,000 unless it is given. */
  timeout?: number;
  /** Ends it with CANCELLED. */
  signal?: AbortSignal;
}

/** What a member may do: an admin admits and removes, an editor writes, a keeper stores what it cannot read. */
export type Role = 'OWNER' | 'ADMIN' | 'EDITOR' | 'READER' | 'KEEPER';

/** An identity in a space. */
export interface Member {
  readonly identityKey: PublicKey;
  readonly displayName?: string;
  readonly role: Role;
  readonly presence: 'ONLINE' | 'OFFLINE';
  /** True for the own identity. */
  readonly self: boolean;
  readonly devices: readonly {
    readonly deviceKey: PublicKey;
    readonly label?: string;
    readonly online?: boolean;
    /**
     * True if the device forked a feed again after it had closed it: it is not sound, or
     * does not mean well, and an admin may remove it.
     */
    readonly faulty?: boolean;
  }[];
}

/** Whether a space can be used. */
export type SpaceState = 'closed' | 'opening' | 'open' | 'error';

/** How far replication is. */
export interface SyncStatus {
  /** The connected devices. */
  readonly peers: readonly {
    /** Blocks that the other device has and this one lacks. */
    readonly behind: number;
    /** Blocks that this device has and the other lacks. */
    readonly ahead: number;
    /** True when the other device has stored all that this one has. */
    readonly stored: boolean;
  }[];
  /** Bursts of own edits that are not in storage yet. */
  readonly unsent: number;
  /** Why replication stands still, if it does. */
  readonly error?: EchospaceError;
}

/** How a guest shows that it is the one who was meant. */
export type AuthMethod = 'NONE' | 'SHARED_SECRET' | 'KNOWN_PUBLIC_KEY';

/** How an invitation is offered. */
export interface InvitationOptions {
  /** `SHARED_SECRET` by default: the guest must say the auth code. */
  authMethod?: AuthMethod;
  /** With KNOWN_PUBLIC_KEY, and only then, which is not for further devices: the identity key of the guest, whom nobody else can stand in for. */
  guestKey?: PublicKey;
  /** Admits any number of guests; otherwise exactly one. */
  multiUse?: boolean;
  /** Is offered again after a reload. It is stored by when it is CONNECTING. */
  persistent?: boolean;
  /**
   * Is offered by every member who may invite with that role, so that the guest can
   * join while this device is away. It outlives reloads, and each of these members
   * can cancel it for all. It ends when a member is removed, who may know it.
   */
  delegated?: boolean;
  /** Limit in milliseconds from now, after which the invitation ends with TIMEOUT. */
  timeout?: number;
  /** Time in milliseconds since 1970 at which the invitation ends with EXPIRED. */
  expires?: number;
  /** What the guest may do in the space; `EDITOR` by default. A further device takes none. */
  role?: Role;
}

/** How far an invitation is. The last five are final. */
export type InvitationState =
  | 'INIT'
  | 'CONNECTING'
  | 'CONNECTED'
  | 'READY_FOR_AUTHENTICATION'
  | 'AUTHENTICATING'
  | 'SUCCESS'
  | 'CANCELLED'
  | 'TIMEOUT'
  | 'ERROR'
  | 'EXPIRED';

/** What an invitation code says. */
export interface DecodedInvitation {
  /** The code itself, in its canonical form. */
  readonly code: string;
  /** Whether it invites to a space, or is for a further device of an identity. */
  readonly kind: 'SPACE' | 'DEVICE';
  readonly authMethod: AuthMethod;
  readonly swarmKey: PublicKey;
  readonly multiUse: boolean;
  readonly persistent: boolean;
  /** Milliseconds since 1970; absent if it does not expire. */
  readonly expires?: number;
}

/** An invitation, as its host or a guest sees it. */
export interface Invitation {
  readonly invitationId: string;
  /** Whether only this host answers, or every member who may invite. */
  readonly type: 'INTERACTIVE' | 'DELEGATED';
  readonly kind: 'SPACE' | 'DEVICE';
  readonly authMethod: AuthMethod;
  /** On the host, with SHARED_SECRET: what to tell the guest over another channel. */
  readonly authCode?: string;
  readonly swarmKey: PublicKey;
  readonly state: InvitationState;
  readonly timeout?: number;
  readonly expires?: number;
  readonly multiUse: boolean;
  readonly persistent?: boolean;
  /**
   * What the guest may do in the space. On the guest it is what the host says, from when
   * it is connected on, and after SUCCESS what is so.
   */
  readonly role?: Role;
  /** On the guest once it has joined; on the host of a space's invitation always. */
  readonly spaceKey?: PublicKey;
  /** On the guest of an invitation for a device, once it is one. */
  readonly identityKey?: PublicKey;
  /** What to share: finds the host, and holds neither the auth code nor a key of the space. */
  readonly code: string;
  readonly error?: EchospaceError;
}

/** How an invitation is written as a link. */
export interface LinkOptions {
  /** The page that the link opens; this one by default. What is after `#` in it is replaced. */
  base?: string | URL;
}

/** How an invitation is drawn as a QR code. */
export interface QrOptions extends LinkOptions {
  /** What a screen reader says; `QR code of the invitation link` by default. */
  label?: string;
}

/** What a credential says. */
export type CredentialType =
  | 'GENESIS'
  | 'DEVICE'
  | 'MEMBER'
  | 'SET_ROLE'
  | 'REMOVE'
  | 'REVOKE_DEVICE'
  | 'RECOVERY'
  | 'PROFILE';

/** A signed claim about an identity. */
export interface Credential {
  /** Names the credential, everywhere. */
  readonly id: string;
  readonly type: CredentialType;
  /** The key that signed: a device, an identity or recovery key, or the space key. */
  readonly issuer: PublicKey;
  /** The identity that it is about. */
  readonly subject?: PublicKey;
  /** When it was issued, by the issuer's clock, in milliseconds since 1970. */
  readonly time: number;
  /** The space in which it counts; absent for DEVICE and RECOVERY, which are of none. */
  readonly spaceKey?: PublicKey;
  /** The role that it gives. */
  readonly role?: Role;
  /** The invitation by which somebody was admitted. */
  readonly invitationId?: string;
  /** The device, or recovery key, that is added or revoked. */
  readonly deviceKey?: PublicKey;
  /** The display name, or the label of the device. */
  readonly text?: string;
  /** The credential as it was signed (`core/credential/doc.go` says how to read it). */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Which credentials are meant; all by default. */
export interface CredentialFilter {
  type?: CredentialType | readonly CredentialType[];
  spaceKey?: PublicKey | string;
}

/** What is presented, and to whom. */
export interface PresentOptions {
  /** The `id`s of the credentials. */
  ids?: readonly string[];
  /** What the asker drew for this question: 16 to 64 bytes. */
  nonce: Uint8Array;
  /** Names the asker, such as the origin of its page, so that it can show the presentation to nobody else. */
  audience?: string;
  /** How long the presentation is valid, in milliseconds; five minutes by default. */
  lifetime?: number;
}

/** What whoever asked for a presentation expects. */
export interface VerifyOptions {
  /** The nonce that was asked with. */
  nonce: Uint8Array;
  /** The audience that the presentation must name; any by default. */
  audience?: string;
  /** Identities and spaces: the presenter must be one, or show that it is in one. Anybody by default. */
  trust?: readonly (PublicKey | string)[];
  /** The time to verify for, in milliseconds since 1970; now by default. */
  now?: number;
  /** Where `echospace.wasm` is, as in {@link ClientOptions}. */
  wasmUrl?: string | URL;
}

/** What a presentation shows. */
export interface Presentation {
  readonly identityKey: PublicKey;
  /** The device that signed it. */
  readonly deviceKey: PublicKey;
  readonly audience?: string;
  /** In milliseconds since 1970, by the clock of the presenter. */
  readonly issued: number;
  readonly expires: number;
  /** The spaces that the identity is shown to be in. */
  readonly spaces: readonly { readonly spaceKey: PublicKey; readonly role: Role }[];
  readonly credentials: readonly Credential[];
}

/**
 * What was done to a space's members. INVITED: an invitation was handed to all who may
 * invite (`delegated`); INVITATION_ENDED: one of these is over.
 */
export type AuditAction =
  | 'FOUNDED'
  | 'ADMITTED'
  | 'ROLE_CHANGED'
  | 'REMOVED'
  | 'LEFT'
  | 'RENAMED'
  | 'DEVICE_ADDED'
  | 'DEVICE_REVOKED'
  | 'RECOVERY_ADDED'
  | 'INVITED'
  | 'INVITATION_ENDED';

/** One entry of the audit log of a space. */
export interface AuditEntry {
  /** The `id` of the credential that says it. */
  readonly id: string;
  readonly action: AuditAction;
  /** When, by the clock of the device that did it, in milliseconds since 1970. */
  readonly time: number;
  /** Whether it counts: false for what was not permitted, or was voided by what came beside it. */
  readonly valid: boolean;
  /** Who did it, with the last name known; absent for the founding, which the space's own key signed. */
  readonly by?: Identity;
  /** By which device; for a founding the space key, for a first device the identity key. */
  readonly issuer: PublicKey;
  /** To whom, with the last name known; for an invitation, who did it. */
  readonly subject: Identity;
  /** The role that was given. */
  readonly role?: Role;
  /** The invitation by which somebody was admitted, or which was handed out or ended. */
  readonly invitationId?: string;
  /** The device, or recovery key, that was added or revoked. */
  readonly deviceKey?: PublicKey;
  /** The name as it was given then, the label of the device, or why an invitation ended: USED, CANCELLED, EXHAUSTED or EXPIRED. */
  readonly text?: string;
}
