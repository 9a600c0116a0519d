import { byId, icon, make, onSubmit, reconcile, setText, show } from './dom.js';
import type { List, LiveTask } from './list.js';
import type { Model } from './model.js';
import { complain, hideToast, toast } from './say.js';
import { count, explain } from './words.js';

type Filter = 'all' | 'open' | 'done';

const emptyTexts: Readonly<Record<Filter, string>> = {
  all: 'Nothing to do yet. Type the first task above.',
  open: 'Everything is done.',
  done: 'Nothing is done yet.',
};

/** The open list: its tasks, and all that can be done with them. */
export class TasksView {
  readonly #model: Model;
  readonly #items = byId('tasks');
  readonly #add = byId<HTMLInputElement>('add-title');
  #filter: Filter = 'all';
  #removed: { list: List; task: LiveTask } | undefined;

  constructor(model: Model) {
    this.#model = model;
    onSubmit(byId('add-form'), () => this.#addTask());
    byId('filter').addEventListener('change', (event) => {
      this.#filter = (event.target as HTMLInputElement).value as Filter;
      this.render();
    });
    this.#items.addEventListener('keydown', (event) => this.#onKey(event));
    model.watch(() => this.render());
  }

  /** Shows all tasks, the open ones, or those that are done. */
  filter(filter: Filter): void {
    const radio = document.querySelector<HTMLInputElement>(`#filter input[value=${filter}]`);
    radio?.click();
  }

  focusAdd(): void {
    this.#add.focus();
  }

  render(): void {
    const list = this.#model.current;
    if (!list) return;
    const tasks = list[this.#filter === 'all' ? 'tasks' : this.#filter];
    setText(byId('count-all'), String(list.tasks.length));
    setText(byId('count-open'), String(list.open.length));
    setText(byId('count-done'), String(list.done.length));
    setText(byId('saving'), savingText(list));
    byId('saving').dataset.state = list.saving;
    this.#renderNotice(list);
    this.#add.disabled = !list.mayEdit;
    reconcile(
      this.#items,
      tasks,
      (task) => `${list.space.id} ${task.id}`,
      (task) => this.#createRow(list, task),
      (row, task) => updateRow(list, row, task),
    );
    show(this.#items, tasks.length > 0);
    show(byId('tasks-empty'), tasks.length === 0);
    const loading = list.isOpen ? '' : 'Opening this list …';
    setText(byId('tasks-empty-text'), loading || emptyTexts[list.tasks.length > 0 ? this.#filter : 'all']);
  }

  #renderNotice(list: List): void {
    const notice = byId('list-notice');
    let text = '';
    if (list.over) text = list.over;
    else if (list.failure) text = explain(list.failure);
    else if (list.isOpen && list.self && !list.mayEdit)
      text = 'You may read this list. Ask an owner if you want to edit it.';

    setText(notice, text);
    show(notice, text !== '');
  }

  #createRow(list: List, task: LiveTask): HTMLElement {
    const box = make('input', { type: 'checkbox' });
    const title = make('button', { type: 'button', class: 'title' });
    const remove = make(
      'button',
      { type: 'button', class: 'ghost icon remove', title: 'Delete' },
      icon('trash'),
    );
    const row = make('li', { class: 'task' }, make('label', { class: 'box' }, box), title, remove);
    box.addEventListener('change', () => this.#tick(list, row, task, box.checked));
    title.addEventListener('click', () => this.#editTitle(list, row, task));
    remove.addEventListener('click', () => this.#remove(list, row, task));
    row.addEventListener('animationend', () => row.classList.remove('fresh'));
    return row;
  }

  #addTask(): void {
    const title = this.#add.value.trim();
    const list = this.#model.current;
    if (!list || title === '') return;
    attempt(() => {
      list.add(title);
      this.#add.value = '';
      if (this.#filter === 'done') this.filter('all');
    });
    this.#add.focus();
  }

  /** Puts a field in the title's place: Enter and leaving keep, Escape does not. */
  #editTitle(list: List, row: HTMLElement, task: LiveTask): void {
    if (!list.mayEdit) return;
    const title = row.querySelector<HTMLElement>('.title');
    if (!title || title.hidden) return;
    const field = make('input', {
      class: 'edit',
      maxlength: '500',
      'aria-label': `New text for ${task.title}`,
    });
    field.value = task.title;
    title.hidden = true;
    title.after(field);
    field.select();
    let over = false;
    const end = (keep: boolean, refocus: boolean) => {
      if (over) return;
      over = true;
      const text = field.value.trim();
      field.remove();
      title.hidden = false;
      if (keep && text !== '') attempt(() => list.retitle(task, text));
      if (refocus) title.focus();
    };
    field.addEventListener('blur', () => end(true, false));
    field.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.isComposing) return;
      if (event.key === 'Enter') end(true, true);
      if (event.key === 'Escape') end(false, true);
    });
  }

  /** Ticks; the focus goes on if the row does not match the filter any more. */
  #tick(list: List, row: Element, task: LiveTask, done: boolean): void {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    attempt(() => list.tick(task, done));
    this.render();
    if (!row.isConnected) (next?.querySelector('input') ?? this.#add).focus();
  }

  #remove(list: List, row: Element, task: LiveTask): void {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    const { title } = task;
    attempt(() => {
      list.remove(task);
      this.#removed = { list, task };
      toast(`“${title}” is deleted.`, { label: 'Undo', run: () => this.undo() });
      const focusable = next?.querySelector<HTMLElement>('input') ?? this.#add;
      focusable.focus();
    });
  }

  /** Brings the task back that was deleted last. */
  undo(): void {
    const removed = this.#removed;
    if (!removed) return;
    this.#removed = undefined;
    hideToast();
    attempt(() => {
      removed.list.restore(removed.task);
      this.render();
      const key = `${removed.list.space.id} ${removed.task.id}`;
      const row = [...this.#items.children].find((child) => (child as HTMLElement).dataset.key === key);
      row?.querySelector('input')?.focus();
    });
  }

  /** Keys on a task. Space ticks by itself: the box is a real one. */
  #onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    const row = target.closest<HTMLElement>('li');
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (to !== undefined) {
      to?.querySelector('input')?.focus();
    } else if (event.key === 'Delete') {
      row.querySelector<HTMLElement>('.remove')?.click();
    } else if (event.key === 'F2' || (event.key === 'Enter' && target.matches('input'))) {
      row.querySelector<HTMLElement>('.title')?.click();
    } else {
      return;
    }
    event.preventDefault();
  }
}

function updateRow(list: List, row: HTMLElement, task: LiveTask): void {
  const [box, title, remove] = [
    row.querySelector('input'),
    row.querySelector<HTMLButtonElement>('.title'),
    row.querySelector<HTMLButtonElement>('.remove'),
  ];
  if (!box || !title || !remove) return;
  box.checked = task.done;
  box.disabled = title.disabled = remove.disabled = !list.mayEdit;
  row.classList.toggle('done', task.done);
  if (list.fresh.delete(task.id)) row.classList.add('fresh');
  if (title.textContent === task.title) return;
  setText(title, task.title);
  box.setAttribute('aria-label', task.title);
  title.setAttribute('aria-label', `Rename ${task.title}`);
  remove.setAttribute('aria-label', `Delete ${task.title}`);
}

function savingText(list: List): string {
  switch (list.saving) {
    case 'saving':
      return 'Saving …';
    case 'full':
      return 'Storage is full';
    case 'failed':
      return 'Not saved';
    case 'saved':
      return list.storedElsewhere
        ? `Saved here and on ${count(list.space.sync.get().peers.length, 'other device')}`
        : 'Saved on this device';
  }
}

/** Makes an edit; says what went wrong if it is refused. */
export function attempt(f: () => void): void {
  try {
    f();
  } catch (error) {
    complain(error);
  }
}
