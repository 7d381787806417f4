import type { PolicySpec } from '../../src/balancing-policy.ts';
import { describe, expect, it } from 'vitest';
import { backend, backends, keys, MAGLEV, ownersOf, pickerOf, RENDEZVOUS, RING, SEED } from './rig.ts';

const KEYS = keys(30_000);

/** Keys that change hands, and those that must: of who leaves, or who now belong to who came. */
function movement(spec: PolicySpec, count: number, change: 'add' | 'remove'): { moved: number; must: number } {
  const few = backends(count);
  const more = [...few, backend('192.168.0.1:8080')];
  const [before, after] = change === 'add' ? [few, more] : [more, few];
  const from = ownersOf(pickerOf(spec, before), KEYS);
  const to = ownersOf(pickerOf(spec, after), KEYS);
  const [with_, without] = change === 'add' ? [to, from] : [from, to];
  return {
    moved: from.filter((owner, index) => owner !== to[index]).length,
    must: with_.filter((owner, index) => owner !== without[index] && owner === '192.168.0.1:8080').length,
  };
}

describe.each([
  // The size of a ring stays near its minimum, so all members lose entries when one comes: up to twice what must move.
  { name: 'ring of 1,024', spec: RING, most: 2.5 },
  { name: 'ring of 100,000', spec: { ...RING, minRingSize: 100_000 } as PolicySpec, most: 2.5 },
  { name: 'maglev', spec: MAGLEV, most: 3 },
  { name: 'rendezvous', spec: RENDEZVOUS, most: 1 },
])('$name', ({ name, spec, most }) => {
  it.each([10, 100])('moves few more keys than it must when one of %i comes or goes', (count) => {
    for (const change of ['add', 'remove'] as const) {
      const { moved, must } = movement(spec, count, change);
      process.stdout.write(
        `${name}, ${count} members, ${change} one: ${((100 * moved) / KEYS.length).toFixed(2)} % of keys move, ` +
          `${(moved / must).toFixed(2)} times what must, ${((moved * (count + 1)) / KEYS.length).toFixed(2)} times a fair part (seed ${SEED})\n`,
      );
      expect(moved / must).toBeLessThanOrEqual(most);
      expect(must).toBeGreaterThan(0);
    }
  });
});
