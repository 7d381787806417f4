import { createVirtualClock } from '@bascule/core';
import { expect, it } from 'vitest';
import { createBalancer, resolveBalancing } from '../../src/index.ts';
import { createLinks, endpointOf, headOf } from '../rig.ts';

it('gives members of an aperture the same parts after each change', () => {
  const subset = { kind: 'aperture', peerIndex: 1, peerCount: 3, minAperture: 2 } as const;
  const links = createLinks();
  const balancer = createBalancer({
    balancing: resolveBalancing({ subset }),
    clock: createVirtualClock(),
    connect: links.connect,
  });
  const insert = (index: number) => ({ type: 'insert' as const, endpoint: endpointOf(`b-${index}`) });
  balancer.apply(Array.from({ length: 7 }, (_, index) => insert(index)));
  const weights = (): number[] => {
    balancer.pick(headOf());
    return balancer.members().map(({ weight }) => Math.round(weight * 1_000));
  };
  const before = weights();
  // Arcs of a third of seven: two parts at the edges, or one.
  expect(before.filter((weight) => weight < 1_000).length).toBeGreaterThan(0);
  for (let change = 0; change < 3; change++) {
    balancer.apply([{ type: 'update', endpoint: endpointOf('b-0') }]);
    expect(weights()).toEqual(before);
  }
  balancer.destroy();
});
