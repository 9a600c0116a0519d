/** The element of index.html with that id. Throws if the page and this code disagree. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element #${id}`);
  return element as T;
}

type Attributes = Readonly<Record<string, string | boolean>>;

/** Makes an element. Text goes in as text: nothing that a user wrote is ever parsed as HTML. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

const svgNamespace = 'http://www.w3.org/2000/svg';

/** Makes an SVG element. */
export function makeSvg(tag: string, attributes: Attributes = {}): SVGElement {
  const element = document.createElementNS(svgNamespace, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** Makes one of the icons that index.html defines. */
export function icon(name: string): SVGElement {
  const svg = makeSvg('svg', { 'aria-hidden': 'true' });
  svg.append(makeSvg('use', { href: `#i-${name}` }));
  return svg;
}

/** Sets text only if it differs, so that live regions speak of changes alone. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows or hides. */
export function show(element: HTMLElement, visible: boolean): void {
  if (element.hidden === visible) element.hidden = !visible;
}

/**
 * Makes the children of a parent those of the items, in their order. A child
 * stays the same element for as long as its key is there, so focus and what is
 * being typed survive.
 */
export function reconcile<T, E extends HTMLElement>(
  parent: HTMLElement,
  items: readonly T[],
  keyOf: (item: T) => string,
  create: (item: T) => E,
  update: (element: E, item: T) => void,
): void {
  const old = new Map<string | undefined, E>();
  for (const child of parent.children) old.set((child as E).dataset.key, child as E);
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const known = old.get(key);
    const element = known ?? create(item);
    old.delete(key);
    element.dataset.key = key;
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of old.values()) element.remove();
}

/** Offers these values, each with its words, to choose from. */
export function fillSelect(
  select: HTMLSelectElement,
  choices: readonly (readonly [value: string, text: string])[],
  chosen: string,
): void {
  select.replaceChildren(...choices.map(([value, text]) => new Option(text, value, false, value === chosen)));
}

/** Listens to a form being sent, which never leaves the page. */
export function onSubmit(form: HTMLElement, handler: () => void): void {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    handler();
  });
}

/** Opens a dialog, if it is not open. */
export function openDialog(dialog: HTMLDialogElement): void {
  if (!dialog.open) dialog.showModal();
}

/** Lets every `data-close` button close the dialog that it is in. */
export function wireDialogs(): void {
  for (const button of document.querySelectorAll<HTMLElement>('[data-close]')) {
    button.addEventListener('click', () => button.closest('dialog')?.close());
  }
}

/** Hands a file to the user. */
export function download(name: string, type: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = make('a', { href: url, download: name });
  link.click();
  // The click has begun the download; the next task may forget the address.
  setTimeout(() => URL.revokeObjectURL(url));
}
