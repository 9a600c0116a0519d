import { byId, openDialog, setText } from './dom.js';
import { explain } from './words.js';

/** Something that cannot be taken back, to be asked for once more. */
export interface Question {
  readonly title: string;
  readonly text: string;
  /** What the button says that does it. */
  readonly action: string;
  run(): Promise<void>;
}

let asked: Question | undefined;

/** Asks, and does it if the answer is yes. What fails is said where it was asked. */
export function confirm(question: Question): void {
  asked = question;
  setText(byId('confirm-title'), question.title);
  setText(byId('confirm-text'), question.text);
  setText(byId('confirm-now'), question.action);
  setText(byId('confirm-error'), '');
  openDialog(byId('confirm'));
}

/** Makes the question's button work. */
export function wireConfirm(): void {
  const button = byId<HTMLButtonElement>('confirm-now');
  button.addEventListener('click', async () => {
    const question = asked;
    if (!question) return;
    button.disabled = true;
    setText(byId('confirm-error'), '');
    try {
      await question.run();
      byId<HTMLDialogElement>('confirm').close();
    } catch (error) {
      if (asked === question) setText(byId('confirm-error'), explain(error));
    }
    button.disabled = false;
  });
}
