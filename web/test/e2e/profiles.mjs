// What happens to a profile on disk: short runs of scripts that can run long.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canaries } from './canary.mjs';
import { limit } from './harness.mjs';
import { kills } from './kills.mjs';
import { freshSeed } from './profile.mjs';
import { restores } from './restore.mjs';

function hold(name, series, runs) {
  test(name, { timeout: 3 * limit }, async () => {
    const lines = [];
    const passed = await series({ runs, seed: freshSeed(), say: (line) => lines.push(line) });
    assert.equal(passed, runs, lines.join('\n'));
  });
}

hold('T01 T02 killing the browser while two tabs write loses nothing that was acknowledged', kills, 3);
hold('T01 T04 an older copy of the profile takes back what a peer holds, and loses no edit', restores, 2);
hold('I25 nothing is in clear at the relay or in the files of the profile', canaries, 1);
