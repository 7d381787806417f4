import type { Work } from './hash-work.ts';
import { SLOTS, type Scores } from './rendezvous-scores.ts';

/** Mean visits per slot in the first heat: with 16, one race in eight leaves a slot that fewer than two have reached. */
const FIRST_HEAT = 16;
const NEXT_HEAT = 6;
/** Heats run only for second places; with one very heavy member they would not end. */
const MAX_HEATS_FOR_SECOND = 4;
const VISITS_PER_RUN = 512;
const UNITS_PER_VISIT = 0.5;

/** Member of each slot, one more than its index; 0 is nobody. */
export interface Winners {
  readonly first: Uint32Array;
  /** Who would have the slot without the first. */
  readonly second: Uint32Array;
}

/**
 * The contest for all slots at once, for at least one member. Each goes through its slots from its best score to its
 * worst, all up to the same score, until every slot has been reached: some 16 scores per slot instead of one per slot
 * and member.
 */
export function* runRace(scores: Scores, work: Work): Generator<undefined, Winners> {
  const race = new Race(scores);
  let end = 0;
  for (let heat = 1; ; heat++) {
    end += (heat === 1 ? FIRST_HEAT : NEXT_HEAT) / scores.totalWeight;
    for (let index = 0; index < scores.count; index++) {
      // In pieces, since few members make many visits each.
      while (!race.run(index, end)) if (work.spend(VISITS_PER_RUN * UNITS_PER_VISIT)) yield undefined;
      if (work.spend(race.visits * UNITS_PER_VISIT + 1)) yield undefined;
    }
    const missing = scores.count === 1 || heat >= MAX_HEATS_FOR_SECOND ? race.first : race.second;
    if (!missing.includes(0)) return { first: race.first, second: race.second };
  }
}

class Race implements Winners {
  readonly first = new Uint32Array(SLOTS);
  readonly second = new Uint32Array(SLOTS);
  /** Visits of the last run. */
  visits = 0;
  readonly #firstScores = new Float64Array(SLOTS).fill(Infinity);
  readonly #secondScores = new Float64Array(SLOTS).fill(Infinity);
  readonly #scores: Scores;
  /** How many of its slots each member has visited. */
  readonly #visited: Uint32Array;

  constructor(scores: Scores) {
    this.#scores = scores;
    this.#visited = new Uint32Array(scores.count);
  }

  /** Follows a member up to the score `end`, or for some visits: false means not there yet. */
  run(index: number, end: number): boolean {
    const scores = this.#scores;
    const from = this.#visited[index] as number;
    const last = Math.min(SLOTS, from + VISITS_PER_RUN);
    let rank = from;
    for (; rank < last; rank++) {
      const score = scores.waitOf(index, rank);
      if (score >= end) break;
      this.#visit(scores.slotAt(index, rank), index + 1, score);
    }
    this.#visited[index] = rank;
    this.visits = rank - from;
    return rank < last || rank === SLOTS;
  }

  #visit(slot: number, member: number, score: number): void {
    // Most visits are late, and end here.
    if (score >= (this.#secondScores[slot] as number)) return;
    const firstScore = this.#firstScores[slot] as number;
    if (score < firstScore) {
      this.second[slot] = this.first[slot] as number;
      this.#secondScores[slot] = firstScore;
      this.first[slot] = member;
      this.#firstScores[slot] = score;
    } else {
      this.second[slot] = member;
      this.#secondScores[slot] = score;
    }
  }
}
