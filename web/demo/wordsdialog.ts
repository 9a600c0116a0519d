import type { RecoveryPhrase } from '@echospace/client';
import { byId, make, onSubmit, openDialog, setText, show } from './dom.js';
import type { Model } from './model.js';
import { complain, toast } from './say.js';
import { explain } from './words.js';

const steps = ['words-intro', 'words-show', 'words-form'] as const;

/** The recovery words: shown once, and typed back before they count. */
export class WordsDialog {
  readonly #model: Model;
  readonly #dialog = byId<HTMLDialogElement>('words');
  #phrase: RecoveryPhrase | undefined;

  constructor(model: Model) {
    this.#model = model;
    byId('open-words').addEventListener('click', () => this.#open());
    byId('words-make').addEventListener('click', () => void this.#make());
    byId('words-written').addEventListener('click', () => this.#ask());
    byId('words-again').addEventListener('click', () => this.#step('words-show'));
    onSubmit(byId('words-form'), () => void this.#confirm());
    this.#dialog.addEventListener('close', () => this.#forget());
    model.client.halo.recovery.subscribe(() => this.#renderState());
  }

  #open(): void {
    this.#renderState();
    this.#step('words-intro');
    openDialog(this.#dialog);
    byId('words-title').focus();
  }

  #step(step: (typeof steps)[number]): void {
    for (const id of steps) show(byId(id), id === step);
  }

  #renderState(): void {
    const { exists, createdAt } = this.#model.client.halo.recovery.get();
    const since = createdAt === undefined ? '' : ` since ${new Date(createdAt).toLocaleDateString()}`;
    const state = byId('words-state');
    setText(state, exists ? `You have recovery words${since}.` : 'You have no recovery words yet.');
    state.dataset.state = exists ? 'good' : 'warn';
    setText(byId('words-make'), exists ? 'Replace them' : 'Show me twelve words');
  }

  async #make(): Promise<void> {
    try {
      this.#phrase = await this.#model.client.halo.createRecoveryPhrase();
    } catch (error) {
      complain(error);
      return;
    }
    byId('words-list').replaceChildren(...this.#phrase.words.map((word) => make('li', {}, word)));
    this.#step('words-show');
    byId('words-written').focus();
  }

  #ask(): void {
    const typed = byId<HTMLTextAreaElement>('words-typed');
    typed.value = '';
    setText(byId('words-error'), '');
    this.#step('words-form');
    typed.focus();
  }

  async #confirm(): Promise<void> {
    const phrase = this.#phrase;
    const button = byId<HTMLButtonElement>('words-confirm');
    if (!phrase || button.disabled) return;
    button.disabled = true;
    setText(byId('words-error'), '');
    try {
      await phrase.confirm(byId<HTMLTextAreaElement>('words-typed').value);
      this.#phrase = undefined;
      this.#dialog.close();
      toast('Your recovery words are set. Any earlier ones no longer work.');
    } catch (error) {
      if (this.#phrase === phrase) setText(byId('words-error'), explain(error));
    }
    button.disabled = false;
  }

  /** Nothing of the words stays in the page. */
  #forget(): void {
    this.#phrase?.cancel();
    this.#phrase = undefined;
    byId('words-list').replaceChildren();
    byId<HTMLTextAreaElement>('words-typed').value = '';
  }
}
