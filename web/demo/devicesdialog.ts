import type { Device } from '@echospace/client';
import { confirm } from './confirm.js';
import { byId, icon, make, openDialog, reconcile, setText, show } from './dom.js';
import type { Model } from './model.js';
import { complain, toast } from './say.js';

/** The devices of the identity. */
export class DevicesDialog {
  readonly #model: Model;
  readonly #dialog = byId<HTMLDialogElement>('devices');

  constructor(model: Model) {
    this.#model = model;
    byId('open-devices').addEventListener('click', () => {
      openDialog(this.#dialog);
      this.#render();
    });
    model.client.halo.devices.subscribe(() => this.#render());
  }

  #render(): void {
    if (!this.#dialog.open) return;
    const devices = [...this.#model.client.halo.devices.get()].sort(
      (a, b) => Number(b.current) - Number(a.current) || a.label.localeCompare(b.label),
    );
    reconcile(
      byId('devices-items'),
      devices,
      ({ deviceKey }) => deviceKey.toHex(),
      (device) => this.#create(device),
      update,
    );
  }

  #create(device: Device): HTMLElement {
    const remove = make('button', { type: 'button', class: 'ghost icon remove' }, icon('trash'));
    remove.addEventListener('click', () => this.#remove(device.deviceKey.toHex()));
    const text = make('div', {}, make('div', { class: 'name' }), make('div', { class: 'soft small' }));
    if (!device.current) return make('li', { class: 'device' }, text, remove);
    const rename = make('button', { type: 'button', class: 'ghost icon' }, icon('pencil'));
    rename.setAttribute('aria-label', 'Rename this device');
    const field = make('input', { maxlength: '60', 'aria-label': 'Name of this device', hidden: true });
    rename.addEventListener('click', () => {
      field.value = text.querySelector('.name')?.textContent ?? '';
      this.#editing(text, field, true);
      field.select();
    });
    field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== 'Escape') return;
      event.preventDefault(); // Escape would close the dialog
      if (event.key === 'Enter') void this.#rename(field.value.trim());
      this.#editing(text, field, false);
      rename.focus();
    });
    field.addEventListener('blur', () => this.#editing(text, field, false));
    return make('li', { class: 'device' }, text, field, rename);
  }

  #editing(text: HTMLElement, field: HTMLElement, editing: boolean): void {
    show(text, !editing);
    show(field, editing);
  }

  async #rename(label: string): Promise<void> {
    if (label === '') return;
    try {
      await this.#model.client.halo.updateDevice({ label });
    } catch (error) {
      complain(error);
    }
  }

  #remove(key: string): void {
    const { halo } = this.#model.client;
    const device = halo.devices.get().find(({ deviceKey }) => deviceKey.toHex() === key);
    if (!device) return;
    confirm({
      title: `Remove ${called(device)}?`,
      text: 'It keeps what it has now, can neither read nor change anything from now on, and cannot be added again without a fresh start.',
      action: 'Remove',
      run: async () => {
        await halo.removeDevice(device.deviceKey);
        toast(`${called(device)} is removed.`);
      },
    });
  }
}

/** What a device is called; one that was lost may have no name that anybody knows. */
function called({ label, deviceKey }: Device): string {
  return label || `A device (${deviceKey.toHex().slice(0, 6)})`;
}

function update(item: HTMLElement, device: Device): void {
  const { current, online } = device;
  const label = called(device);
  const [name, state] = [item.querySelector('.name'), item.querySelector('.small')];
  if (name) setText(name, label);
  if (state) setText(state, current ? 'this device' : online ? 'connected' : 'away');
  item.querySelector('.remove')?.setAttribute('aria-label', `Remove ${label}`);
}
