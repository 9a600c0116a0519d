import { byId, make, onSubmit, reconcile, setText, show } from './dom.js';
import type { List } from './list.js';
import type { Model } from './model.js';
import { complain } from './say.js';
import { attempt } from './tasksview.js';
import { count, initials, linkOf, links } from './words.js';

/** The lists at the side, the head of the open one, and the state of the connection. */
export class ListsView {
  readonly #model: Model;

  constructor(model: Model) {
    this.#model = model;
    byId('name-list').addEventListener('click', () => byId('new-list').focus());
    onSubmit(byId('new-list-form'), () => void this.#createList());
    byId('work-offline').addEventListener('change', () => void this.#switchNetwork());
    byId('rename-list').addEventListener('click', () => this.#beginRename());
    onSubmit(byId('rename-list-form'), () => this.#endRename(true));
    const field = byId<HTMLInputElement>('rename-list-name');
    field.addEventListener('blur', () => this.#endRename(true));
    field.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#endRename(false);
    });
    model.watch(() => this.render());
  }

  render(): void {
    const { lists, current, name } = this.#model;
    reconcile(
      byId('lists-items'),
      lists,
      (list) => list.space.id,
      (list) => make('li', {}, createLink(list)),
      (item, list) => updateLink(item, list, list === current),
    );
    show(byId('lists-empty'), lists.length === 0);
    show(byId('list'), current !== undefined);
    show(byId('no-list'), current === undefined);
    setText(byId('no-list-title'), lists.length > 0 ? 'Pick a list' : 'Make your first list');
    setText(
      byId('no-list-text'),
      lists.length > 0
        ? 'Choose one of your lists, or make a new one.'
        : 'Groceries, a trip, a project: give it a name, then invite whoever it concerns.',
    );
    byId('app').dataset.view = current ? 'list' : 'lists';
    document.title = current ? `${current.name} · Echospace` : 'Echospace: shared lists';
    if (current) {
      setText(byId('list-title'), current.name);
      show(byId('rename-list'), current.mayEdit && !byId('list-title').hidden);
      show(byId('open-invite'), current.mayInvite);
    }
    setText(byId('me-name'), name);
    setText(byId('me-avatar'), initials(name));
    this.#renderConnection();
  }

  #renderConnection(): void {
    const { network, current } = this.#model;
    const peers = current
      ? network.peers.filter(({ spaceKey }) => spaceKey.equals(current.space.key))
      : network.peers;
    const link = linkOf(network, peers);
    const [word, meaning] = links[link];
    byId('connection').dataset.link = link;
    setText(byId('connection-word'), word);
    setText(byId('connection-text'), meaning);
    byId<HTMLInputElement>('work-offline').checked = network.state === 'offline';
  }

  async #switchNetwork(): Promise<void> {
    const { mesh } = this.#model.client;
    const box = byId<HTMLInputElement>('work-offline');
    try {
      await (box.checked ? mesh.goOffline() : mesh.goOnline());
    } catch (error) {
      complain(error);
    }
    this.#model.changed();
  }

  async #createList(): Promise<void> {
    const field = byId<HTMLInputElement>('new-list');
    const name = field.value.trim();
    if (name === '') return;
    const button = byId('new-list-form').querySelector('button');
    if (button) button.disabled = true;
    try {
      const space = await this.#model.client.createSpace({ name });
      field.value = '';
      location.hash = `list=${space.id}`;
      byId('add-title').focus();
    } catch (error) {
      complain(error);
    }
    if (button) button.disabled = false;
  }

  #beginRename(): void {
    const list = this.#model.current;
    if (!list) return;
    const field = byId<HTMLInputElement>('rename-list-name');
    field.value = list.name;
    show(byId('list-title'), false);
    show(byId('rename-list'), false);
    show(byId('rename-list-form'), true);
    field.select();
  }

  #endRename(keep: boolean): void {
    const form = byId('rename-list-form');
    if (form.hidden) return;
    show(form, false);
    show(byId('list-title'), true);
    show(byId('rename-list'), true);
    const name = byId<HTMLInputElement>('rename-list-name').value.trim();
    const list = this.#model.current;
    if (keep && list && name !== '' && name !== list.name) attempt(() => list.rename(name));
    if (!document.activeElement || document.activeElement === document.body) byId('rename-list').focus();
  }
}

function createLink(list: List): HTMLElement {
  const href = `#list=${list.space.id}`;
  return make('a', { href }, make('span', { class: 'name' }), make('span', { class: 'count' }));
}

function updateLink(item: HTMLElement, list: List, current: boolean): void {
  const [name, number] = [item.querySelector('.name'), item.querySelector('.count')];
  if (!name || !number) return;
  setText(name, list.name);
  setText(number, list.isOpen ? String(list.open.length) : '…');
  const link = item.querySelector('a');
  link?.setAttribute('aria-label', `${list.name}, ${count(list.open.length, 'open task')}`);
  if (current) link?.setAttribute('aria-current', 'page');
  else link?.removeAttribute('aria-current');
}
