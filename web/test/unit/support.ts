import 'fake-indexeddb/auto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client, type ClientOptions, type Space } from '@echospace/client';

/** Serves web/dist, as a page's server would, until the tests of this file are over. */
async function serveDist(): Promise<string> {
  const server = createServer(async (request, response) => {
    const content = await readFile(`web/dist${request.url}`);
    response.writeHead(200, { 'content-type': 'application/wasm' }).end(content);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let origin: Promise<string> | undefined;
let clients = 0;

/** What one page has: the package, loaded once. */
export type Page = typeof import('@echospace/client');

/** Loads the package once more, as another page does: what it defines is its own. */
export function openPage(name: string): Promise<Page> {
  return import(`${pathToFileURL(resolve('web/dist/index.js'))}?page=${name}`) as Promise<Page>;
}

/** A name of a storage that no other client has. */
export const newName = () => `unit-${process.pid}-${++clients}`;

/** Makes a client of the real module with storage of its own. */
export async function makeClient(name = newName(), page: Pick<Page, 'Client'> = { Client }): Promise<Client> {
  origin ??= serveDist();
  const options: ClientOptions = {
    config: { wasmUrl: `${await origin}/echospace.wasm`, relay: [], storage: { name } },
  };
  const client = new page.Client(options);
  return client;
}

/** Makes a client with an identity and a space. */
export async function makeSpace(): Promise<{ client: Client; space: Space }> {
  const client = await makeClient();
  await client.initialize();
  await client.halo.createIdentity();
  return { client, space: await client.createSpace() };
}

/**
 * Waits until what changed was told: the page reads it in a microtask and tells of it
 * in the same one, or in one of the next tasks if reading took some milliseconds.
 */
export async function settled() {
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setTimeout(() => setImmediate(resolve), 0));
  }
}
