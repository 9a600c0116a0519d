import 'fake-indexeddb/auto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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

/** Makes a client of the real module with storage of its own. */
export async function makeClient(name = `unit-${process.pid}-${++clients}`): Promise<Client> {
  origin ??= serveDist();
  const options: ClientOptions = {
    config: { wasmUrl: `${await origin}/echospace.wasm`, relay: [], storage: { name } },
  };
  const client = new Client(options);
  return client;
}

/** Makes a client with an identity and a space. */
export async function makeSpace(): Promise<{ client: Client; space: Space }> {
  const client = await makeClient();
  await client.initialize();
  await client.halo.createIdentity();
  return { client, space: await client.createSpace() };
}

/** Lets all that is under way in this task and the next ones run. */
export const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
