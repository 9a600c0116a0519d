/** Bytes of UTF-8 that a word has at most. */
const maxWord = 64;

/** Latin letters that are not a plain letter with a mark. */
const plain: Record<string, string> = {
  ß: 'ss',
  ẞ: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  þ: 't',
  ı: 'i',
  ħ: 'h',
  ŧ: 't',
  ĸ: 'k',
  ŋ: 'n',
  ŉ: 'n',
  ſ: 's',
  ĳ: 'i',
  ŀ: 'l',
  ẜ: 's',
  ẝ: 's',
  ẟ: 'd',
  ẚ: 'a',
  ỻ: 'l',
  ỽ: 'v',
  ỿ: 'y',
};

const letter = /[\p{L}\p{M}\p{Nd}]/u;
/** Thai and Lao, Myanmar, Khmer, Chinese, Japanese and Korean stand side by side. */
const unspaced =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\u{20000}-\u{3ffff}]/u;

/**
 * Cuts a text into words as the core does (`core/objectdb/searchwords.go`): `last`
 * marks the last character of a run without spaces, `single` the only one.
 */
function wordsOf(text: string): { word: string; last: boolean; single: boolean }[] {
  const words: { word: string; last: boolean; single: boolean }[] = [];
  let word = '';
  let run: string[] = [];
  const end = () => {
    if (word) words.push({ word: cut(word), last: false, single: false });
    word = '';
    run.forEach((c, i) => {
      const last = i === run.length - 1;
      words.push({ word: last ? c : c + run[i + 1], last: last && i > 0, single: run.length === 1 });
    });
    run = [];
  };
  for (const c of text) {
    const isUnspaced = unspaced.test(c);
    const isLetter = letter.test(c);
    if (!isLetter || isUnspaced !== run.length > 0) end();
    if (isLetter && isUnspaced) run.push(c);
    else if (isLetter) word += fold(c);
  }
  end();
  return words;
}

function fold(c: string): string {
  const code = c.codePointAt(0) ?? 0;
  if (code >= 0x300 && code < 0x370) return '';
  const lower = lowerOf(c);
  if (code < 0xc0 || (code >= 0x180 && (code < 0x1e00 || code >= 0x1f00))) return lower;
  return plain[lower] ?? lower.normalize('NFKD')[0] ?? '';
}

/** The lower case of one character as one character. */
function lowerOf(c: string): string {
  return [...c.toLowerCase()][0] ?? c;
}

/** What the limit on bytes leaves of a word. */
function cut(word: string): string {
  let size = 0;
  let kept = '';
  for (const c of word) {
    const code = c.codePointAt(0) ?? 0;
    size += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (size > maxWord) break;
    kept += c;
  }
  return kept;
}

/** Tells whether texts have all words of a search together, the last one as a beginning. */
export function foundIn(texts: readonly string[], search: string): boolean {
  const sought = wordsOf(search).filter(({ last }) => !last);
  if (sought.length === 0) return texts.length > 0;
  const present = new Set(texts.flatMap(wordsOf).map(({ word }) => word));
  return sought.every(({ word, single }, i) => {
    const pair = unspaced.test(word) && !single;
    if (!single && (i < sought.length - 1 || pair)) return present.has(word);
    return [...present].some((other) => other.startsWith(word));
  });
}
