/**
 * Step functions on a common axis, such as the best value so far of several searches.
 *
 *   const at = united([[1, 3], [2]]);              // [1, 2, 3]
 *   stepped([1, 3], [0.5, 0.2], at);               // [0.5, 0.5, 0.2]
 */

/** @param {ArrayLike<number>[]} lists Each ascending. Return the sorted union of their numbers. */
export function united(lists) {
  const all = new Set();
  for (const list of lists) for (const value of Array.from(list)) all.add(value);
  return /** @type {number[]} */ ([...all]).sort((a, b) => a - b);
}

/**
 * Return the value of a step function at each place; null before the first and after the last step.
 * @param {ArrayLike<number>} at Positions of the steps, ascending.
 * @param {ArrayLike<number | null>} values
 * @param {number[]} places Ascending.
 * @returns {(number | null)[]}
 */
export function stepped(at, values, places) {
  let next = 0;
  return places.map((place) => {
    while (next < at.length && at[next] <= place) next += 1;
    return next === 0 || place > at[at.length - 1] ? null : values[next - 1];
  });
}
