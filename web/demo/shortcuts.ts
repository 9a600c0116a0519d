import { byId, openDialog } from './dom.js';
import type { TasksView } from './tasksview.js';

const storageKey = 'echospace-demo.single-keys';

/** Keys that work everywhere but in fields and dialogs. Those of one letter can be switched off. */
export function wireShortcuts(tasks: TasksView): void {
  const box = byId<HTMLInputElement>('single-keys');
  box.checked = localStorage.getItem(storageKey) !== 'off';
  box.addEventListener('change', () => localStorage.setItem(storageKey, box.checked ? 'on' : 'off'));
  byId('open-shortcuts').addEventListener('click', () => openDialog(byId('shortcuts')));
  const actions: Readonly<Record<string, () => unknown>> = {
    n: () => tasks.focusAdd(),
    l: () => byId('new-list').focus(),
    i: () => byId('open-invite').hidden || byId('open-invite').click(),
    j: () => byId('open-join').click(),
    o: () => byId('work-offline').click(),
    '1': () => tasks.filter('all'),
    '2': () => tasks.filter('open'),
    '3': () => tasks.filter('done'),
    '?': () => openDialog(byId('shortcuts')),
  };
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || byId('app').hidden || isBusy(event.target)) return;
    const command = event.ctrlKey || event.metaKey;
    if (command && !event.shiftKey && !event.altKey && event.key.toLowerCase() === 'z') {
      event.preventDefault();
      tasks.undo();
    }
    if (command || event.altKey || !box.checked) return;
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** Tells whether keys belong to a field that is being typed in, or to an open dialog. */
function isBusy(target: EventTarget | null): boolean {
  if (document.querySelector('dialog[open]')) return true;
  const field = target instanceof Element && target.closest('input, textarea, select');
  return field instanceof HTMLElement && !field.matches('[type=checkbox], [type=radio]');
}
