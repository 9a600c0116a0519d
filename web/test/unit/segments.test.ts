import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { joinSegments } from '../../segments.mjs';

/** A module with a memory of one page, exported as m, and these segments. */
function moduleOf(segments: [address: number[], bytes: number[]][]): Uint8Array {
  const data = segments.flatMap(([address, bytes]) => [0, 0x41, ...address, 0x0b, bytes.length, ...bytes]);
  return Uint8Array.of(
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // magic, version
    ...[5, 3, 1, 0, 1], // memory
    ...[7, 5, 1, 1, 0x6d, 2, 0], // export
    ...[11, data.length + 1, segments.length, ...data],
  );
}

function memoryOf(module: Uint8Array): Uint8Array {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(module)));
  return new Uint8Array((instance.exports.m as WebAssembly.Memory).buffer);
}

describe('joinSegments', () => {
  const cases: { name: string; segments: [number[], number[]][]; count: number }[] = [
    { name: 'none', segments: [], count: 0 },
    { name: 'one', segments: [[[5], [1, 2]]], count: 1 },
    { name: 'zeros', segments: [[[5], [0, 0]]], count: 0 },
    { name: 'zeros inside', segments: [[[5], [0, 1, ...Array<number>(70).fill(0), 2, 0]]], count: 2 },
    {
      name: 'near',
      segments: [
        [[5], [1, 2]],
        [[10], [3]],
      ],
      count: 1,
    },
    {
      name: 'adjacent',
      segments: [
        [[5], [1, 2]],
        [[7], [3]],
      ],
      count: 1,
    },
    {
      name: 'far',
      segments: [
        [[5], [1]],
        [[0xff, 0xff, 3], [2]],
      ],
      count: 2,
    },
    {
      name: 'downwards',
      segments: [
        [[40], [1]],
        [[5], [2]],
      ],
      count: 1,
    },
    {
      name: 'overlapping',
      segments: [
        [[5], [1, 2, 3]],
        [[6], [9]],
      ],
      count: 1,
    },
  ];
  for (const { name, segments, count } of cases) {
    test(name, () => {
      const module = moduleOf(segments);
      const joined = joinSegments(module);
      assert.deepEqual(memoryOf(joined), memoryOf(module));
      assert.equal(joined.subarray(joined.indexOf(Buffer.from([2, 0, 11])) + 4)[0], count);
    });
  }

  test('an address beyond 2 GiB comes back as it was', () => {
    const module = moduleOf([[[0x80, 0x80, 0x80, 0x80, 0x78], [1]]]);
    assert.deepEqual(new Uint8Array(joinSegments(module)), module);
  });

  test('what is no active segment is refused', () => {
    const module = moduleOf([[[5], [1]]]);
    module[module.indexOf(0x41)] = 0x23; // global.get
    assert.throws(() => joinSegments(module), /i32\.const/);
  });
});
