// The second half of `make bench`: Echospace beside its peers, in the same
// Chromium and the same run. Rounds interleave the libraries.
//
//   node web/test/peers.mjs [--rounds 5] [--only text,merge,returning,objects,latency,cold,memory]
//     [--objects 100000] [--cap 60] [--libraries echospace,yjs]
//
// `--objects` is how many go in at once, a tenth of it one by one; `--cap` is
// after how many seconds a library is cut short.

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openChromium, Server } from './e2e/harness.mjs';
import { bundle } from './peers/build.mjs';
import * as cold from './peers/cold.mjs';
import * as latency from './peers/latency.mjs';
import { libraries, versions } from './peers/libraries.mjs';
import * as memory from './peers/memory.mjs';
import * as merge from './peers/merge.mjs';
import * as storing from './peers/objects.mjs';
import * as returning from './peers/returning.mjs';
import { Table } from './peers/table.mjs';
import * as text from './peers/text.mjs';

const scenarios = { text, merge, returning, objects: storing, latency, cold, memory };

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: Object.keys(scenarios).join() },
    objects: { type: 'string', default: '100000' },
    cap: { type: 'string', default: '60' },
    libraries: { type: 'string', default: libraries.map(({ file }) => file).join() },
  },
});
const rounds = Number(values.rounds);
const objects = Number(values.objects);
const cap = 1000 * Number(values.cap);
const chosen = values.libraries.split(',').map((file) => {
  const library = libraries.find((l) => l.file === file);
  if (!library) throw new Error(`no library ${file}`);
  return library;
});

async function chromiumVersion() {
  const browser = await openChromium();
  const version = browser.version();
  await browser.close();
  return version;
}

await bundle();
const server = await Server.start();
try {
  const tables = [];
  for (const only of values.only.split(',')) {
    const scenario = scenarios[only];
    if (!scenario) throw new Error(`no scenario ${only}; there are ${Object.keys(scenarios).join(', ')}`);
    const table = new Table(scenario.heading);
    tables.push(table);
    for (let round = 1; round <= rounds; round++) {
      for (const library of chosen.filter(({ does }) => does.includes(only))) {
        console.error(`${only}, round ${round} of ${rounds}: ${library.name}`);
        await scenario.measure({ url: server.url, library, cap, objects, table });
      }
    }
  }
  const chromium = await chromiumVersion();
  console.log(
    `\nChromium ${chromium}, Node ${process.version}, ${cpus().length} cores, ${rounds} round${rounds === 1 ? '' : 's'}`,
  );
  console.log(`${versions().join(', ')}\n`);
  for (const table of tables) console.log(String(table));
} finally {
  await server.stop();
}
