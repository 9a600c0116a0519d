/** The initial values of BLAKE2b (RFC 7693, section 2.6). */
const iv = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
];

/** The message schedule (RFC 7693, section 2.7): one row of hexadecimal digits per round. */
const schedule = [
  '0123456789abcdef',
  'ea489fd61c02b753',
  'b8c052fdae367194',
  '7931dcbe265a40f8',
  '905724afe1bc683d',
  '2c6a0b834d75fe19',
  'c51fed4a0763928b',
  'db7ec13950f4862a',
  '6fe9b308c2d714a5',
  'a2847615fb9e3cd0',
];

const mask = 0xffffffffffffffffn;

function rotateRight(value: bigint, by: bigint): bigint {
  return ((value >> by) | (value << (64n - by))) & mask;
}

function mix(v: bigint[], a: number, b: number, c: number, d: number, x: bigint, y: bigint): void {
  let [va, vb, vc, vd] = [v[a] ?? 0n, v[b] ?? 0n, v[c] ?? 0n, v[d] ?? 0n];
  va = (va + vb + x) & mask;
  vd = rotateRight(vd ^ va, 32n);
  vc = (vc + vd) & mask;
  vb = rotateRight(vb ^ vc, 24n);
  va = (va + vb + y) & mask;
  vd = rotateRight(vd ^ va, 16n);
  vc = (vc + vd) & mask;
  vb = rotateRight(vb ^ vc, 63n);
  [v[a], v[b], v[c], v[d]] = [va, vb, vc, vd];
}

/** Where the eight mixings of a round work: four columns, four diagonals. */
const lanes = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

/** Bytes of a block, the most that {@link blake2b256} takes. */
const blockSize = 128;

/**
 * BLAKE2b-256 (RFC 7693) of at most 128 bytes, for the checksum of invitation
 * codes, which are checked before the core is loaded. Everything else is
 * hashed in the core.
 */
export function blake2b256(message: Uint8Array): Uint8Array {
  if (message.length > blockSize)
    throw new RangeError(`blake2b256: ${message.length} bytes, limit ${blockSize}`);
  const block = new DataView(new ArrayBuffer(blockSize));
  for (const [i, byte] of message.entries()) block.setUint8(i, byte);
  const words = Array.from({ length: 16 }, (_, i) => block.getBigUint64(8 * i, true));
  const h = [...iv];
  h[0] = (h[0] ?? 0n) ^ 0x01010020n; // no key, 32 bytes of digest
  const v = [...h, ...iv];
  v[12] = (v[12] ?? 0n) ^ BigInt(message.length);
  v[14] = (v[14] ?? 0n) ^ mask; // the last block
  for (let round = 0; round < 12; round++) {
    const row = schedule[round % schedule.length] ?? '';
    const word = (i: number) => words[Number.parseInt(row.charAt(i), 16)] ?? 0n;
    for (const [i, [a, b, c, d]] of lanes.entries()) mix(v, a, b, c, d, word(2 * i), word(2 * i + 1));
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 4; i++)
    digest.setBigUint64(8 * i, (h[i] ?? 0n) ^ (v[i] ?? 0n) ^ (v[i + 8] ?? 0n), true);
  return new Uint8Array(digest.buffer);
}
