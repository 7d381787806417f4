import type { Judge } from '../../src/ranking/routes.ts';
import { toDistance } from '../../src/ranking/words.ts';

/** GeoNames' code of a capital. */
const CAPITAL = 'PPLC';

/** Where a place counts half as near as one at hand. */
const HALF_WAY_KM = 500;

/** Capitals first, then what is near: 1 to 2 for capitals, 0 to 1 for all others. */
export const judge: Judge = ({ feature, distanceKm }) => {
  const nearness = HALF_WAY_KM / (HALF_WAY_KM + distanceKm);
  if (feature === CAPITAL) return { score: 1 + nearness, reason: `capital, ${toDistance(distanceKm)}` };
  return { score: nearness, reason: toDistance(distanceKm) };
};
