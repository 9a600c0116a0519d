import { EchospaceError, type ErrorCode, type NetworkStatus, type Role } from '@echospace/client';

/** What the errors that a user can meet mean, and what to do. */
const sentences: Partial<Record<ErrorCode, string>> = {
  TOO_MANY_ATTEMPTS: 'Too many wrong codes. This invitation is over: ask for a new one.',
  HOST_UNREACHABLE:
    'The person who invited you cannot be reached. Their page has to stay open until you have joined.',
  CANCELLED_BY_HOST: 'The invitation was cancelled by the person who made it.',
  CANCELLED: 'Cancelled.',
  TIMEOUT: 'This took too long. Is the other page still open?',
  INVITATION_EXPIRED: 'This invitation has expired: ask for a new one.',
  INVITATION_USED: 'Somebody has already used this invitation: ask for a new one.',
  INVALID_INVITATION: 'This is not a whole invitation. Copy all of it and paste it again.',
  VERSION_UNSUPPORTED: 'A newer version of Echospace made this. Reload the page to update.',
  WRONG_GUEST: 'This invitation is meant for somebody else.',
  GUEST_GONE: 'The guest has gone away.',
  NOT_PERMITTED: 'Your role in this list does not allow that.',
  OFFLINE: 'You are offline.',
  RELAY_UNREACHABLE: 'The relay cannot be reached. Is this device connected to the internet?',
  RELAY_REFUSED: 'The relay refused the connection.',
  STORAGE_FULL: 'The storage of this browser is full. Make room, then change something again to save it.',
  STORAGE_UNAVAILABLE:
    'This browser does not let the page store anything. Allow site data for it, or leave the private window.',
  STORAGE_CORRUPT: 'Something that was stored is damaged.',
  INSECURE_CONTEXT: 'The page has to come from https or from this very machine (localhost).',
  UNSUPPORTED_BROWSER: 'This browser is too old for the page.',
  WASM_UNAVAILABLE: 'The database engine could not be loaded.',
  TOO_LARGE: 'This is too long to be stored.',
  UNSUPPORTED_VALUE: 'This text has half a character in it and cannot be stored.',
  CRASHED: 'The database engine has stopped. What was saved is safe: reload the page.',
  SPACE_CLOSED: 'This list is closed.',
  IDENTITY_EXISTS: 'This browser has an identity already.',
};

/** Why a text is no invitation, by the reason that the decoder gives. */
const refusals: Readonly<Record<string, string>> = {
  empty: 'Paste the link or the code that you were sent.',
  junk: 'This is not an invitation. It should look like the link or the code that you were sent.',
  truncated: 'The end of the invitation is missing. Copy all of it.',
  checksum: 'There is a mistake in this code. Copy it again, all of it.',
};

/** Why a text is no recovery phrase, by the reason that is given. */
const phraseRefusals: Readonly<Record<string, string>> = {
  length: 'There have to be twelve words.',
  checksum: 'One of the words is another one, or two are exchanged.',
};

/** Says in plain words what went wrong. */
export function explain(error: unknown): string {
  if (!(error instanceof EchospaceError)) {
    return `Something unexpected happened: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (error.code === 'WRONG_AUTH_CODE') {
    const { attemptsLeft } = error;
    const left = attemptsLeft === undefined ? '' : ` ${count(attemptsLeft, 'attempt')} left.`;
    return `These are not the right digits.${left}`;
  }
  if (error.code === 'INVALID_PHRASE' && error.reason === 'word') {
    return `Word ${error.word} is not right. Look at how it is spelled.`;
  }
  const { reason } = error as { reason?: unknown };
  if (error.code === 'INVALID_INVITATION' && typeof reason === 'string' && refusals[reason]) {
    return refusals[reason];
  }
  if (error.code === 'INVALID_PHRASE' && typeof reason === 'string' && phraseRefusals[reason]) {
    return phraseRefusals[reason];
  }
  return sentences[error.code] ?? `${error.message} (${error.code})`;
}

/** A number with its noun. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** What a member may do. */
export const roles: Readonly<Record<Role, string>> = {
  OWNER: 'owner',
  ADMIN: 'may invite and edit',
  EDITOR: 'may edit',
  READER: 'may read',
  KEEPER: 'keeps a copy',
};

/** Roles to choose from, each with its words. */
export const roleChoices = (choices: readonly Role[]) => choices.map((role) => [role, roles[role]] as const);

/** How this device is connected to others. */
export type Link = 'offline' | 'connecting' | 'alone' | 'relayed' | 'direct';

/** The best way to any of these peers. */
export function linkOf(
  { state }: NetworkStatus,
  peers: readonly { readonly path: 'direct' | 'relayed' }[],
): Link {
  if (state === 'offline') return 'offline';
  if (peers.some(({ path }) => path === 'direct')) return 'direct';
  if (peers.length > 0) return 'relayed';
  return state === 'connecting' ? 'connecting' : 'alone';
}

/** A word for each, and what it means. */
export const links: Readonly<Record<Link, readonly [word: string, meaning: string]>> = {
  offline: ['Offline', 'Your changes are kept here and go out when you are online again.'],
  connecting: ['Connecting', 'Looking for the relay. You can go on working.'],
  alone: ['Online', 'Nobody else is connected right now.'],
  relayed: ['Relayed', 'Connected by way of the relay, which cannot read anything.'],
  direct: ['Direct', 'Connected from browser to browser.'],
};

/** A size in bytes for people. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** One or two letters that stand for a person. */
export function initials(name: string): string {
  const [first = '', last = ''] = name
    .trim()
    .split(/\s+/)
    .map((word) => [...word][0] ?? '');
  return (first + last).toLocaleUpperCase() || '?';
}
