import {
  type AuthenticatingInvitation,
  type Client,
  type DecodedInvitation,
  EchospaceError,
  InvitationEncoder,
  type InvitationState,
} from '@echospace/client';
import { byId, onSubmit, openDialog, setText, show } from './dom.js';
import { announce } from './say.js';
import { explain } from './words.js';

/** What the guest sees while an invitation is under way. */
const progress: Partial<Record<InvitationState, string>> = {
  INIT: 'Looking for the page that invites …',
  CONNECTING: 'Looking for the page that invites …',
  CONNECTED: 'Connected.',
  READY_FOR_AUTHENTICATION: 'Connected. Enter the digits.',
  AUTHENTICATING: 'Checking the digits …',
  SUCCESS: 'Welcome. Opening …',
};

/** The dialog in which somebody joins a list, or adds a device: first the code, then the digits. */
export class JoinDialog {
  readonly #client: Client;
  readonly #dialog = byId<HTMLDialogElement>('join');
  readonly #code = byId<HTMLTextAreaElement>('join-code');
  readonly #auth = byId<HTMLInputElement>('join-auth');
  #decoded: DecodedInvitation | undefined;
  #invitation: AuthenticatingInvitation | undefined;

  constructor(client: Client) {
    this.#client = client;
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
    setText(byId('join-title'), this.#isNew ? 'Add this device' : 'Join a list');
    openDialog(this.#dialog);
    this.#code.focus();
    if (code !== '') this.#read();
  }

  /** Whether this browser has no identity yet, and can become a device of one. */
  get #isNew(): boolean {
    return !this.#client.halo.identity.get();
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
      if ((decoded.kind === 'DEVICE') !== this.#isNew) throw new WrongKind(decoded.kind);
      this.#decoded = decoded;
      this.#accept();
    } catch (error) {
      setText(byId('join-code-error'), error instanceof WrongKind ? error.message : explain(error));
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
    const { halo } = this.#client;
    const invitation = this.#isNew ? halo.acceptInvitation(decoded) : this.#client.acceptInvitation(decoded);
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
    const space = key && this.#client.getSpace(key);
    this.#invitation = undefined;
    this.#dialog.close();
    if (!space) return; // it was this device that joined
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

/** The code is good, and for something else. */
class WrongKind extends Error {
  constructor(kind: DecodedInvitation['kind']) {
    super(
      kind === 'DEVICE'
        ? 'This code adds a device to an identity. To join a list, ask for an invitation to the list.'
        : 'This code is for a list. Say your name first, then join it; or add this device with a code from your other one.',
    );
  }
}
