import type { Judge } from '../../src/ranking/routes.ts';
import { toPeople } from '../../src/ranking/words.ts';

/** The largest places first. Change it and save: the running gateway swings over to it. */
export const judge: Judge = ({ population }) => ({
  score: population / 1_000_000,
  reason: toPeople(population),
});
