import type { Member } from '@echospace/client';
import { byId, icon, make, reconcile, setText, show } from './dom.js';
import type { List } from './list.js';
import type { Model } from './model.js';
import { announce, toast } from './say.js';
import { initials, roles } from './words.js';

/** Who shares the open list, who is here, and by which way. */
export class PeopleView {
  readonly #model: Model;
  readonly #known = new Map<string, Map<string, Member['presence']>>();

  constructor(model: Model) {
    this.#model = model;
    model.watch(() => this.render());
  }

  render(): void {
    for (const list of this.#model.lists) this.#announceChanges(list);
    const list = this.#model.current;
    show(byId('people'), list !== undefined);
    if (!list) return;
    reconcile(
      byId('members'),
      [...list.space.members.get()].sort(bySelfThenName),
      (member) => member.identityKey.toHex(),
      createMember,
      (item, member) => this.#updateMember(item, list, member),
    );
    show(byId('invitations'), list.invitation !== undefined);
  }

  #updateMember(item: HTMLElement, list: List, member: Member): void {
    const name = nameOf(member);
    const avatar = item.querySelector<HTMLElement>('.avatar');
    if (avatar) {
      setText(avatar, initials(name));
      avatar.style.setProperty('--hue', String(hueOf(member)));
    }
    const here = member.self || member.presence === 'ONLINE';
    item.classList.toggle('here', here);
    item.querySelector('button')?.setAttribute('aria-label', `About ${name}`);
    const parts = [item.querySelector('.name'), item.querySelector('.role'), item.querySelector('.way')];
    const texts = [member.self ? `${name} (you)` : name, roles[member.role], this.#way(list, member)];
    for (const [i, part] of parts.entries()) if (part) setText(part, texts[i] ?? '');
  }

  /** How this member is connected, in a word. */
  #way(list: List, member: Member): string {
    const { network } = this.#model;
    if (member.self) return network.state === 'offline' ? 'working offline' : 'this device';
    const paths = network.peers
      .filter(
        ({ spaceKey, identityKey }) =>
          spaceKey.equals(list.space.key) && identityKey.equals(member.identityKey),
      )
      .map(({ path }) => path);
    if (paths.includes('direct')) return 'here, direct';
    if (paths.length > 0) return 'here, relayed';
    return member.presence === 'ONLINE' ? 'here' : 'away';
  }

  #announceChanges(list: List): void {
    const members = list.space.members.get();
    const { id } = list.space;
    const before = this.#known.get(id);
    this.#known.set(id, new Map(members.map((m) => [m.identityKey.toHex(), m.presence])));
    if (!before || before.size === 0) return;
    for (const member of members) {
      if (member.self) continue;
      const was = before.get(member.identityKey.toHex());
      const name = nameOf(member);
      if (was === undefined) toast(`${name} has joined ${list.name}.`);
      else if (was !== member.presence && list === this.#model.current)
        announce(member.presence === 'ONLINE' ? `${name} is here.` : `${name} is away.`);
    }
  }
}

/** The name of a member; the first of the key where none was given. */
export function nameOf(member: Member): string {
  return member.displayName || `Somebody (${member.identityKey.toHex().slice(0, 6)})`;
}

/** A colour that follows from the key, the same on every device. */
function hueOf(member: Member): number {
  return Number.parseInt(member.identityKey.toHex().slice(0, 4), 16) % 360;
}

function bySelfThenName(a: Member, b: Member): number {
  return Number(b.self) - Number(a.self) || nameOf(a).localeCompare(nameOf(b));
}

function createMember(): HTMLElement {
  const text = make('div', {}, make('div', { class: 'name' }), make('div', { class: 'soft small' }));
  text.lastElementChild?.append(make('span', { class: 'role' }), ' · ', make('span', { class: 'way' }));
  const face = make('span', { class: 'avatar', 'aria-hidden': 'true' });
  const open = make(
    'button',
    { type: 'button', class: 'ghost icon', 'aria-haspopup': 'dialog' },
    icon('person'),
  );
  return make('li', { class: 'member' }, make('span', { class: 'face' }, face), text, open);
}
