/**
 * The plain objects that the core hands to the page (`jsbridge/bind`). Keys are
 * bytes, errors are Errors with a `code`, which a function that fails at once
 * gives instead of throwing it; nothing here is public.
 */

/** Ends an observation; may be called again. */
export type RawUnsubscribe = () => void;

export interface RawApi {
  readonly version: string;
  /** How many functions of the core the page still holds. */
  functions(): number;
  verifyPresentation(
    presentation: Uint8Array | ArrayBuffer,
    options: { nonce: Uint8Array; audience?: string; now: number; trust: Uint8Array[] },
  ): RawPresentation;
  createClient(options: {
    relay: string[];
    iceServers: { urls: string[]; username?: string; credential?: string }[];
    storageName: string;
    persistent: boolean;
    sealDeviceKey?: boolean;
    snapshotAfter?: number;
    log: string;
    device: { label: string; kind: string };
  }): RawClient;
}

export interface RawStatus {
  /** `failed`: could not be opened, or lost its storage; it is closed. */
  state: 'closed' | 'opening' | 'open' | 'failed' | 'crashed';
  error?: Error;
  storage: { persistent: boolean; passphrase: boolean; passkeys: number; usage?: number; quota?: number };
}

export interface RawNetwork {
  state: 'offline' | 'connecting' | 'online';
  relay: { url: string; state: string; error?: Error }[];
  peers: {
    identityKey: Uint8Array;
    deviceKey: Uint8Array;
    spaceKey: Uint8Array;
    path: 'direct' | 'relayed';
  }[];
}

export interface RawIdentity {
  identityKey: Uint8Array;
  displayName?: string;
}

export interface RawDevice {
  deviceKey: Uint8Array;
  label: string;
  kind: string;
  current: boolean;
  online: boolean;
  keyStorage?: 'WEBCRYPTO' | 'SEALED';
}

export interface RawRecoveryPhrase {
  words: string[];
  confirm(typed: string): Promise<void>;
  cancel(): void;
}

export interface RawCredential {
  id: string;
  type: string;
  issuer: Uint8Array;
  subject?: Uint8Array;
  time: number;
  spaceKey?: Uint8Array;
  role?: string;
  invitationId?: string;
  deviceKey?: Uint8Array;
  text?: string;
  bytes: Uint8Array<ArrayBuffer>;
}

export interface RawPresentation {
  identityKey: Uint8Array;
  deviceKey: Uint8Array;
  audience?: string;
  issued: number;
  expires: number;
  spaces: { spaceKey: Uint8Array; role: string }[];
  credentials: RawCredential[];
}

export interface RawAuditEntry {
  id: string;
  action: string;
  time: number;
  valid: boolean;
  by?: Uint8Array;
  byName?: string;
  issuer: Uint8Array;
  subject: Uint8Array;
  subjectName?: string;
  role?: string;
  invitationId?: string;
  deviceKey?: Uint8Array;
  text?: string;
}

/** What each observable name of a client carries. */
export interface RawClientValues {
  status: RawStatus;
  network: RawNetwork;
  identity: RawIdentity | null;
  devices: RawDevice[];
  recovery: { exists: boolean; createdAt?: number };
  /** See readContacts. */
  contacts: Uint8Array;
  invitations: RawInvitation[];
  spaces: RawSpace[];
  credentials: RawCredential[];
}

/** What opens a locked profile. */
export interface RawUnlock {
  passphrase?: Uint8Array;
  askPasskey?: (among: { credential: Uint8Array; salt: Uint8Array }[]) => Promise<Uint8Array>;
}

export interface RawClient {
  initialize(unlock: RawUnlock): Promise<void>;
  setPassphrase(passphrase?: Uint8Array): Promise<void>;
  addPasskey(credential: Uint8Array, salt: Uint8Array, secret: Uint8Array): Promise<void>;
  removePasskeys(): Promise<void>;
  destroy(): Promise<void>;
  reset(): Promise<void>;
  createIdentity(profile: { displayName?: string }): Promise<RawIdentity>;
  updateProfile(profile: { displayName?: string }): Promise<RawIdentity>;
  updateDevice(profile: { label?: string; kind?: string }): Promise<void>;
  removeDevice(device: Uint8Array): Promise<void>;
  createRecoveryPhrase(wordList: Uint8Array): RawRecoveryPhrase;
  recoverIdentity(wordList: Uint8Array, phrase: string, options: { timeout?: number }): Promise<RawIdentity>;
  cancelRecovery(): void;
  createSpace(): Promise<RawSpace>;
  importSpace(archive: Uint8Array): Promise<RawSpace>;
  presentCredentials(options: {
    ids: string[];
    nonce: Uint8Array;
    audience?: string;
    lifetime?: number;
  }): Promise<Uint8Array<ArrayBuffer>>;
  goOffline(): Promise<void>;
  goOnline(): Promise<void>;
  observe<K extends keyof RawClientValues>(name: K, cb: (value: RawClientValues[K]) => void): RawUnsubscribe;
  acceptInvitation(code: string, options: { timeout?: number }): RawInvitation;
  createDeviceInvitation(options: RawInvitationOptions): RawInvitation;
  acceptDeviceInvitation(code: string, options: { timeout?: number }): RawInvitation;
}

export interface RawPeerSync {
  behind: number;
  ahead: number;
  stored: boolean;
}

export interface RawSpaceValues {
  state: 'closed' | 'opening' | 'open' | 'error';
  /** See readMembers. */
  members: Uint8Array;
  invitations: RawInvitation[];
  sync: { peers: RawPeerSync[]; unsent: number; error?: Error };
  audit: RawAuditEntry[];
}

export interface RawInvitationOptions {
  authMethod?: string;
  multiUse?: boolean;
  persistent?: boolean;
  delegated?: boolean;
  timeout?: number;
  expires?: number;
  role?: string;
  guestKey?: Uint8Array;
}

export interface RawSpace {
  readonly key: Uint8Array;
  readonly id: string;
  readonly handle: number;
  observe<K extends keyof RawSpaceValues>(name: K, cb: (value: RawSpaceValues[K]) => void): RawUnsubscribe;
  createInvitation(options: RawInvitationOptions): RawInvitation;
  audit(): RawAuditEntry[];
  setRole(identity: Uint8Array, role: string): Promise<void>;
  removeMember(identity: Uint8Array): Promise<void>;
  leave(): Promise<void>;
  delete(): Promise<void>;
  postMessage(channel: string, data: Uint8Array): Promise<void>;
  listen(channel: string, cb: (message: { data: Uint8Array; from: Uint8Array }) => void): RawUnsubscribe;
  waitUntilReady(): Promise<void>;
  open(): Promise<void>;
  close(): Promise<void>;
  flush(options: { to?: string; timeout?: number }): Promise<void>;
  /** `flush({})` that costs the core no Promise. */
  flushThen(done: (error: Error | null) => void): void;
  export(options: { history: boolean }): Promise<Uint8Array<ArrayBuffer>>;
  /** `late` says that the present task has gone on for some milliseconds. */
  onChange(cb: (late: boolean) => void): RawUnsubscribe;
  /** The past; `jsbridge/bind/past.go` says what the bytes are. */
  version(): Promise<Uint8Array>;
  at(version: Uint8Array): Promise<number>;
  releasePast(handle: number): void;
  history(query: Uint8Array): Promise<Uint8Array>;
  diff(a: Uint8Array, b: Uint8Array): Promise<Uint8Array>;
  restoreTo(request: Uint8Array): Promise<boolean>;
  blame(text: number): Promise<Uint8Array>;
}

export interface RawInvitationValue {
  invitationId: string;
  kind: string;
  authMethod: string;
  authCode?: string;
  swarmKey: Uint8Array;
  state: string;
  timeout?: number;
  expires?: number;
  multiUse: boolean;
  persistent?: boolean;
  delegated: boolean;
  role?: string;
  spaceKey?: Uint8Array;
  identityKey?: Uint8Array;
  code: string;
  error?: Error;
}

export interface RawInvitation {
  get(): RawInvitationValue;
  observe(name: 'value', cb: (value: RawInvitationValue) => void): RawUnsubscribe;
  authenticate(code: string): Promise<void>;
  cancel(): Promise<void>;
}

/** The hot path: functions that the module exports. Lengths and handles are i32. */
export interface RawExports {
  readonly mem: WebAssembly.Memory;
  es_buffer(size: number): number;
  es_out(): number;
  es_error(): number;
  es_yield(): number;
  es_apply(handle: number, length: number, now: number, endStep: number): number;
  es_read(handle: number, length: number): number;
  es_query_open(handle: number, length: number): number;
  es_query(handle: number, length: number): number;
  es_query_count(handle: number, length: number): number;
  es_query_explain(handle: number, length: number): number;
  es_index_create(handle: number, length: number): number;
  es_index_drop(handle: number, length: number): number;
  es_index_build(handle: number, objects: number): number;
  es_query_close(handle: number, query: number): number;
  es_changes(handle: number, limit: number): number;
  es_conflicts(handle: number, length: number): number;
  es_undo(handle: number, what: number, n: number): number;
  es_undo_state(handle: number): number;
  es_items(handle: number): number;
  es_text_find(handle: number, length: number): number;
  es_text_length(handle: number, text: number): number;
  es_text_read(handle: number, text: number, from: number, end: number): number;
  es_text_marks(handle: number, text: number): number;
  es_text_watch(handle: number, text: number, on: number): number;
  es_text_anchor(handle: number, text: number, pos: number, after: number): number;
  es_text_anchor_at(handle: number, text: number, anchor: number): number;
  es_text_anchor_release(handle: number, text: number, anchor: number): number;
  es_text_edit(
    handle: number,
    text: number,
    pos: number,
    deleted: number,
    length: number,
    now: number,
  ): number;
  es_text_type(handle: number, text: number, pos: number, unit: number, now: number): number;
}
