import type { Candidate } from '../policy.ts';
import type { Work } from './hash-work.ts';

/**
 * Indices of members in the order of their ids, sorted in steps: by merging runs of twice the length each time. Sets
 * mostly come in order, and runs that follow each other are only copied.
 */
export function* orderById(members: readonly Candidate[], work: Work): Generator<undefined, Uint32Array> {
  const ids: string[] = [];
  yield* work.over(members.length, 4, (from, to) => {
    for (const { id } of members.slice(from, to)) ids.push(id);
  });
  let order = Uint32Array.from(members.keys());
  let merged = new Uint32Array(order.length);
  for (let width = 1; width < order.length; width *= 2) {
    for (let begin = 0; begin < order.length; begin += 2 * width) {
      const middle = Math.min(begin + width, order.length);
      const end = Math.min(middle + width, order.length);
      if (middle === end || !isAbove(ids, order, middle - 1, middle)) {
        merged.set(order.subarray(begin, end), begin);
        if (work.spend(4 + (end - begin) / 16)) yield undefined;
        continue;
      }
      let left = begin;
      let right = middle;
      for (let at = begin; at < end; at++) {
        const takesRight = left === middle || (right < end && isAbove(ids, order, left, right));
        merged[at] = order[takesRight ? right++ : left++] as number;
        if (work.spend(2)) yield undefined;
      }
    }
    [order, merged] = [merged, order];
  }
  return order;
}

function isAbove(ids: readonly string[], order: Uint32Array, left: number, right: number): boolean {
  return (ids[order[left] as number] as string) > (ids[order[right] as number] as string);
}
