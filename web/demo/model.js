import { List } from './list.js';
/** What the page shows: the lists, and which of them is open. */
export class Model {
    client;
    #lists = new Map();
    #current = '';
    #scheduled = false;
    #views = [];
    constructor(client) {
        this.client = client;
        client.spaces.subscribe((spaces) => {
            const old = this.#lists;
            this.#lists = new Map(spaces.map((space) => {
                const known = old.get(space.id);
                return [space.id, known?.space === space ? known : new List(space, () => this.changed())];
            }));
            for (const list of old.values())
                if (this.#lists.get(list.space.id) !== list)
                    list.stop();
            this.changed();
        });
        client.mesh.networkStatus.subscribe(() => this.changed());
        client.halo.identity.subscribe(() => this.changed());
        client.status.subscribe(() => this.changed());
    }
    /** Calls a view now, and in a microtask after each burst of changes. */
    watch(view) {
        this.#views.push(view);
        view();
    }
    /** Says that something may look different now. */
    changed() {
        if (this.#scheduled)
            return;
        this.#scheduled = true;
        queueMicrotask(() => {
            this.#scheduled = false;
            for (const view of this.#views)
                view();
        });
    }
    get lists() {
        return [...this.#lists.values()];
    }
    /** The list that is open; undefined if there is none. */
    get current() {
        return this.#lists.get(this.#current);
    }
    /** Opens the list with that id, or none. */
    choose(id) {
        this.#current = id;
        this.changed();
    }
    get identity() {
        return this.client.halo.identity.get();
    }
    get network() {
        return this.client.mesh.networkStatus.get();
    }
    /** The own name, as others see it. */
    get name() {
        return this.identity?.displayName ?? 'You';
    }
}
