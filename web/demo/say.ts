import { byId, setText, show } from './dom.js';
import { explain } from './words.js';

/** How long a toast stays. It stays longer while it is pointed at or has the focus. */
const toastMs = 8000;

let timer: ReturnType<typeof setTimeout> | undefined;
let action: (() => void) | undefined;

/** Tells screen readers something, after what they are saying. */
export function announce(text: string): void {
  repeat(byId('polite'), text);
}

/** Sets the text of a live region; the same text twice is said twice. */
function repeat(region: HTMLElement, text: string): void {
  region.textContent = '';
  requestAnimationFrame(() => setText(region, text));
}

/** Shows a short message to everybody, with one thing that can be done about it. */
export function toast(text: string, does?: { label: string; run: () => void }): void {
  setText(byId('toast-text'), text);
  announce(text);
  reveal(does);
  fade();
}

/** Shows what went wrong, in plain words, until it is taken note of. */
export function complain(error: unknown): void {
  const text = explain(error);
  setText(byId('toast-text'), text);
  repeat(byId('assertive'), text);
  reveal({ label: 'Close', run: hideToast });
}

function reveal(does: { label: string; run: () => void } | undefined): void {
  const button = byId('toast-action');
  action = does?.run;
  setText(button, does?.label ?? '');
  show(button, does !== undefined);
  show(byId('toast'), true);
  clearTimeout(timer);
}

function fade(): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const box = byId('toast');
    if (box.matches(':hover, :focus-within')) fade();
    else hideToast();
  }, toastMs);
}

/** Takes the toast away, and with it what it offered to do. */
export function hideToast(): void {
  clearTimeout(timer);
  action = undefined;
  show(byId('toast'), false);
}

/** Makes the toast's button work. */
export function wireToast(): void {
  byId('toast-action').addEventListener('click', () => {
    const run = action;
    hideToast();
    run?.();
  });
}
