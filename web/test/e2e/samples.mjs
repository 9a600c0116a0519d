// The samples of the page that this system implements, run as they stand.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './harness.mjs';

export const specPath = process.env.ECHOSPACE_SPEC ?? join(root, '../shared/spec/spaces.txt');

/** The headings of the page under which a sample stands, in order. */
const headings = {
  create: 'Creating spaces',
  list: 'Listing spaces',
  invite: 'Creating an invitation',
  accept: 'Accepting invitations',
};

/**
 * Reads the four samples, without TypeScript's `!`, which a browser cannot
 * read. Undefined if the page is not there; with CI=true that is an error.
 */
export function readSamples() {
  let text;
  try {
    text = readFileSync(specPath, 'utf8');
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    return undefined;
  }
  const lines = text.split('\n');
  const samples = {};
  for (const [name, heading] of Object.entries(headings)) {
    const from = lines.indexOf(heading);
    const begin = lines.findIndex((line, i) => i > from && line.startsWith('import '));
    const end = lines.findIndex((line, i) => i > begin && /^\}\)\(\);?$/.test(line));
    if (from < 0 || begin < 0 || end < 0) throw new Error(`${specPath}: no sample under ${heading}`);
    samples[name] = lines
      .slice(begin, end + 1)
      .join('\n')
      .replace(/(\w)!(?=[).,;])/g, '$1');
  }
  return samples;
}

/** Fills in the two codes that the last sample leaves to its reader. */
export function filled(sample, { code, authCode }) {
  return sample.replace('<invitation code here>', code).replace('<authentication code here>', authCode);
}

/** Runs a sample on a page, as the module script that it is. */
export function runSample(peer, sample) {
  return peer.run((source) => {
    const script = document.createElement('script');
    script.type = 'module';
    script.textContent = source;
    document.head.append(script);
  }, sample);
}
