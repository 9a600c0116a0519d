import type { Client, Identity, NetworkStatus, PublicKey } from '@echospace/client';
import { List } from './list.js';

/** What the page shows: the lists, and which of them is open. */
export class Model {
  readonly client: Client;
  #lists = new Map<string, List>();
  #current = '';
  #scheduled = false;
  #known: PublicKey | undefined;
  readonly #views: (() => void)[] = [];

  constructor(client: Client) {
    this.client = client;
    client.spaces.subscribe((spaces) => {
      const old = this.#lists;
      this.#lists = new Map(
        spaces.map((space) => {
          const known = old.get(space.id);
          return [
            space.id,
            known?.space === space
              ? known
              : new List(
                  space,
                  () => this.#device,
                  () => this.changed(),
                ),
          ];
        }),
      );
      for (const list of old.values()) if (this.#lists.get(list.space.id) !== list) list.stop();
      this.changed();
    });
    client.mesh.networkStatus.subscribe(() => this.changed());
    client.halo.identity.subscribe(() => this.changed());
    client.status.subscribe(() => this.changed());
  }

  /** The key of this device, which stays also when others have removed it. */
  get #device(): PublicKey | undefined {
    this.#known ??= this.client.halo.device?.deviceKey;
    return this.#known;
  }

  /** Calls a view now, and in a microtask after each burst of changes. */
  watch(view: () => void): void {
    this.#views.push(view);
    view();
  }

  /** Says that something may look different now. */
  changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const view of this.#views) view();
    });
  }

  /** All lists, by name. */
  get lists(): List[] {
    return [...this.#lists.values()].sort(
      (a, b) => a.name.localeCompare(b.name) || (a.space.id < b.space.id ? -1 : 1),
    );
  }

  /** The list that is open; undefined if there is none. */
  get current(): List | undefined {
    return this.#lists.get(this.#current);
  }

  /** Opens the list with that id, or none. */
  choose(id: string): void {
    this.#current = id;
    this.changed();
  }

  get identity(): Identity | null {
    return this.client.halo.identity.get();
  }

  get network(): NetworkStatus {
    return this.client.mesh.networkStatus.get();
  }

  /** The own name, as others see it. */
  get name(): string {
    return this.identity?.displayName ?? 'You';
  }
}
