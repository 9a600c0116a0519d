// What passes the relay: a proxy that keeps it, reads it as the relay could, and a search
// for what must not be there.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A text that stands nowhere else. */
export const fresh = () => `canary${randomBytes(12).toString('hex')}`;

/** Base 64 of `text` as it looks within that of something longer, at each of its three alignments. */
function base64Forms(text) {
  return [0, 1, 2].map((shift) => {
    const all = Buffer.concat([Buffer.alloc(shift), text]).toString('base64');
    // Characters that carry bits of what is before or after are left out.
    return all.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + text.length) * 8) / 6));
  });
}

/** The byte strings by which a text would show, or bytes: these also as hexadecimal text. */
function forms(secret) {
  const list =
    typeof secret === 'string'
      ? { plain: Buffer.from(secret), 'UTF-16': Buffer.from(secret, 'utf16le') }
      : {
          plain: Buffer.from(secret),
          hexadecimal: Buffer.from(Buffer.from(secret).toString('hex')),
          'upper hexadecimal': Buffer.from(Buffer.from(secret).toString('hex').toUpperCase()),
        };
  for (const [name, bytes] of Object.entries({ ...list })) {
    for (const [i, form] of base64Forms(bytes).entries()) {
      list[`base 64 of ${name}, alignment ${i}`] = Buffer.from(form);
      list[`URL base 64 of ${name}, alignment ${i}`] = Buffer.from(
        form.replaceAll('+', '-').replaceAll('/', '_'),
      );
    }
  }
  return list;
}

/** Where a text or bytes show among `places`, a list of [name, bytes]. */
export function find(places, secret) {
  const found = [];
  for (const [form, bytes] of Object.entries(forms(secret)))
    for (const [name, content] of places) if (content.includes(bytes)) found.push(`${name}: ${form}`);
  return found;
}

/** The WebSocket frames after an upgrade (RFC 6455, 5.2): their first byte and payload; none of another stream. */
function framesOf(stream) {
  const text = stream.toString('latin1');
  const head = text.indexOf('\r\n\r\n');
  if (head < 0 || !/upgrade: websocket/i.test(text.slice(0, head))) return [];
  if (/^HTTP/.test(text) && /permessage-deflate/i.test(text.slice(0, head)))
    throw new Error('the frames are compressed: the search would be blind');
  const frames = [];
  for (let at = head + 4; at + 2 <= stream.length; ) {
    const first = stream[at];
    const masked = (stream[at + 1] & 0x80) !== 0;
    let length = stream[at + 1] & 0x7f;
    at += 2;
    if (length === 126) {
      length = stream.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(stream.readBigUInt64BE(at));
      at += 8;
    }
    const mask = masked ? stream.subarray(at, at + 4) : undefined;
    if (masked) at += 4;
    const payload = Buffer.from(stream.subarray(at, at + length));
    if (mask) for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i & 3];
    if (payload.length === length) frames.push({ first, payload }); // else it was cut off
    at += length;
  }
  return frames;
}

/** Reads one value of the relay protocol (`core/wire`: arrays, numbers, bytes, texts). */
function read(bytes, at) {
  const byte = bytes[at];
  const sized = (size, width) => [bytes.subarray(at + width, at + width + size), at + width + size];
  if (byte < 0x80) return [byte, at + 1];
  if (byte >= 0x90 && byte < 0xa0) return readArray(bytes, at + 1, byte & 15);
  if (byte >= 0xa0 && byte < 0xc0) return sized(byte & 31, 1);
  switch (byte) {
    case 0xc4:
    case 0xd9:
      return sized(bytes[at + 1], 2);
    case 0xc5:
    case 0xda:
      return sized(bytes.readUInt16BE(at + 1), 3);
    case 0xcc:
      return [bytes[at + 1], at + 2];
    case 0xcd:
      return [bytes.readUInt16BE(at + 1), at + 3];
    case 0xce:
      return [bytes.readUInt32BE(at + 1), at + 5];
    case 0xcf:
      return [bytes.readBigUInt64BE(at + 1), at + 9];
    case 0xdc:
      return readArray(bytes, at + 3, bytes.readUInt16BE(at + 1));
  }
  throw new Error(`the relay protocol has no value that begins with ${byte}`);
}

function readArray(bytes, begin, length) {
  const list = [];
  let at = begin;
  for (let i = 0; i < length; i++) {
    const [value, next] = read(bytes, at);
    list.push(value);
    at = next;
  }
  return [list, at];
}

/** A TCP proxy before the server that keeps all that passes: what the relay's host could keep. */
export class Wiretap {
  static async start(port) {
    const recorder = new Wiretap();
    recorder.streams = [];
    recorder.server = createServer((near) => recorder.pass(near, port)).listen(0, '127.0.0.1');
    await once(recorder.server, 'listening');
    recorder.url = `http://127.0.0.1:${recorder.server.address().port}/`;
    return recorder;
  }

  pass(near, port) {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      const chunks = [];
      this.streams.push(chunks);
      from.on('data', (chunk) => chunks.push(chunk));
      from.on('error', () => to.destroy()); // a killed browser
      from.pipe(to);
    }
  }

  /** All that passed: streams as they were, and what WebSocket frames held. */
  places() {
    const raw = this.streams.map((chunks) => Buffer.concat(chunks));
    return [
      ...raw.map((stream, i) => [`stream ${i}`, stream]),
      ...raw.map((stream, i) => [
        `frames of stream ${i}`,
        Buffer.concat(framesOf(stream).map(({ payload }) => payload)),
      ]),
    ];
  }

  /**
   * The messages of the relay protocol, in the order in which each stream carried them:
   * `{ socket, fields }`, where the fields are numbers and bytes. Throws for anything that
   * is not one whole message of it.
   */
  messages() {
    return this.streams.flatMap((chunks, stream) =>
      framesOf(Buffer.concat(chunks)).flatMap(({ first, payload }) => {
        if ((first & 0x0f) >= 8) return []; // ping, pong, close
        if (first !== 0x82) throw new Error(`a WebSocket frame begins with ${first}`);
        const [fields, end] = read(payload, 0);
        if (end !== payload.length) throw new Error('there is something behind a message');
        return { socket: stream >> 1, fields };
      }),
    );
  }

  async stop() {
    this.server.close();
    this.server.closeAllConnections?.();
  }
}
