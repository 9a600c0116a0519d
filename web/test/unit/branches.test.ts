import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { shortenBranches } from '../../branches.mjs';
import { type Functions, foldFunctions } from '../../functab.mjs';
import { joinSegments } from '../../segments.mjs';
import { branches, buildGo, runGo, traced } from './goprogram.js';

describe('shortenBranches', () => {
  for (const program of [traced, branches]) {
    describe(program, () => {
      const built = `web/test-output/${program.split('/').at(-1)}-long.wasm`;
      const short = `web/test-output/${program.split('/').at(-1)}-short.wasm`;
      let folded: ReturnType<typeof foldFunctions>;
      let joined: Buffer;
      let was: ReturnType<typeof runGo>;
      let is: ReturnType<typeof runGo>;
      before(() => {
        buildGo(program, built);
        joined = joinSegments(readFileSync(built), (memory) => {
          folded = foldFunctions(memory);
          return folded.code;
        });
        writeFileSync(short, shortenBranches(joined, folded.program));
        [was, is] = [runGo(built), runGo(short)];
      });

      test('it does what it did', () => {
        assert.ok(was.stdout.length > 60, was.stderr);
        assert.equal(is.stdout, was.stdout);
        assert.equal(is.status, was.status);
      });

      test('its last trace names the same functions', () => {
        const long = new Map(
          folded.names.split('\n').map((line) => line.split(/ (.*)/s, 2) as [string, string]),
        );
        const names = (trace: string) =>
          trace
            .split('\n')
            .filter((line) => /^\S+\(.*\)$/.test(line))
            .map((line) => line.replace(/\([^()]*\)$/, ''))
            .map((name) => long.get(name) ?? name);
        const [before, after] = [names(was.stderr), names(is.stderr)];
        assert.ok(after.includes('main.main'), is.stderr);
        // The long one names inlined functions, too, of which the short one has no tables.
        assert.deepEqual(
          after,
          before.filter((name) => after.includes(name)),
        );
      });

      test('it is smaller, and valid', () => {
        const code = readFileSync(short);
        assert.ok(WebAssembly.validate(code));
        assert.ok(code.length < 0.96 * joined.length, `${code.length} of ${joined.length} bytes`);
      });

      const refused: { name: string; change: (program: Functions) => Functions; error: RegExp }[] = [
        {
          name: 'numbers of other functions',
          change: ({ entry, functions }) => ({ entry: entry + 1, functions }),
          error: /^Error: a return address: not code that this script knows/,
        },
        {
          name: 'a program that cannot report nil',
          change: ({ entry, functions }) => ({
            entry,
            functions: functions.filter(({ name }) => name !== 'runtime.sigpanic'),
          }),
          error: /^Error: a program without sigpanic: not code that this script knows/,
        },
      ];
      for (const { name, change, error } of refused) {
        test(`${name} are refused`.replace('nil are', 'nil is'), () => {
          assert.throws(() => shortenBranches(joined, change(folded.program)), error);
        });
      }

      test('what was shortened is refused', () => {
        assert.throws(
          () => shortenBranches(readFileSync(short), folded.program),
          /not code that this script knows/,
        );
      });
    });
  }
});
