import { blake2b256 } from './blake2b.js';
import { EchospaceError } from './errors.js';
import { PublicKey } from './keys.js';
import type { AuthMethod, DecodedInvitation, Invitation, LinkOptions, QrOptions } from './types.js';

// The format is that of core/invite/code.go: Crockford base 32 of
// version(1) flags(1) swarm key(32) [expiry in seconds(5)] checksum(4).

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const version = 1;
const checksumSize = 4;
const swarmKeyAt = 2;
const expiryAt = swarmKeyAt + PublicKey.size;
const expirySize = 5;

/** Flags of a code; its authentication method is in the two bits above them. */
const flag = { device: 1, multiUse: 2, persistent: 4, expires: 8 } as const;
const authShift = 4;
const flagBits = 6;
const authMethods: readonly AuthMethod[] = ['SHARED_SECRET', 'NONE', 'KNOWN_PUBLIC_KEY'];

function refused(reason: string, message: string): EchospaceError {
  return new EchospaceError('INVALID_INVITATION', `decode: ${message}`, { details: { reason } });
}

/** Turns invitations into text to share, and back. Works before a client is initialized. */
export const InvitationEncoder = {
  /** Gives the code of an invitation. It holds neither the auth code nor a key of the space. */
  encode(invitation: Invitation | DecodedInvitation): string {
    return invitation.code;
  },

  /**
   * Gives a link that opens a page with the invitation: after `#invitation=`, where no
   * server is sent it. It holds the code, and so not the auth code. {@link decode} reads
   * it.
   *
   * @throws INVALID_ARGUMENT without a page or an absolute address as `base`.
   */
  toLink(invitation: Invitation | DecodedInvitation, { base }: LinkOptions = {}): string {
    const page = base ?? globalThis.location?.href;
    let url: URL;
    try {
      url = new URL(page);
    } catch (cause) {
      throw new EchospaceError('INVALID_ARGUMENT', `toLink: base is ${page}, not an address`, { cause });
    }
    url.searchParams.delete('invitation'); // it would be found first
    url.hash = `invitation=${invitation.code}`;
    return url.href;
  },

  /**
   * Draws the link of {@link toLink} as a QR code: an SVG document, for an `img` as
   * `data:image/svg+xml,${encodeURIComponent(svg)}`, or for a file. What draws it is
   * loaded at first use, from beside this module.
   */
  async toSvg(invitation: Invitation | DecodedInvitation, options: QrOptions = {}): Promise<string> {
    const link = InvitationEncoder.toLink(invitation, options);
    const { drawQr } = await import('./qr.js');
    return drawQr(link, options.label ?? 'QR code of the invitation link');
  },

  /**
   * Reads a code: in lower or upper case, with white space and hyphens, or in an
   * address after `#invitation=` or `?invitation=`.
   *
   * @throws INVALID_INVITATION, whose `reason` is `empty`, `junk`, `truncated` or
   *   `checksum`; VERSION_UNSUPPORTED for a code of a newer version.
   */
  decode(text: string): DecodedInvitation {
    const code = canonical(extract(text));
    const { bytes, whole } = bytesOf(code);
    const [codeVersion, flags = 0] = bytes;
    if (bytes.length < swarmKeyAt)
      throw refused('truncated', `the code is cut off after ${code.length} characters`);
    if (!whole || !checksumMatches(bytes)) {
      if (codeVersion === version && bytes.length < sizeOf(flags)) {
        throw refused('truncated', `the code is cut off after ${code.length} characters; copy all of it`);
      }
      throw refused('checksum', 'the code has a wrong checksum; a character was changed, added or left out');
    }
    if (codeVersion !== version) {
      const message = `decode: the code is of version ${codeVersion}, this version reads ${version}; update it`;
      throw new EchospaceError('VERSION_UNSUPPORTED', message, { details: { reason: 'version' } });
    }
    return fieldsOf(code, bytes, flags);
  },
};

/** Reads a code whose checksum and version are right. */
function fieldsOf(code: string, bytes: Uint8Array, flags: number): DecodedInvitation {
  const authMethod = authMethods[flags >> authShift];
  if (flags >> flagBits !== 0 || authMethod === undefined || bytes.length !== sizeOf(flags)) {
    throw refused('junk', `the code has flags ${flags} and ${bytes.length} bytes, which no invitation has`);
  }
  const seconds = bytes.subarray(expiryAt, expiryAt + expirySize).reduce((sum, byte) => sum * 256 + byte, 0);
  return {
    code,
    kind: flags & flag.device ? 'DEVICE' : 'SPACE',
    authMethod,
    swarmKey: PublicKey.from(bytes.subarray(swarmKeyAt, expiryAt)),
    multiUse: (flags & flag.multiUse) !== 0,
    persistent: (flags & flag.persistent) !== 0,
    ...(flags & flag.expires && { expires: seconds * 1000 }),
  };
}

function sizeOf(flags: number): number {
  return expiryAt + (flags & flag.expires ? expirySize : 0) + checksumSize;
}

/** Finds the code in what was pasted, without separators. */
function extract(text: string): string {
  if (typeof text !== 'string') throw refused('junk', `a ${typeof text} is no text`);
  const inAddress = /(?:^|[#?&])invitation=([^&#]*)/i.exec(text.trim());
  if (!inAddress && text.includes('://'))
    throw refused('junk', 'the address holds no invitation: #invitation= is missing');
  const code = (inAddress?.[1] ?? text).replace(/[\s\u0085\p{Pd}]/gu, '');
  if (code === '') throw refused('empty', 'the code is empty');
  return code;
}

/** Writes a code in the characters of the alphabet. */
function canonical(code: string): string {
  const text = code
    .replace(/[a-z]/g, (letter) => letter.toUpperCase())
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1');
  for (const character of text) {
    if (!alphabet.includes(character)) {
      throw refused(
        'junk',
        `the text is not an invitation code: ${JSON.stringify(character)} does not occur in one`,
      );
    }
  }
  return text;
}

/** Reads five bits a character. `whole` tells whether nothing but zero bits is left over. */
function bytesOf(code: string): { bytes: Uint8Array; whole: boolean } {
  const bytes: number[] = [];
  let rest = 0;
  let bits = 0;
  for (const character of code) {
    rest = (rest << 5) | alphabet.indexOf(character);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push(rest >> bits);
    rest &= (1 << bits) - 1;
  }
  return { bytes: Uint8Array.from(bytes), whole: bits < 5 && rest === 0 };
}

const checksumLabel = new TextEncoder().encode('echospace invite checksum');

function checksumMatches(bytes: Uint8Array): boolean {
  const size = bytes.length - checksumSize;
  if (size <= 0 || size > expiryAt + expirySize) return false;
  // Label and content, each with its length in front (core/keys, SumLabel).
  const message = new Uint8Array(4 + checksumLabel.length + 4 + size);
  const lengths = new DataView(message.buffer);
  lengths.setUint32(0, checksumLabel.length);
  message.set(checksumLabel, 4);
  lengths.setUint32(4 + checksumLabel.length, size);
  message.set(bytes.subarray(0, size), 8 + checksumLabel.length);
  const digest = blake2b256(message);
  return bytes.subarray(size).every((byte, i) => byte === digest[i]);
}
