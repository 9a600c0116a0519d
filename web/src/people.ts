/** People as the core hands them over, of whom there may be thousands: in one piece. */

import { PublicKey } from './keys.js';
import type { Contact, Member, Role } from './types.js';
import { Reader } from './wire.js';

/** The members of a space, and whether this device may write there, if it is a member's. */
export interface Members {
  readonly list: Member[];
  readonly mayWrite: boolean;
}

/** Reads [[identity key, display name or '', role, online, self, mayWrite, [[device key, faulty]...]]...]. */
export function readMembers(bytes: Uint8Array): Members {
  let mayWrite = false;
  const list = readList(bytes, (r): Member => {
    const person = readPerson(r);
    const role = r.name() as Role;
    const presence = readPresence(r);
    const self = r.bool();
    mayWrite = r.bool() || mayWrite;
    const devices = Array.from({ length: r.array() }, () => {
      r.array();
      const deviceKey = PublicKey.from(r.bin());
      return { deviceKey, ...(r.bool() && { faulty: true }) };
    });
    return { ...person, role, presence, self, devices };
  });
  return { list, mayWrite: mayWrite || list.length === 0 };
}

/** Reads [[identity key, display name or '', online]...]. */
export function readContacts(bytes: Uint8Array): Contact[] {
  return readList(bytes, (r) => ({ ...readPerson(r), presence: readPresence(r) }));
}

function readList<T>(bytes: Uint8Array, read: (r: Reader) => T): T[] {
  const r = new Reader(bytes);
  return Array.from({ length: r.array() }, () => {
    r.array();
    return read(r);
  });
}

function readPerson(r: Reader): { identityKey: PublicKey; displayName?: string } {
  const identityKey = PublicKey.from(r.bin());
  const displayName = r.str();
  return { identityKey, ...(displayName !== '' && { displayName }) };
}

const readPresence = (r: Reader) => (r.bool() ? 'ONLINE' : 'OFFLINE');
