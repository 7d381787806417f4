import type { Candidate, Picker, PolicyFactory } from '../policy.ts';
import { prepareTurns } from './prepare-turns.ts';
import { Seats } from './seats.ts';
import { StridePicker } from './stride-picker.ts';
import { toStrideWeights } from './stride.ts';
import { numbersOf, STEP_MEMBERS } from './upkeep.ts';

/** Reports older than this do not count. Source: gRFC A58's expiration. */
const EXPIRATION_MS = 180_000;
/** Bounds of a factor: nobody is drowned, nobody starves, and somebody who gets no calls cannot show that it is idle. */
const LOWEST = 0.1;
const HIGHEST = 10;

/** Part of a period after which it counts as over: a timer that comes a little early must not cost a whole one. */
const PUNCTUAL = 0.9;

/** How a member's weight has followed its load. */
interface Follower {
  factor: number;
  steppedMs: number;
}

/**
 * Weights that follow the reported load until all are loaded alike. Each endpoint has a factor `f`, from 1 on; every
 * `updateMs` it goes a part of the way, `gain`, towards where its utilization would be the mean of all:
 *
 *     target = f * mean(utilization) / utilization      without a report, or one older than 3 min: 1
 *     f      = f + gain * (target - f)                  kept within 0.1 to 10, then scaled so that their mean is 1
 *     weight = configured weight * f
 *
 * Needs utilization only, so it works for endpoints that report no calls per second, and with unlike work per call.
 * Members are taken by static stride, and in smooth turns where all weights are equal.
 */
export const createDynamicWeight: PolicyFactory<'dynamic-weight'> = ({ updateMs, gain }, clock) => {
  const seats = new Seats();
  const followers = new WeakMap<Candidate, Follower>();
  return {
    needsLatency: false,
    decayMs: 0,
    hashes: false,
    refreshMs: updateMs,
    *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
      const nowMs = clock.nowMs();
      const own: Follower[] = [];
      for (const [index, member] of members.entries()) {
        if (index % STEP_MEMBERS === STEP_MEMBERS - 1) yield;
        let follower = followers.get(member);
        if (follower === undefined) followers.set(member, (follower = { factor: 1, steppedMs: nowMs }));
        own.push(follower);
      }
      follow(members, own, gain, (follower) => nowMs - follower.steppedMs >= updateMs * PUNCTUAL, nowMs);
      yield;
      const raw = yield* numbersOf(members, ({ weight }) => weight);
      for (let index = 0; index < raw.length; index++) {
        raw[index] = (raw[index] as number) * (own[index] as Follower).factor;
      }
      const weights = toStrideWeights(raw);
      if (weights === undefined) return yield* prepareTurns(members, ({ weight }) => weight, seats, clock);
      return new StridePicker(members, weights, clock, (index) => {
        const { factor } = own[index] as Follower;
        return `next in turn by weight that follows the load (${factor.toFixed(2)} of the configured one)`;
      });
    },
  };
};

/** One step of those for whom it is time: changes of the members come in between, and must not make weights run. */
function follow(
  members: readonly Candidate[],
  followers: readonly Follower[],
  gain: number,
  isTime: (follower: Follower) => boolean,
  nowMs: number,
): void {
  if (!followers.some(isTime)) return;
  let sum = 0;
  let count = 0;
  for (const member of members) {
    const utilization = utilizationOf(member, nowMs);
    if (utilization === undefined) continue;
    sum += utilization;
    count++;
  }
  let factors = 0;
  for (const [index, member] of members.entries()) {
    const follower = followers[index] as Follower;
    const utilization = utilizationOf(member, nowMs);
    if (isTime(follower)) {
      const target = utilization === undefined ? 1 : (follower.factor * sum) / count / utilization;
      follower.factor = bound(follower.factor + gain * (target - follower.factor));
      follower.steppedMs = nowMs;
    }
    factors += follower.factor;
  }
  for (const follower of followers) follower.factor = bound((follower.factor * followers.length) / factors);
}

function utilizationOf({ report }: Candidate, nowMs: number): number | undefined {
  if (report === undefined || nowMs - report.atMs >= EXPIRATION_MS || !(report.utilization > 0)) return undefined;
  return report.utilization;
}

function bound(factor: number): number {
  return Math.max(LOWEST, Math.min(HIGHEST, factor));
}
