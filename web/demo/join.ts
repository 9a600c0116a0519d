import {
  type AuthenticatingInvitation,
  type DecodedInvitation,
  EchospaceError,
  InvitationEncoder,
  type InvitationState,
} from '@echospace/client';
import { byId, onSubmit, openDialog, setText, show } from './dom.js';
import type { Model } from './model.js';
import { announce } from './say.js';
import { explain } from './words.js';

/** What the guest sees while an invitation is under way. */
const progress: Partial<Record<InvitationState, string>> = {
  INIT: 'Looking for the person who invited you …',
  CONNECTING: 'Looking for the person who invited you …',
  CONNECTED: 'Connected.',
  READY_FOR_AUTHENTICATION: 'Connected. Enter the digits that you were told.',
  AUTHENTICATING: 'Checking the digits …',
  SUCCESS: 'Welcome. Opening the list …',
};

/** The dialog in which somebody joins a list: first the code, then the digits. */
export class JoinDialog {
  readonly #model: Model;
  readonly #dialog = byId<HTMLDialogElement>('join');
  readonly #code = byId<HTMLTextAreaElement>('join-code');
  readonly #auth = byId<HTMLInputElement>('join-auth');
  #decoded: DecodedInvitation | undefined;
  #invitation: AuthenticatingInvitation | undefined;

  constructor(model: Model) {
    this.#model = model;
    byId('open-join').addEventListener('click', () => this.open());
    onSubmit(byId('join-code-form'), () => this.#read());
    onSubmit(byId('join-auth-form'), () => void this.#authenticate());
    byId('join-again').addEventListener('click', () => this.#accept());
    this.#code.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#read();
    });
    this.#auth.addEventListener('input', () => setText(byId('join-auth-error'), ''));
    this.#dialog.addEventListener('close', () => this.#leave());
  }

  /** Opens the dialog, with what an opened link says. */
  open(code = ''): void {
    this.#leave();
    this.#code.value = code;
    setText(byId('join-code-error'), '');
    this.#step('code');
    openDialog(this.#dialog);
    this.#code.focus();
    if (code !== '') this.#read();
  }

  #step(step: 'code' | 'auth'): void {
    show(byId('join-code-form'), step === 'code');
    show(byId('join-auth-form'), step === 'auth');
  }

  /** Takes the code, or says what is wrong with it. */
  #read(): void {
    setText(byId('join-code-error'), '');
    try {
      const decoded = InvitationEncoder.decode(this.#code.value);
      if (decoded.kind === 'DEVICE') throw new DeviceCode();
      this.#decoded = decoded;
      this.#accept();
    } catch (error) {
      setText(byId('join-code-error'), error instanceof DeviceCode ? error.message : explain(error));
      this.#code.setAttribute('aria-invalid', 'true');
      this.#code.focus();
      return;
    }
    this.#code.removeAttribute('aria-invalid');
  }

  /** Connects to the host. */
  #accept(): void {
    const decoded = this.#decoded;
    if (!decoded) return;
    const invitation = this.#model.client.acceptInvitation(decoded);
    this.#invitation = invitation;
    const wanted = decoded.authMethod === 'SHARED_SECRET';
    const short = !decoded.multiUse && !decoded.persistent;
    this.#auth.value = '';
    this.#auth.inputMode = short ? 'numeric' : 'text';
    this.#auth.maxLength = short ? 12 : 24;
    setText(byId('join-auth-error'), '');
    this.#step('auth');
    this.#ready(true);
    show(byId('join-auth-part'), wanted);
    show(byId('join-submit'), wanted);
    if (wanted) this.#auth.focus();
    invitation.subscribe(
      ({ state }) => this.#follow(invitation, state),
      (error) => this.#fail(invitation, error),
      () => this.#enter(invitation),
    );
  }

  #follow(invitation: AuthenticatingInvitation, state: InvitationState): void {
    const text = progress[state];
    if (this.#invitation !== invitation || !text) return;
    const box = byId('join-state');
    setText(box, text);
    box.dataset.state = state === 'READY_FOR_AUTHENTICATION' ? 'good' : 'busy';
  }

  async #authenticate(): Promise<void> {
    const invitation = this.#invitation;
    const code = this.#auth.value.replace(/[\s-]/g, '');
    if (!invitation || code === '') return;
    this.#ready(false);
    setText(byId('join-auth-error'), '');
    try {
      await invitation.authenticate(code);
    } catch (error) {
      if (!(error instanceof EchospaceError && error.code === 'WRONG_AUTH_CODE')) return; // told by the subscription
      if (this.#invitation !== invitation) return;
      this.#ready(true);
      this.#auth.setAttribute('aria-invalid', 'true');
      setText(byId('join-auth-error'), explain(error));
      this.#auth.select();
    }
  }

  /** Lets the digits be entered, or not while they are being checked. */
  #ready(ready: boolean): void {
    this.#auth.readOnly = !ready;
    this.#auth.removeAttribute('aria-invalid');
    byId<HTMLButtonElement>('join-submit').disabled = !ready;
    show(byId('join-again'), false);
  }

  /** The invitation has ended badly. */
  #fail(invitation: AuthenticatingInvitation, error: EchospaceError): void {
    if (this.#invitation !== invitation) return;
    if (error.code === 'ALREADY_MEMBER') {
      this.#enter(invitation, error);
      return;
    }
    this.#invitation = undefined;
    const box = byId('join-state');
    setText(box, 'You have not joined.');
    box.dataset.state = 'bad';
    setText(byId('join-auth-error'), explain(error));
    show(byId('join-auth-part'), false);
    show(byId('join-submit'), false);
    const again = ['HOST_UNREACHABLE', 'TIMEOUT', 'OFFLINE', 'RELAY_UNREACHABLE', 'INTERNAL'].includes(
      error.code,
    );
    show(byId('join-again'), again);
    if (again) byId('join-again').focus();
  }

  /** Opens the list that was joined, or that was there before. */
  #enter(invitation: AuthenticatingInvitation, error?: EchospaceError): void {
    if (this.#invitation !== invitation) return;
    const key = error?.spaceKey ?? invitation.get().spaceKey;
    const space = key && this.#model.client.getSpace(key);
    this.#invitation = undefined;
    this.#dialog.close();
    if (!space) return;
    location.hash = `list=${space.id}`;
    announce(error ? 'You are in this list already.' : 'You have joined the list.');
    byId('list-title').focus();
  }

  /** Gives up what is under way: the dialog was closed. */
  #leave(): void {
    const invitation = this.#invitation;
    this.#invitation = undefined;
    invitation?.cancel().catch(() => undefined);
  }
}

/** The code is one for a further device of the person who made it. */
class DeviceCode extends Error {
  constructor() {
    super('This code adds a device to an identity. To join a list, ask for an invitation to the list.');
  }
}
