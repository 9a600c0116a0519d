import { byId, download, onSubmit, openDialog, setText } from './dom.js';
import type { Model } from './model.js';
import { complain, toast } from './say.js';
import { explain, size } from './words.js';

/** What there is to know and to change about the person and this device. */
export class Settings {
  readonly #model: Model;

  constructor(model: Model) {
    this.#model = model;
    byId('open-settings').addEventListener('click', () => void this.open());
    onSubmit(byId('profile-form'), () => void this.#saveName());
    byId('export-all').addEventListener('click', () => this.#exportAll());
    byId('export-list').addEventListener('click', () => this.#exportList());
    byId('open-reset').addEventListener('click', () => openDialog(byId('reset')));
    byId('reset-now').addEventListener('click', () => void this.#reset());
    model.watch(() => this.render());
  }

  async open(): Promise<void> {
    byId<HTMLInputElement>('profile-name').value = this.#model.name;
    openDialog(byId('settings'));
    await this.#renderStorage();
  }

  render(): void {
    const { client, identity, network } = this.#model;
    setText(byId('identity-key'), identity?.identityKey.toHex().replace(/(.{8})(?=.)/g, '$1 ') ?? '');
    setText(byId('version-text'), client.version);
    const relays = network.relay.map(({ url, state }) => `${new URL(url).host}: ${state}`);
    setText(byId('network-text'), relays.length > 0 ? relays.join(', ') : network.state);
  }

  async #renderStorage(): Promise<void> {
    const { storage } = this.#model.client.status.get();
    const { usage = storage.usage, quota = storage.quota } = (await navigator.storage?.estimate?.()) ?? {};
    const used = usage === undefined ? '' : `${size(usage)} used`;
    const of = quota === undefined ? '' : ` of ${size(quota)}`;
    const kept = storage.persistent
      ? 'The browser has promised to keep it.'
      : 'The browser may clear it when it runs out of room.';
    setText(byId('storage-text'), `${used}${of}. ${kept}`);
  }

  async #saveName(): Promise<void> {
    const displayName = byId<HTMLInputElement>('profile-name').value.trim();
    if (displayName === '') return;
    try {
      await this.#model.client.halo.updateProfile({ displayName });
      toast('Your name is changed.');
    } catch (error) {
      complain(error);
    }
  }

  #exportList(): void {
    const list = this.#model.current;
    if (list) save(list.name, list.export());
  }

  #exportAll(): void {
    const lists = this.#model.lists.filter(({ isOpen }) => isOpen);
    save(
      'echospace',
      lists.map((list) => list.export()),
    );
  }

  async #reset(): Promise<void> {
    const button = byId<HTMLButtonElement>('reset-now');
    button.disabled = true;
    try {
      await this.#model.client.reset();
      // A fresh start, as on the first visit.
      location.replace(location.pathname + location.search);
    } catch (error) {
      setText(byId('reset-error'), explain(error));
      button.disabled = false;
    }
  }
}

/** Hands values to the user as a JSON file. */
function save(name: string, content: unknown): void {
  const file = name.replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '') || 'list';
  download(`${file}.json`, 'application/json', `${JSON.stringify(content, null, 2)}\n`);
}
