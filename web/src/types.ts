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
       * Encrypts the keys of this profile, beyond what the browser does. There is no way to recover it.
       * `initialize()` refuses it with UNSUPPORTED until the core can do this.
       */
      passphrase?: string;
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

/** A browser profile or native peer of an identity. */
export interface Device {
  readonly deviceKey: PublicKey;
  readonly label: string;
  /** True for the device that this page runs on. */
  readonly current: boolean;
  readonly online: boolean;
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
  /** With KNOWN_PUBLIC_KEY: the key of the guest. */
  guestKey?: PublicKey;
  /** Admits any number of guests; otherwise exactly one. */
  multiUse?: boolean;
  /** Is offered again after a reload. */
  persistent?: boolean;
  /** Limit in milliseconds from now, after which the invitation ends with TIMEOUT. */
  timeout?: number;
  /** Time in milliseconds since 1970 at which the invitation ends with EXPIRED. */
  expires?: number;
  /** What the guest may do in the space; `EDITOR` by default. */
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
  /** Host and guest meet on line. */
  readonly type: 'INTERACTIVE';
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
  readonly role?: Role;
  /** On the guest once it has joined; on the host of a space's invitation always. */
  readonly spaceKey?: PublicKey;
  readonly identityKey?: PublicKey;
  /** What to share: finds the host, and holds neither the auth code nor a key of the space. */
  readonly code: string;
  readonly error?: EchospaceError;
}
