// The figures of all rounds, and the tables that are made of them.

import { median, spread } from '../figures.mjs';

export class Table {
  /** Figures by what was measured, then by library, both in the order in which they came. */
  #rows = new Map();
  #heading;

  constructor(heading) {
    this.#heading = heading;
  }

  /**
   * Notes a figure. `bound` says that the true one is larger: a cap ended the
   * measurement. `remark` explains a figure, once for all rounds.
   */
  note(what, library, unit, value, { bound = false, remark } = {}) {
    const cell = this.#cell(what, library);
    cell.unit = unit;
    cell.figures.push(value);
    cell.bound ||= bound;
    if (remark) cell.remark = remark;
  }

  /** Notes that a library failed, and how. */
  fail(what, library, error) {
    this.#cell(what, library).error = String(error.message ?? error).split('\n')[0];
  }

  #cell(what, library) {
    if (!this.#rows.has(what)) this.#rows.set(what, new Map());
    const row = this.#rows.get(what);
    if (!row.has(library)) row.set(library, { figures: [] });
    return row.get(library);
  }

  /** Markdown. The ratio is the library's figure by Echospace's: above 1 Echospace takes less. */
  toString() {
    const lines = [
      `### ${this.#heading}\n`,
      '| what | library | median [min, max] | library / Echospace | remarks |',
      '| --- | --- | --- | --- | --- |',
    ];
    for (const [what, row] of this.#rows) {
      const ours = row.get('Echospace');
      for (const [library, cell] of row) lines.push(line(what, library, cell, ours));
    }
    return `${lines.join('\n')}\n`;
  }
}

function line(what, library, { figures, unit, bound, remark, error }, ours) {
  const sign = bound ? '≥ ' : '';
  const figure = figures.length > 0 ? `${sign}${spread(figures)} ${unit}` : 'failed';
  // Nothing can be said by how much if Echospace itself was cut short.
  const comparable = figures.length > 0 && ours?.figures.length > 0 && !ours.bound;
  const ratio = comparable ? `${sign}${(median(figures) / median(ours.figures)).toFixed(2)}x` : '';
  const remarks = [remark, error && `failed: ${error}`].filter(Boolean).join('; ');
  return `| ${what} | ${library} | ${figure} | ${ratio} | ${remarks.replaceAll('|', '\\|')} |`;
}
