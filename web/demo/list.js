import { EchospaceError, } from '@echospace/client';
const unfinished = ['INIT', 'CONNECTING', 'CONNECTED', 'READY_FOR_AUTHENTICATION', 'AUTHENTICATING'];
/** A list: one space, whose objects are tasks and whose properties hold its name. */
export class List {
    space;
    /** The tasks, oldest first; empty until the space is open. */
    tasks = [];
    /** Tasks that others have just added or changed. */
    fresh = new Set();
    /** Why the last edit could not be stored. */
    failure;
    #changed;
    #stops = [];
    #own = new Set();
    #query;
    #pending = 0;
    /** Follows a space. `changed` is called whenever anything here may be different. */
    constructor(space, changed) {
        this.space = space;
        this.#changed = changed;
        const subscriptions = [
            space.state.subscribe(() => this.#opened()),
            space.members.subscribe(changed),
            space.invitations.subscribe(changed),
            space.sync.subscribe(changed),
        ];
        for (const subscription of subscriptions)
            this.#stops.push(() => subscription.unsubscribe());
    }
    /** Stops following. */
    stop() {
        for (const stop of this.#stops)
            stop();
    }
    #opened() {
        const { space } = this;
        if (space.isOpen && !this.#query) {
            this.#query = space.db.query({ type: 'task' });
            let first = true;
            const unsubscribe = this.#query.subscribe(({ objects, added, changed }) => {
                this.tasks = objects;
                if (!first)
                    this.#freshen([...added, ...changed]);
                first = false;
                this.#changed();
            });
            this.#stops.push(unsubscribe, space.db.observe(space.properties, this.#changed));
        }
        this.#changed();
    }
    #freshen(tasks) {
        this.fresh.clear();
        for (const { id } of tasks)
            if (!this.#own.has(id))
                this.fresh.add(id);
        this.#own.clear();
    }
    get isOpen() {
        return this.space.isOpen;
    }
    get name() {
        const { name } = this.isOpen ? this.space.properties : {};
        return typeof name === 'string' && name !== '' ? name : 'A list';
    }
    get self() {
        return this.space.members.get().find(({ self }) => self);
    }
    get mayEdit() {
        const role = this.self?.role;
        return this.isOpen && role !== 'READER' && role !== 'KEEPER';
    }
    get open() {
        return this.tasks.filter(({ done }) => !done);
    }
    get done() {
        return this.tasks.filter(({ done }) => done);
    }
    /** The invitation that still waits for its guest, if there is one. */
    get invitation() {
        return this.space.invitations.get().find((invitation) => unfinished.includes(invitation.get().state));
    }
    get saving() {
        if (this.failure) {
            return this.failure instanceof EchospaceError && this.failure.code === 'STORAGE_FULL' ? 'full' : 'failed';
        }
        return this.#pending > 0 || this.space.sync.get().unsent > 0 ? 'saving' : 'saved';
    }
    /** True if somebody else is connected and has stored all that is here. */
    get storedElsewhere() {
        const { peers } = this.space.sync.get();
        return peers.length > 0 && peers.every(({ stored }) => stored);
    }
    // Edits. They show at once; what they throw is for the caller to say.
    add(title) {
        return this.#edit(() => {
            const task = this.space.db.add({ type: 'task', title, done: false, created: new Date() });
            this.#own.add(task.id);
            return task;
        });
    }
    tick(task, done) {
        this.#change(task, () => {
            task.done = done;
        });
    }
    retitle(task, title) {
        if (title === task.title)
            return;
        this.#change(task, () => {
            task.title = title;
        });
    }
    remove(task) {
        this.#change(task, () => this.space.db.remove(task));
    }
    restore(task) {
        this.#change(task, () => this.space.db.restore(task));
    }
    rename(name) {
        this.#edit(() => {
            this.space.properties.name = name;
        });
    }
    #change(task, f) {
        this.#own.add(task.id);
        this.#edit(f);
    }
    #edit(f) {
        const result = this.space.db.transact(f);
        void this.#save();
        return result;
    }
    async #save() {
        this.#pending++;
        this.#changed();
        try {
            await this.space.db.flush();
            this.failure = undefined;
        }
        catch (error) {
            this.failure = error;
        }
        this.#pending--;
        this.#changed();
    }
    /** What is in the list, as plain values for a file. */
    export() {
        return {
            list: this.name,
            members: this.space.members.get().map(({ displayName, role }) => ({ name: displayName ?? null, role })),
            tasks: this.tasks.map(({ title, done, created }) => ({ title, done, created })),
        };
    }
}
