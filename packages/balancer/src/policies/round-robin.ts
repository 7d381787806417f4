import type { PolicyFactory } from '../policy.ts';
import { prepareTurns } from './prepare-turns.ts';
import { Seats } from './seats.ts';
import { NO_UPKEEP } from './upkeep.ts';

/**
 * One after another; with unequal weights smoothly, so that {5, 1, 1} gives a a b a c a a rather than a a a a a b c.
 *
 * Up to 32 different weights the order is nginx's, whatever the number of members: O(weights). Above that members are
 * put together by like weight, which keeps the shares: O(1). Turns go on over changes of the members.
 */
export const createRoundRobin: PolicyFactory<'round-robin'> = ({ weighted }, clock) => {
  const seats = new Seats();
  return {
    ...NO_UPKEEP,
    prepare: (members) => prepareTurns(members, ({ weight }) => (weighted ? weight : 1), seats, clock),
  };
};
