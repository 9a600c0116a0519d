import {
  type CancellableInvitation,
  InvitationEncoder,
  type InvitationState,
  type Role,
} from '@echospace/client';
import { byId, fillSelect, make, openDialog, setText, show } from './dom.js';
import type { Model } from './model.js';
import { deviceOffer, listOffer, type Offer } from './offers.js';
import { announce, complain } from './say.js';
import { count, explain, roleChoices } from './words.js';

/** How often a guest may guess the digits of an invitation for one. */
const attempts = 3;

/** An invitation that the dialog shows, and what it has seen of it. */
interface Shown {
  readonly offer: Offer;
  readonly invitation: CancellableInvitation;
  /** Says who has come. */
  readonly joined: () => string;
  state: InvitationState;
  wrong: number;
  error: unknown;
}

/** The dialog in which a list is shared, or a device added. Closing it leaves the invitation open. */
export class InviteDialog {
  readonly #model: Model;
  readonly #dialog = byId<HTMLDialogElement>('invite');
  readonly #role = byId<HTMLSelectElement>('invite-role');
  #shown: Shown | undefined;

  constructor(model: Model) {
    this.#model = model;
    for (const id of ['open-invite', 'show-invitation'])
      byId(id).addEventListener('click', () => this.#openList());
    byId('add-device').addEventListener('click', () => this.open(deviceOffer(model.client)));
    byId('invite-again').addEventListener('click', () => this.#shown && this.open(this.#shown.offer));
    this.#role.addEventListener('change', () => void this.#changeRole());
    for (const id of ['invite-cancel', 'cancel-open-invitation'])
      byId(id).addEventListener('click', () => void this.#cancel());
    for (const button of this.#dialog.querySelectorAll<HTMLElement>('[data-copy]'))
      button.addEventListener('click', () => void copy(button.dataset.copy ?? ''));
    this.#wireShare();
    model.watch(() => this.render());
  }

  #openList(): void {
    const list = this.#model.current;
    if (list) this.open(listOffer(list));
  }

  /** Shows the invitation that waits for its guest; makes one if none does. */
  open(offer: Offer, role: Role = 'EDITOR'): void {
    try {
      const invitation = offer.open() ?? offer.create(role);
      if (this.#shown?.invitation !== invitation) this.#follow(offer, invitation);
    } catch (error) {
      complain(error);
      return;
    }
    openDialog(this.#dialog);
    byId('invite-title').focus();
    this.render();
  }

  /** An invitation says what it gives: for another role there has to be another one. */
  async #changeRole(): Promise<void> {
    const role = this.#role.value as Role;
    const offer = this.#shown?.offer;
    await this.#cancel();
    if (offer && this.#dialog.open) this.open(offer, role);
  }

  #follow(offer: Offer, invitation: CancellableInvitation): void {
    const shown: Shown = {
      offer,
      invitation,
      joined: offer.watch(),
      state: 'INIT',
      wrong: 0,
      error: undefined,
    };
    this.#shown = shown;
    this.#draw(offer, invitation);
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

  #draw(offer: Offer, invitation: CancellableInvitation): void {
    const { code, authCode = '', role = 'EDITOR' } = invitation.get();
    const link = InvitationEncoder.toLink(invitation.get());
    setText(byId('invite-title'), offer.title);
    setText(byId('invite-step-1-text'), offer.send);
    setText(byId('invite-step-2-text'), offer.tell);
    setText(byId('invite-digits-text'), offer.tellHelp);
    fillSelect(this.#role, roleChoices(offer.roles), role);
    show(byId('invite-role-part'), offer.roles.length > 0);
    byId<HTMLInputElement>('invite-link').value = link;
    byId<HTMLTextAreaElement>('invite-code').value = code;
    setText(byId('invite-auth'), grouped(authCode));
    const qr = byId('invite-qr');
    qr.replaceChildren();
    InvitationEncoder.toSvg(invitation.get()).then((svg) => {
      if (byId<HTMLInputElement>('invite-link').value !== link) return;
      const src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
      qr.replaceChildren(make('img', { src, alt: 'QR code of the invitation link' }));
    }, complain);
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
          ? 'You are working offline. Nobody can join until you are online again.'
          : `${wrongText(known)}${known?.offer.waiting ?? 'Waiting for your guest.'}`;
      case 'CONNECTED':
      case 'READY_FOR_AUTHENTICATION':
        return `${wrongText(known)}${known?.offer.connected ?? 'A guest is connected.'}`;
      case 'AUTHENTICATING':
        return 'Checking the digits …';
      case 'SUCCESS':
        return known?.joined() ?? 'Your guest has joined.';
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
