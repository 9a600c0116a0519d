import type { CancellableInvitation, InvitationState } from '@echospace/client';
import { byId, openDialog, setText, show } from './dom.js';
import type { List } from './list.js';
import type { Model } from './model.js';
import { nameOf } from './peopleview.js';
import { drawQr } from './qr.js';
import { announce, complain } from './say.js';
import { count, explain } from './words.js';

/** How often a guest may guess the digits of an invitation for one. */
const attempts = 3;

/** An invitation that the dialog shows, and what it has seen of it. */
interface Shown {
  readonly list: List;
  readonly invitation: CancellableInvitation;
  /** Who was a member before. */
  readonly before: ReadonlySet<string>;
  state: InvitationState;
  wrong: number;
  error: unknown;
}

/** The dialog in which a list is shared. Closing it leaves the invitation open. */
export class InviteDialog {
  readonly #model: Model;
  readonly #dialog = byId<HTMLDialogElement>('invite');
  #shown: Shown | undefined;

  constructor(model: Model) {
    this.#model = model;
    byId('open-invite').addEventListener('click', () => this.open());
    byId('show-invitation').addEventListener('click', () => this.open());
    byId('invite-again').addEventListener('click', () => this.open());
    for (const id of ['invite-cancel', 'cancel-open-invitation'])
      byId(id).addEventListener('click', () => void this.#cancel());
    for (const button of this.#dialog.querySelectorAll<HTMLElement>('[data-copy]'))
      button.addEventListener('click', () => void copy(button.dataset.copy ?? ''));
    this.#wireShare();
    model.watch(() => this.render());
  }

  /** Shows the open list's invitation; makes one if none waits for its guest. */
  open(): void {
    const list = this.#model.current;
    if (!list) return;
    try {
      const invitation = list.invitation ?? list.space.createInvitation();
      if (this.#shown?.invitation !== invitation) this.#follow(list, invitation);
    } catch (error) {
      complain(error);
      return;
    }
    openDialog(this.#dialog);
    byId('invite-title').focus();
    this.render();
  }

  #follow(list: List, invitation: CancellableInvitation): void {
    const before = new Set(list.space.members.get().map(({ identityKey }) => identityKey.toHex()));
    const shown: Shown = { list, invitation, before, state: 'INIT', wrong: 0, error: undefined };
    this.#shown = shown;
    this.#draw(list, invitation);
    invitation.subscribe(
      ({ state }) => {
        // From here a guest comes back only because the digits were wrong.
        if (shown.state === 'AUTHENTICATING' && state === 'READY_FOR_AUTHENTICATION') shown.wrong++;
        shown.state = state;
        this.#model.changed();
      },
      (error) => {
        shown.error = error;
        shown.state = invitation.get().state;
        this.#model.changed();
      },
    );
  }

  #draw(list: List, invitation: CancellableInvitation): void {
    const { code, authCode = '' } = invitation.get();
    // The fragment of an address is never sent to a server.
    const link = new URL(`#invitation=${code}`, location.href).href;
    setText(byId('invite-title'), `Invite to ${list.name}`);
    byId<HTMLInputElement>('invite-link').value = link;
    byId<HTMLTextAreaElement>('invite-code').value = code;
    setText(byId('invite-auth'), grouped(authCode));
    byId('invite-qr').replaceChildren(drawQr(link, 'QR code of the invitation link'));
  }

  render(): void {
    const shown = this.#shown;
    const waiting = this.#model.current?.invitation;
    if (waiting) setText(byId('invitation-text'), this.#stateText(waiting, shown));
    if (!shown) return;
    const { state } = shown;
    const over = ['SUCCESS', 'CANCELLED', 'TIMEOUT', 'ERROR', 'EXPIRED'].includes(state);
    const box = byId('invite-state');
    setText(box, this.#stateText(shown.invitation, shown));
    box.dataset.state = over ? (state === 'SUCCESS' ? 'good' : 'bad') : shown.wrong > 0 ? 'warn' : 'busy';
    show(byId('invite-body'), !over);
    show(byId('invite-cancel'), !over);
    show(byId('invite-again'), over);
  }

  #stateText(invitation: CancellableInvitation, shown: Shown | undefined): string {
    const known = shown?.invitation === invitation ? shown : undefined;
    switch (invitation.get().state) {
      case 'INIT':
      case 'CONNECTING':
        return this.#model.network.state === 'offline'
          ? 'You are working offline. Your guest can join once you are online again.'
          : `${wrongText(known)}Waiting for your guest. Keep this page open until they have joined.`;
      case 'CONNECTED':
      case 'READY_FOR_AUTHENTICATION':
        return `${wrongText(known)}Your guest is connected and has to enter the digits.`;
      case 'AUTHENTICATING':
        return 'Checking the digits …';
      case 'SUCCESS':
        return `${known ? newMember(known) : 'Your guest'} has joined.`;
      case 'CANCELLED':
        return 'The invitation is cancelled.';
      default:
        return known?.error ? explain(known.error) : 'The invitation is over.';
    }
  }

  async #cancel(): Promise<void> {
    const invitation = this.#dialog.open ? this.#shown?.invitation : this.#model.current?.invitation;
    try {
      await invitation?.cancel();
    } catch (error) {
      complain(error);
    }
  }

  #wireShare(): void {
    const button = byId('invite-share');
    show(button, typeof navigator.share === 'function');
    button.addEventListener('click', () => {
      const url = byId<HTMLInputElement>('invite-link').value;
      // Rejected when the user changes their mind.
      navigator.share({ title: document.title, url }).catch(() => undefined);
    });
  }
}

function wrongText(shown: Shown | undefined): string {
  if (!shown || shown.wrong === 0) return '';
  return `Wrong digits, ${count(attempts - shown.wrong, 'attempt')} left. `;
}

function newMember({ list, before }: Shown): string {
  const member = list.space.members
    .get()
    .find(({ identityKey, self }) => !self && !before.has(identityKey.toHex()));
  return member ? nameOf(member) : 'Your guest';
}

/** Digits in groups of three, letters in groups of five. */
function grouped(code: string): string {
  const size = code.length > 6 ? 5 : 3;
  return (code.match(new RegExp(`.{1,${size}}`, 'g')) ?? []).join(' ');
}

async function copy(id: string): Promise<void> {
  const field = byId<HTMLInputElement>(id);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    announce('Copied.');
    flash(id);
  } catch {
    announce('Selected. Copy it with Ctrl C.');
  }
}

/** Shows on the button that it has done its work. */
function flash(id: string): void {
  const button = document.querySelector(`[data-copy="${id}"]`);
  button?.classList.add('copied');
  setTimeout(() => button?.classList.remove('copied'), 1500);
}
