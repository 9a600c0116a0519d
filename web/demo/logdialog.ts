import type { AuditAction, AuditEntry, Identity, Subscription } from '@echospace/client';
import { byId, make, openDialog, reconcile, setText } from './dom.js';
import type { Model } from './model.js';
import { roles } from './words.js';

/** Who admitted, changed or removed whom in the open list, the newest first. */
export class LogDialog {
  #followed: Subscription | undefined;

  constructor(model: Model) {
    const dialog = byId<HTMLDialogElement>('log');
    byId('open-log').addEventListener('click', () => {
      const list = model.current;
      if (!list) return;
      openDialog(dialog);
      byId('log-title').focus();
      this.#followed?.unsubscribe();
      this.#followed = list.space.auditLog.subscribe((entries) => render(entries));
    });
    dialog.addEventListener('close', () => {
      this.#followed?.unsubscribe();
      this.#followed = undefined;
    });
  }
}

function render(entries: readonly AuditEntry[]): void {
  reconcile(
    byId('log-items'),
    [...entries].reverse(),
    ({ id }) => id,
    () => make('li', {}, make('span'), make('span', { class: 'soft small' })),
    (item, entry) => {
      const [what, when] = item.children;
      if (what) setText(what, sentence(entry));
      const device = `device ${entry.issuer.toHex().slice(0, 6)}`;
      const counts = entry.valid ? '' : ' · does not count';
      if (when) setText(when, `${new Date(entry.time).toLocaleString()} · ${device}${counts}`);
    },
  );
}

const called = ({ displayName, identityKey }: Identity): string =>
  displayName || `Somebody (${identityKey.toHex().slice(0, 6)})`;

/** What an entry says, in words. */
function sentence({ action, by, subject, role, text }: AuditEntry): string {
  const who = by ? called(by) : 'Somebody';
  const whom = called(subject);
  const what: Partial<Record<AuditAction, string>> = {
    FOUNDED: `${whom} made the list`,
    ADMITTED: `${who} admitted ${whom}${role ? `: ${roles[role]}` : ''}`,
    ROLE_CHANGED: `${who} changed ${whom}${role ? `: ${roles[role]}` : ''}`,
    REMOVED: `${who} removed ${whom}`,
    LEFT: `${whom} left`,
    RENAMED: `${whom} is called ${text ?? ''}`,
    DEVICE_ADDED: `${whom} added a device`,
    DEVICE_REVOKED: `${who} removed a device of ${whom}`,
    RECOVERY_ADDED: `${whom} made recovery words`,
  };
  return what[action] ?? `${who}: ${action.toLowerCase().replaceAll('_', ' ')}`;
}
