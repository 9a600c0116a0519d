import { byId, setText, show } from './dom.js';
import { explain } from './words.js';
/** How long a toast stays. It stays longer while it is pointed at or has the focus. */
const toastMs = 8000;
let timer;
let action;
/** Tells screen readers something, after what they are saying. */
export function announce(text) {
    repeat(byId('polite'), text);
}
/** Sets the text of a live region; the same text twice is said twice. */
function repeat(region, text) {
    region.textContent = '';
    requestAnimationFrame(() => setText(region, text));
}
/** Shows a short message to everybody, with one thing that can be done about it. */
export function toast(text, does) {
    setText(byId('toast-text'), text);
    announce(text);
    reveal(does);
}
/** Shows what went wrong, in plain words. */
export function complain(error) {
    const text = explain(error);
    setText(byId('toast-text'), text);
    repeat(byId('assertive'), text);
    reveal(undefined);
}
function reveal(does) {
    const button = byId('toast-action');
    action = does?.run;
    setText(button, does?.label ?? '');
    show(button, does !== undefined);
    show(byId('toast'), true);
    fade();
}
function fade() {
    clearTimeout(timer);
    timer = setTimeout(() => {
        const box = byId('toast');
        if (box.matches(':hover, :focus-within'))
            fade();
        else
            hideToast();
    }, toastMs);
}
/** Takes the toast away, and with it what it offered to do. */
export function hideToast() {
    clearTimeout(timer);
    action = undefined;
    show(byId('toast'), false);
}
/** Makes the toast's button work. */
export function wireToast() {
    byId('toast-action').addEventListener('click', () => {
        const run = action;
        hideToast();
        run?.();
    });
}
