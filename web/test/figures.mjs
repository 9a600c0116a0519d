// What the benchmarks do with a list of figures.

export const sort = (list) => [...list].sort((a, b) => a - b);
export const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
export const median = (list) => quantile(sort(list), 0.5);
export const format = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2));

/** The median and, if there are several, the least and the most of them. */
export function spread(list) {
  const sorted = sort(list);
  const range = sorted.length > 1 ? ` [${format(sorted[0])}, ${format(sorted.at(-1))}]` : '';
  return `${format(quantile(sorted, 0.5))}${range}`;
}
