import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { blake2b256 } from '../../src/blake2b.js';
import { InvitationEncoder } from '../../src/invitationcode.js';
import { toHex } from '../../src/keys.js';

/** The known answers of core/invite: codes by name, for the swarm key 00 01 ... 1f. */
const codes = new Map(
  readFileSync('core/invite/testdata/codes.txt', 'utf8')
    .split('\n')
    .filter((line) => line.includes(': ') && !line.startsWith('#'))
    .map((line) => line.split(': ') as [string, string]),
);
const swarmKey = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, '0')).join('');
const code = codes.get('space') ?? '';

describe('InvitationEncoder', () => {
  const expected = {
    space: {},
    device: { kind: 'DEVICE' },
    'no auth': { authMethod: 'NONE' },
    'known key': { authMethod: 'KNOWN_PUBLIC_KEY' },
    'multi-use': { multiUse: true },
    persistent: { persistent: true },
    expires: { expires: 1_800_000_000_000 },
    'everything at once': {
      kind: 'DEVICE',
      authMethod: 'KNOWN_PUBLIC_KEY',
      multiUse: true,
      persistent: true,
      expires: (2 ** 40 - 1) * 1000,
    },
  };
  for (const [name, fields] of Object.entries(expected)) {
    test(`I15 decodes the core's code: ${name}`, () => {
      const text = codes.get(name) ?? '';
      const { swarmKey: key, ...decoded } = InvitationEncoder.decode(text);
      const plain = { kind: 'SPACE', authMethod: 'SHARED_SECRET', multiUse: false, persistent: false };
      assert.equal(key.toHex(), swarmKey);
      assert.deepEqual(decoded, { ...plain, ...fields, code: text });
      assert.equal(InvitationEncoder.encode(InvitationEncoder.decode(text)), text);
    });
  }

  const forms = {
    'lower case': code.toLowerCase(),
    'white space': ` \t\r\n${code} \n`,
    hyphens: `${code.slice(0, 10)}-${code.slice(10, 20)}\u2013${code.slice(20)}`,
    'O, I, L typed': code.replaceAll('0', 'o').replaceAll('1', 'l'),
    fragment: `https://example.org/app/?x=1#invitation=${code}`,
    query: `https://example.org/app?a=b&invitation=${code}&c=d#top`,
    'bare fragment': `#invitation=${code.toLowerCase()}`,
    'bare key': `Invitation=${code}`,
  };
  for (const [name, text] of Object.entries(forms)) {
    test(`I15 reads ${name}`, () => assert.equal(InvitationEncoder.decode(text).code, code));
  }

  const links = {
    'a page': ['https://example.org/app/', `https://example.org/app/#invitation=${code}`],
    'a page with a query': ['https://example.org/?list=1', `https://example.org/?list=1#invitation=${code}`],
    'a place on a page': ['https://example.org/#top', `https://example.org/#invitation=${code}`],
    'a page of another invitation': [
      'https://example.org/?invitation=OLD&a=1#invitation=OLDER',
      `https://example.org/?a=1#invitation=${code}`,
    ],
    'an address': [
      new URL('http://localhost:8000/index.html'),
      `http://localhost:8000/index.html#invitation=${code}`,
    ],
  } as const;
  for (const [name, [base, link]] of Object.entries(links)) {
    test(`I15 writes a link to ${name}, and reads it`, () => {
      assert.equal(InvitationEncoder.toLink(InvitationEncoder.decode(code), { base }), link);
      assert.equal(InvitationEncoder.decode(link).code, code);
      assert.equal(InvitationEncoder.decode(` ${link}\n`).code, code);
      assert.equal(new URL(link).search.includes(code), false);
    });
  }

  for (const base of [undefined, 'app/', '']) {
    test(`I15 refuses ${JSON.stringify(base)} as the page of a link`, () => {
      const decoded = InvitationEncoder.decode(code);
      const options = base === undefined ? {} : { base };
      assert.throws(() => InvitationEncoder.toLink(decoded, options), { code: 'INVALID_ARGUMENT' });
    });
  }

  test('I15 draws a link as an SVG document with a label', async () => {
    const base = 'https://example.org/';
    const svg = await InvitationEncoder.toSvg(InvitationEncoder.decode(code), { base, label: `"<&'>` });
    assert.match(
      svg,
      /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 \d+ \d+"[^<]*><rect[^<]*\/><path[^<]*\/><\/svg>$/,
    );
    assert.ok(svg.includes('aria-label="&#34;&#60;&#38;&#39;&#62;"'));
    assert.equal(svg.includes(code), false);
  });

  const swapped = code[30] === '0' ? '1' : '0';
  const refused = {
    'an empty text': ['', 'INVALID_INVITATION', 'empty'],
    'only white space': [' \n', 'INVALID_INVITATION', 'empty'],
    'a sentence': ['please come in!', 'INVALID_INVITATION', 'junk'],
    'another address': ['https://example.org/', 'INVALID_INVITATION', 'junk'],
    'no text': [undefined, 'INVALID_INVITATION', 'junk'],
    'one character': ['0', 'INVALID_INVITATION', 'truncated'],
    'half of it': [code.slice(0, 30), 'INVALID_INVITATION', 'truncated'],
    'all but one character': [code.slice(0, -1), 'INVALID_INVITATION', 'truncated'],
    'a changed character': [code.slice(0, 30) + swapped + code.slice(31), 'INVALID_INVITATION', 'checksum'],
    'a character too many': [`${code}0`, 'INVALID_INVITATION', 'checksum'],
  } as const;
  for (const [name, [text, errorCode, reason]] of Object.entries(refused)) {
    test(`I15 refuses ${name} by name`, () => {
      assert.throws(() => InvitationEncoder.decode(text as string), { code: errorCode, reason });
    });
  }
});

test('blake2b256 gives the digests of RFC 7693 and the core', () => {
  // Of no input and of "abc", as the core computes them.
  assert.equal(
    toHex(blake2b256(new Uint8Array())),
    '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8',
  );
  assert.equal(
    toHex(blake2b256(Buffer.from('abc'))),
    'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319',
  );
  assert.throws(() => blake2b256(new Uint8Array(129)), RangeError);
});
