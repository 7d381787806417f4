import { decodeMessage, encodeMessage, type AttemptNote, type Explanation } from '@bascule/core';

/** Longer fields are refused by servers and proxies on the way. */
const MAX_LENGTH = 8_192;

interface Limits {
  readonly attempts: number;
  readonly notes: number;
  /** Endpoints said to be excluded, for each attempt. */
  readonly excluded: number;
}

/** From all to little: attempts are what is asked for, so they go last. */
const LIMITS: readonly Limits[] = [
  { attempts: Infinity, notes: Infinity, excluded: Infinity },
  { attempts: Infinity, notes: Infinity, excluded: 10 },
  { attempts: Infinity, notes: 20, excluded: 3 },
  { attempts: Infinity, notes: 10, excluded: 0 },
  { attempts: 10, notes: 5, excluded: 0 },
  { attempts: 3, notes: 0, excluded: 0 },
  { attempts: 1, notes: 0, excluded: 0 },
];

/**
 * An explanation as a field's value: compact JSON, percent-encoded as a `grpc-message` is, of at most 8 KiB. What does
 * not fit is left out, excluded endpoints first, attempts last, and a note says so.
 */
export function encodeExplanation(explanation: Explanation): string {
  for (const limits of LIMITS) {
    const text = encodeMessage(JSON.stringify(trim(explanation, limits)));
    if (text.length <= MAX_LENGTH) return text;
  }
  return encodeMessage(JSON.stringify({ dryRun: explanation.dryRun, notes: [LEFT_OUT], attempts: [] }));
}

/** The reverse of {@link encodeExplanation}; undefined for what is none. */
export function decodeExplanation(value: string): Explanation | undefined {
  try {
    const read = JSON.parse(decodeMessage(value)) as Partial<Explanation> | null;
    const isOne = Array.isArray(read?.notes) && Array.isArray(read.attempts) && typeof read.dryRun === 'boolean';
    return isOne ? (read as Explanation) : undefined;
  } catch {
    return undefined;
  }
}

const LEFT_OUT = 'more than a field may hold: some is left out';

function trim({ dryRun, notes, attempts }: Explanation, limits: Limits): Explanation {
  const isCut = limits.excluded !== Infinity;
  return {
    dryRun,
    attempts: attempts.slice(0, limits.attempts).map((attempt) => trimAttempt(attempt, limits.excluded)),
    notes: isCut ? [...notes.slice(0, limits.notes), LEFT_OUT] : notes,
  };
}

function trimAttempt(attempt: AttemptNote, maxExcluded: number): AttemptNote {
  const { startedMs, endedMs, pick } = attempt;
  return {
    ...attempt,
    startedMs: toMicroseconds(startedMs),
    endedMs: endedMs === undefined ? undefined : toMicroseconds(endedMs),
    pick: pick === undefined ? undefined : { ...pick, excluded: pick.excluded.slice(0, maxExcluded) },
  };
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
