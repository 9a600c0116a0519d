import { after, test } from 'node:test';
import { specPath } from './samples.mjs';
import { Series } from './spec.mjs';

const opened = [];

/** Runs the samples once or, with Firefox, with either browser as the host. */
async function run(t, options = {}) {
  const series = await Series.open(options);
  if (!series) return t.skip(`${specPath} is not there`);
  opened.push(series);
  if (options.firefox && !series.firefox) return t.skip('Firefox is not installed');
  await series.run(0);
  if (options.firefox) await series.run(1);
}

after(async () => {
  for (const series of opened) await series.close();
});

test('P01 P02 P03 P04 the four samples run as they stand', { timeout: 180_000 }, (t) => run(t));

test('P01 the four samples run between Chromium and Firefox', { timeout: 240_000 }, (t) =>
  run(t, { firefox: true }),
);

test('P01 N13 the four samples run over the relay alone', { timeout: 180_000 }, (t) =>
  run(t, { relayed: true }),
);
