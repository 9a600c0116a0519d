import { type Client, EchospaceError } from '@echospace/client';
import { byId, onSubmit, openDialog, setText, show } from './dom.js';
import type { JoinDialog } from './join.js';
import { explain } from './words.js';

/**
 * Asks a first visitor who they are: somebody new, who says a name, or somebody who
 * is here already, on another device or by their recovery words. Resolves when this
 * browser has an identity.
 */
export function welcome({ halo }: Client, join: JoinDialog, invited: boolean): Promise<void> {
  if (invited) {
    setText(byId('welcome-lead'), 'You are invited to a list. Say who you are, then you can join it.');
  }
  byId('welcome-device').addEventListener('click', () => join.open());
  wireName(halo);
  wireRecovery(halo);
  byId('welcome-name').focus();
  return new Promise((resolve) => {
    const subscription = halo.identity.subscribe((identity) => {
      if (!identity) return;
      queueMicrotask(() => subscription.unsubscribe());
      resolve();
    });
  });
}

function wireName(halo: Client['halo']): void {
  const button = byId('welcome-form').querySelector('button');
  onSubmit(byId('welcome-form'), async () => {
    const displayName = byId<HTMLInputElement>('welcome-name').value.trim();
    if (displayName === '' || !button || button.disabled) return;
    button.disabled = true;
    try {
      await halo.createIdentity({ displayName });
    } catch (error) {
      button.disabled = false;
      setText(byId('welcome-help'), explain(error));
    }
  });
}

/** What came in the way of coming back. */
function reasonOf(error: unknown): string {
  if (error instanceof EchospaceError && error.code === 'TIMEOUT') {
    return 'Nobody who knows you was there. Ask somebody with whom you share a list to open it, then try again.';
  }
  return explain(error);
}

function wireRecovery(halo: Client['halo']): void {
  const dialog = byId<HTMLDialogElement>('recover');
  const field = byId<HTMLTextAreaElement>('recover-words');
  const state = byId('recover-state');
  const button = byId<HTMLButtonElement>('recover-now');
  let abort = new AbortController();
  byId('welcome-recover').addEventListener('click', () => {
    openDialog(dialog);
    field.focus();
  });
  dialog.addEventListener('close', () => {
    abort.abort();
    field.value = '';
    setText(byId('recover-error'), '');
  });
  onSubmit(byId('recover-form'), async () => {
    if (button.disabled) return;
    button.disabled = true;
    abort = new AbortController();
    setText(byId('recover-error'), '');
    setText(state, 'Looking for somebody who knows you …');
    state.dataset.state = 'busy';
    show(state, true);
    try {
      await halo.recoverIdentity(field.value, { signal: abort.signal });
      dialog.close();
    } catch (error) {
      if (dialog.open) setText(byId('recover-error'), reasonOf(error));
    }
    show(state, false);
    button.disabled = false;
  });
}
