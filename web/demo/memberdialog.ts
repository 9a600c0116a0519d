import type { Member, Role } from '@echospace/client';
import { confirm } from './confirm.js';
import { byId, fillSelect, onSubmit, openDialog, setText, show } from './dom.js';
import type { List } from './list.js';
import type { Model } from './model.js';
import { nameOf } from './peopleview.js';
import { toast } from './say.js';
import { count, explain, roleChoices, roles } from './words.js';

/** One member of the open list: who it is, what it may do, and how it goes. */
export class MemberDialog {
  readonly #dialog = byId<HTMLDialogElement>('member');
  readonly #role = byId<HTMLSelectElement>('member-role');
  #list: List | undefined;
  #key = '';

  constructor(model: Model) {
    byId('members').addEventListener('click', (event) => {
      const item = (event.target as Element).closest('button')?.closest<HTMLElement>('[data-key]');
      if (item && model.current) this.#open(model.current, item.dataset.key ?? '');
    });
    onSubmit(byId('member-form'), () => void this.#changeRole());
    byId('member-remove').addEventListener('click', () => this.#remove());
    model.watch(() => this.#render());
  }

  get #member(): Member | undefined {
    return this.#list?.space.members.get().find(({ identityKey }) => identityKey.toHex() === this.#key);
  }

  #open(list: List, key: string): void {
    this.#list = list;
    this.#key = key;
    const member = this.#member;
    if (!member) return;
    fillSelect(this.#role, roleChoices(list.grants), member.role);
    setText(byId('member-help'), '');
    openDialog(this.#dialog);
    byId('member-title').focus();
    this.#render();
  }

  #render(): void {
    const list = this.#list;
    if (!this.#dialog.open || !list) return;
    const member = this.#member;
    if (!member) {
      this.#dialog.close(); // it has gone
      return;
    }
    const may = list.mayChange(member);
    setText(byId('member-title'), member.self ? `${nameOf(member)} (you)` : nameOf(member));
    setText(byId('member-key'), member.identityKey.toHex());
    const online = member.devices.filter(({ online }) => online).length;
    const here = online > 0 ? `, ${online} connected` : '';
    setText(byId('member-devices'), `${count(member.devices.length, 'device')}${here}`);
    show(byId('member-form'), may);
    const button = byId('member-remove');
    const stuck = member.self && isLastOwner(list);
    show(button, (may || member.self) && !stuck);
    setText(button, member.self ? leaving(list).action : 'Remove from this list …');
    setText(
      byId('member-stuck'),
      stuck ? 'A list needs an owner: make somebody else one, then you can leave.' : '',
    );
  }

  async #changeRole(): Promise<void> {
    const list = this.#list;
    const member = this.#member;
    if (!list || !member) return;
    const role = this.#role.value as Role;
    try {
      await list.space.setRole(member.identityKey, role);
      setText(byId('member-help'), `Changed: ${nameOf(member)} ${roles[role]}.`);
    } catch (error) {
      setText(byId('member-help'), explain(error));
    }
  }

  #remove(): void {
    const list = this.#list;
    const member = this.#member;
    if (!list || !member) return;
    this.#dialog.close();
    if (member.self) {
      confirm(leaving(list));
      return;
    }
    const name = nameOf(member);
    confirm({
      title: `Remove ${name}?`,
      text: `${name} keeps what was in ${list.name} until now, and can neither read nor change anything from now on. What ${name} wrote stays.`,
      action: 'Remove',
      run: async () => {
        await list.space.removeMember(member.identityKey);
        toast(`${name} is removed from ${list.name}.`);
      },
    });
  }
}

/** Whether others would be left in the list without an owner. */
function isLastOwner({ space, self }: List): boolean {
  const members = space.members.get();
  return members.length > 1 && members.every((m) => (m.role === 'OWNER') === m.self) && self !== undefined;
}

/** How one goes oneself: whoever is alone in a list deletes it. */
function leaving({ space, name }: List) {
  const others = space.members.get().filter(({ self }) => !self);
  if (others.length === 0) {
    return {
      title: `Delete ${name}?`,
      text: 'Nobody else has this list: it is gone for good, on all your devices.',
      action: 'Delete this list …',
      run: async () => {
        await space.delete();
        location.hash = '';
        toast(`${name} is deleted.`);
      },
    };
  }
  return {
    title: `Leave ${name}?`,
    text: 'The list goes from your devices and stays with the others. To come back you have to be invited again.',
    action: 'Leave this list …',
    run: async () => {
      await space.leave();
      location.hash = '';
      toast(`You have left ${name}.`);
    },
  };
}
