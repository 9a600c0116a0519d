import {
  type CancellableInvitation,
  EchospaceError,
  type Live,
  type Member,
  type PublicKey,
  type Query,
  type Role,
  type Space,
} from '@echospace/client';
import { isOpen } from './offers.js';

/** A task as it is stored: an object of the list's space. */
export type Task = { type: 'task'; title: string; done: boolean; created: Date };

export type LiveTask = Live<Task>;

/** Whether the own edits are in this device's storage. */
export type Saving = 'saved' | 'saving' | 'full' | 'failed';

const allRoles: readonly Role[] = ['OWNER', 'ADMIN', 'EDITOR', 'READER', 'KEEPER'];

/** A list: one space, whose objects are tasks and whose properties hold its name. */
export class List {
  readonly space: Space;
  /** The tasks, oldest first; empty until the space is open. */
  tasks: readonly LiveTask[] = [];
  /** Tasks that others have just added or changed. */
  readonly fresh = new Set<string>();
  /** Why the last edit could not be stored. */
  failure: unknown;

  readonly #changed: () => void;
  readonly #ownDevice: () => PublicKey | undefined;
  readonly #stops: (() => void)[] = [];
  readonly #own = new Set<string>();
  #query: Query<Task> | undefined;
  #pending = 0;

  /** Follows a space. `changed` is called whenever anything here may be different. */
  constructor(space: Space, ownDevice: () => PublicKey | undefined, changed: () => void) {
    this.space = space;
    this.#ownDevice = ownDevice;
    this.#changed = changed;
    const subscriptions = [
      space.state.subscribe(() => this.#opened()),
      space.members.subscribe(changed),
      space.invitations.subscribe(changed),
      space.sync.subscribe(changed),
    ];
    for (const subscription of subscriptions) this.#stops.push(() => subscription.unsubscribe());
  }

  /** Stops following. */
  stop(): void {
    for (const stop of this.#stops) stop();
  }

  #opened(): void {
    const { space } = this;
    if (space.isOpen && !this.#query) {
      this.#query = space.db.query<Task>({ type: 'task' });
      let first = true;
      const unsubscribe = this.#query.subscribe(({ objects, added, changed }) => {
        this.tasks = objects;
        if (!first) this.#freshen([...added, ...changed]);
        first = false;
        this.#changed();
      });
      this.#stops.push(unsubscribe, space.db.observe(space.properties, this.#changed));
    }
    this.#changed();
  }

  #freshen(tasks: readonly LiveTask[]): void {
    this.fresh.clear();
    for (const { id } of tasks) if (!this.#own.has(id)) this.fresh.add(id);
    this.#own.clear();
  }

  get isOpen(): boolean {
    return this.space.isOpen;
  }

  get name(): string {
    const name = this.isOpen ? this.space.properties.name : undefined;
    return typeof name === 'string' && name !== '' ? name : 'A list';
  }

  /** Why one takes part no more, if that is so. */
  get over(): string | undefined {
    const own = this.#ownDevice();
    if (!this.isOpen || !own || this.space.members.get().length === 0) return undefined;
    if (!this.self) return 'You were removed from this list. What was in it until then is still here.';
    if (this.self.devices.some(({ deviceKey }) => deviceKey.equals(own))) return undefined;
    return 'You have removed this device. What was in the list until then is still here.';
  }

  get self(): Member | undefined {
    return this.space.members.get().find(({ self }) => self);
  }

  get mayEdit(): boolean {
    const role = this.self?.role;
    return this.isOpen && !this.over && role !== undefined && role !== 'READER' && role !== 'KEEPER';
  }

  /** Only owners and admins admit others. */
  get mayInvite(): boolean {
    return this.grants.length > 0;
  }

  /** The roles that one may give: none above one's own, and none without the right to admit. */
  get grants(): readonly Role[] {
    const role = this.self?.role;
    if (!this.isOpen || (role !== 'OWNER' && role !== 'ADMIN')) return [];
    return role === 'OWNER' ? allRoles : allRoles.slice(1);
  }

  /** Whether one may change or remove that member. */
  mayChange({ role, self }: Member): boolean {
    return !self && (this.self?.role === 'OWNER' || (this.mayInvite && role !== 'OWNER' && role !== 'ADMIN'));
  }

  get open(): readonly LiveTask[] {
    return this.tasks.filter(({ done }) => !done);
  }

  get done(): readonly LiveTask[] {
    return this.tasks.filter(({ done }) => done);
  }

  /** The invitation that still waits for its guest, if there is one. */
  get invitation(): CancellableInvitation | undefined {
    return this.space.invitations.get().find(isOpen);
  }

  get saving(): Saving {
    if (this.failure) {
      return this.failure instanceof EchospaceError && this.failure.code === 'STORAGE_FULL'
        ? 'full'
        : 'failed';
    }
    return this.#pending > 0 || this.space.sync.get().unsent > 0 ? 'saving' : 'saved';
  }

  /** True if somebody else is connected and has stored all that is here. */
  get storedElsewhere(): boolean {
    const { peers } = this.space.sync.get();
    return peers.length > 0 && peers.every(({ stored }) => stored);
  }

  // Edits. They show at once; what they throw is for the caller to say.

  add(title: string): LiveTask {
    return this.#edit(() => {
      const task = this.space.db.add<Task>({ type: 'task', title, done: false, created: new Date() });
      this.#own.add(task.id);
      return task;
    });
  }

  tick(task: LiveTask, done: boolean): void {
    this.#change(task, () => {
      task.done = done;
    });
  }

  retitle(task: LiveTask, title: string): void {
    if (title === task.title) return;
    this.#change(task, () => {
      task.title = title;
    });
  }

  remove(task: LiveTask): void {
    this.#change(task, () => this.space.db.remove(task));
  }

  restore(task: LiveTask): void {
    this.#change(task, () => this.space.db.restore(task));
  }

  rename(name: string): void {
    this.#edit(() => {
      this.space.properties.name = name;
    });
  }

  #change(task: LiveTask, f: () => void): void {
    this.#own.add(task.id);
    this.#edit(f);
  }

  #edit<R>(f: () => R): R {
    const result = this.space.db.transact(f);
    void this.#save();
    return result;
  }

  async #save(): Promise<void> {
    this.#pending++;
    this.#changed();
    try {
      await this.space.db.flush();
      this.failure = undefined;
    } catch (error) {
      this.failure = error;
    }
    this.#pending--;
    this.#changed();
  }

  /** What is in the list, as plain values for a file. */
  export(): object {
    return {
      list: this.name,
      members: this.space.members.get().map(({ displayName, role }) => ({ name: displayName ?? null, role })),
      tasks: this.tasks.map(({ title, done, created }) => ({ title, done, created })),
    };
  }
}
