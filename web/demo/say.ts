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

/** Where messages are heard and seen: behind an open dialog, all of the page is inert. */
function stage(): Element {
  return [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
}

function bring(element: HTMLElement, to: Element): void {
  if (element.parentElement !== to) to.append(element);
}

/** Sets the text of a live region; the same text twice is said twice. */
function repeat(region: HTMLElement, text: string): void {
  bring(region, stage());
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
  if (byId('app').hidden) return; // the page says so itself
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
  bring(byId('toast'), stage());
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

/** Makes the toast's button work, and keeps what is said when a dialog closes. */
export function wireToast(): void {
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('close', () => {
      for (const id of ['toast', 'polite', 'assertive']) bring(byId(id), stage());
    });
  }
  byId('toast-action').addEventListener('click', () => {
    const run = action;
    hideToast();
    run?.();
  });
}
