import { PublicKey } from './keys.js';
import type { RawAuditEntry } from './raw.js';
import type { AuditEntry, Role } from './types.js';

/** @internal */
export function auditEntryOf(raw: RawAuditEntry): AuditEntry {
  const { action, by, byName, issuer, subject, subjectName, role, deviceKey, ...rest } = raw;
  return {
    ...rest,
    action: action as AuditEntry['action'],
    issuer: PublicKey.from(issuer),
    ...(by && {
      by: { identityKey: PublicKey.from(by), ...(byName !== undefined && { displayName: byName }) },
    }),
    subject: {
      identityKey: PublicKey.from(subject),
      ...(subjectName !== undefined && { displayName: subjectName }),
    },
    ...(role !== undefined && { role: role as Role }),
    ...(deviceKey && { deviceKey: PublicKey.from(deviceKey) }),
  };
}
