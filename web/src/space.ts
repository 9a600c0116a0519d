import { auditEntryOf } from './audit.js';
import { Core } from './db/core.js';
import { Database } from './db/database.js';
import type { Live } from './db/live.js';
import { EchospaceError, reportUncaught, toEchospaceError } from './errors.js';
import { CancellableInvitation, rawInvitationOptions } from './invitation.js';
import { writeJson } from './json.js';
import { PublicKey } from './keys.js';
import { readMessage, writeMessage } from './message.js';
import { Observable, observeOutside, Source } from './observable.js';
import { readMembers } from './people.js';
import type { RawAuditEntry, RawInvitation, RawSpace, RawSpaceValues } from './raw.js';
import type { Runtime } from './runtime.js';
import type {
  AuditEntry,
  ExportOptions,
  InvitationOptions,
  Member,
  Role,
  SpaceState,
  SyncStatus,
} from './types.js';

/** What a listener of a channel gets. */
export interface ChannelMessage {
  /** What was posted. */
  readonly data: unknown;
  /** The identity that posted it, as proven by its signature. */
  readonly from: PublicKey;
}

/** A replicated database with members. */
export class Space {
  /** Names the space, everywhere. */
  readonly key: PublicKey;
  /** A short name of the space for addresses and logs. */
  readonly id: string;
  /** The objects of the space. Refused with SPACE_CLOSED unless it is open. */
  readonly db: Database;
  readonly state: Observable<SpaceState>;
  readonly members: Observable<Member[]>;
  /** The invitations that this device offers. */
  readonly invitations: Observable<CancellableInvitation[]>;
  /** How far replication with each connected device is. */
  readonly sync: Observable<SyncStatus>;

  readonly #runtime: Runtime;
  readonly #raw: RawSpace;
  readonly #core: Core;
  readonly #stops: (() => void)[];
  #auditLog: Observable<AuditEntry[]> | undefined;

  /** @internal */
  constructor(runtime: Runtime, raw: RawSpace) {
    this.#runtime = runtime;
    this.#raw = raw;
    this.key = PublicKey.from(raw.key);
    this.id = raw.id;
    const state = new Source<SpaceState>('closed');
    const members = new Source<Member[]>([]);
    let mayWrite = true; // until the core tells
    const invitations = new Source<CancellableInvitation[]>([]);
    const sync = new Source<SyncStatus>({ peers: [], unsent: 0 });
    this.state = new Observable(state);
    this.members = new Observable(members);
    this.invitations = new Observable(invitations);
    this.sync = new Observable(sync);
    this.#core = new Core({
      runtime,
      raw,
      get isOpen() {
        return state.value === 'open';
      },
      get mayWrite() {
        return mayWrite;
      },
    });
    this.db = new Database(this.#core);
    this.#stops = [
      runtime.call(() =>
        raw.observe('members', (bytes) => {
          const read = readMembers(bytes);
          mayWrite = read.mayWrite;
          members.next(read.list);
        }),
      ),
      observeOutside(
        (cb: (values: RawInvitation[]) => void) => runtime.call(() => raw.observe('invitations', cb)),
        (values) => invitations.next(values.map((value) => CancellableInvitation.of(runtime, value))),
      ),
      runtime.call(() => raw.observe('sync', (value) => sync.next(syncOf(value)))),
      runtime.call(() => raw.observe('state', (value) => state.next(value))),
    ];
    // The core's own notifications are followed from outside of its calls.
    this.state.subscribe((value) => {
      if (value === 'open') this.#core.attach();
      else this.#core.detach();
    });
  }

  /** True while the database can be used. */
  get isOpen(): boolean {
    return this.state.get() === 'open';
  }

  /** The properties of the space itself: a live object that every space has. */
  get properties(): Live {
    return this.#core.properties.proxy as Live;
  }

  /**
   * Gives the audit log: who admitted, changed, renamed or removed whom, when and by
   * which device, as far as it is known here; the newest last.
   *
   * @throws SPACE_CLOSED.
   */
  async audit(): Promise<AuditEntry[]> {
    return this.#runtime.call(() => this.#raw.audit()).map(auditEntryOf);
  }

  /** The log that {@link audit} gives, as it changes. While the space is closed the last one stands. */
  get auditLog(): Observable<AuditEntry[]> {
    if (!this.#auditLog) {
      const source = new Source<AuditEntry[]>([]);
      this.#auditLog = new Observable(source);
      const next = (values: RawAuditEntry[]) => source.next(values.map(auditEntryOf));
      this.#stops.push(this.#runtime.call(() => this.#raw.observe('audit', next)));
    }
    return this.#auditLog;
  }

  /**
   * Invites somebody. The invitation is complete at once, and its host is this
   * device, which must stay until the guest has joined.
   *
   * @throws NOT_PERMITTED or SPACE_CLOSED.
   */
  createInvitation(options: InvitationOptions = {}): CancellableInvitation {
    const raw = this.#runtime.call(() => this.#raw.createInvitation(rawInvitationOptions(options)));
    return CancellableInvitation.of(this.#runtime, raw);
  }

  /**
   * Changes what a member may do. OWNERs give any role; ADMINs that of EDITOR,
   * READER and KEEPER, and make such members ADMINs. Who may write no more keeps
   * what it wrote until now; a KEEPER reads nothing that is written from now on.
   *
   * @throws NOT_PERMITTED, for the last OWNER too; NOT_FOUND for whom is no member;
   *   INVALID_ARGUMENT; SPACE_CLOSED.
   */
  async setRole(identity: PublicKey | string, role: Role): Promise<void> {
    this.commit();
    const key = PublicKey.from(identity).asUint8Array();
    await this.#runtime.guard(this.#runtime.call(() => this.#raw.setRole(key, role)));
  }

  /**
   * Puts a member out: it can neither connect nor write any more, and what is
   * written from now on it cannot read. What it wrote until now stays. It may be
   * invited again.
   *
   * Resolves when that is stored. Members that are offline learn it when they meet
   * one that knows; what they write until then the removed can still read.
   *
   * @throws as {@link setRole}.
   */
  async removeMember(identity: PublicKey | string): Promise<void> {
    this.commit();
    const key = PublicKey.from(identity).asUint8Array();
    await this.#runtime.guard(this.#runtime.call(() => this.#raw.removeMember(key)));
  }

  /**
   * Gives up the own membership, and with it this device's copy of the space. What
   * was written stays with the others, who are told if one of them is online.
   *
   * @throws NOT_PERMITTED for the last OWNER: make another one first; SPACE_CLOSED.
   */
  async leave(): Promise<void> {
    this.commit();
    await this.#runtime.guard(this.#runtime.call(() => this.#raw.leave()));
  }

  /**
   * Removes the space from all devices of the identity: from this one now, from the
   * others when they meet it. The membership stays, and what was written stays with the
   * other members; a space that nobody else is in is lost. {@link leave} gives up the
   * membership.
   */
  async delete(): Promise<void> {
    this.commit();
    await this.#runtime.guard(this.#runtime.call(() => this.#raw.delete()));
  }

  /**
   * Sends a message to the members that are online, sealed and signed. It is
   * not stored. The data is a value as objects hold it; arrays are allowed.
   */
  async postMessage(channel: string, data: unknown): Promise<void> {
    const message = writeMessage(data);
    await this.#runtime.guard(this.#runtime.call(() => this.#raw.postMessage(channel, message)));
  }

  /** Calls back with each message of a channel. Gives the function that ends this; it may be called again. */
  listen(channel: string, callback: (message: ChannelMessage) => void): () => void {
    let closed = false;
    const deliver = (data: Uint8Array, from: PublicKey) => {
      if (closed) return;
      try {
        callback({ data: readMessage(data), from });
      } catch (error) {
        reportUncaught(error);
      }
    };
    const stop = this.#runtime.call(() =>
      this.#raw.listen(channel, ({ data, from }) => {
        const copy = data.slice();
        const sender = PublicKey.from(from);
        queueMicrotask(() => deliver(copy, sender));
      }),
    );
    return () => {
      if (closed) return;
      closed = true;
      stop();
    };
  }

  /** Resolves when the space is open and its objects are there. */
  async waitUntilReady(): Promise<this> {
    await this.#runtime.guard(this.#raw.waitUntilReady());
    return this;
  }

  /** Opens a space that was closed. Does nothing if it is open. */
  open(): Promise<void> {
    return this.#runtime.guard(this.#raw.open());
  }

  /** Closes the space on this device: it is no longer replicated, until `open()`. May be called again. */
  async close(): Promise<void> {
    this.commit();
    await this.#runtime.guard(this.#raw.close());
  }

  /**
   * Gives the space as a file: every object that was not removed, under its id,
   * with all that is in it, and the properties. It is of one moment, although
   * edits go on meanwhile. Of a property with a conflict it has the value that
   * stands. {@link Client.importSpace} makes a new space of it, with equal objects.
   *
   * **The file is not encrypted**: whoever has it reads it all, with the history
   * also what was removed, and the names of who wrote it.
   *
   * @throws SPACE_CLOSED; TOO_LARGE over 1 GiB of content; INVALID_ARGUMENT for
   *   JSON with history; with history also what {@link Database.flush} throws,
   *   and STORAGE_CORRUPT if a part of the history is damaged.
   */
  async export(options: ExportOptions = {}): Promise<Blob> {
    const { history = false, format = 'archive' } = options;
    if (format !== 'archive' && format !== 'json')
      throw new EchospaceError('INVALID_ARGUMENT', `export: format is ${format}, not 'archive' or 'json'`);
    if (format === 'json') {
      if (history)
        throw new EchospaceError('INVALID_ARGUMENT', 'export: JSON holds no history; take an archive');
      return writeJson(this.db, this.properties);
    }
    this.commit();
    const bytes = await this.#runtime.guard(this.#raw.export({ history }));
    return new Blob([bytes], { type: 'application/octet-stream' });
  }

  /** @internal Hands the edits of the current burst to the core. */
  commit(): void {
    if (this.isOpen) this.#core.commit();
  }

  /** @internal Tells whether this is the face of that object of the core. */
  is(raw: RawSpace): boolean {
    return this.#raw === raw;
  }

  /** @internal Stops listening to the core: the client was closed. */
  forget(): void {
    for (const stop of this.#stops) stop();
    this.#core.detach();
  }
}

function syncOf({ peers, unsent, error }: RawSpaceValues['sync']): SyncStatus {
  return { peers, unsent, ...(error && { error: toEchospaceError(error) }) };
}
