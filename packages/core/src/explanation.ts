import type { Outcome } from './outcome.ts';

/** Why a call went where it went. Written by pick and retry, only for calls that ask for it. */
export interface Explanation {
  /** The call is not made: it ends after the pick. */
  readonly dryRun: boolean;
  /** What layers decided, in order: `rate limit "search": 3 of 10 left`. */
  readonly notes: string[];
  readonly attempts: AttemptNote[];
  /** The attempt that the pick which runs is for: of several, not always the newest. Set by the pick. */
  picking?: AttemptNote | undefined;
}

export interface AttemptNote {
  /** Why there is this attempt. */
  readonly kind: 'first' | 'transparent' | 'retry' | 'hedge';
  /** Since the call began. */
  readonly startedMs: number;
  /** Undefined when there was no endpoint. */
  pick: PickNote | undefined;
  /** Since the call began; undefined while it runs. */
  endedMs: number | undefined;
  outcome: Outcome | undefined;
}

/** Why this endpoint. */
export interface PickNote {
  /** Instance id of the endpoint, and its `host:port`. */
  readonly endpoint: string;
  readonly address: string;
  readonly policy: string;
  /** Group it was picked from: `priority 0`, `priority 0, zone eu-1`. */
  readonly group: string;
  /** For people: `fewest open calls of 2 drawn (1 against 4)`. */
  readonly reason: string;
  /** Endpoints it was chosen from. */
  readonly candidates: number;
  /** Endpoints of the service that could not be chosen, at most 100, and why: `ejected: 5 failures in a row`. */
  readonly excluded: readonly { readonly endpoint: string; readonly reason: string }[];
}
