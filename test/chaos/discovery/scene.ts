import { createChance, pause, type Chance } from '../chance.ts';

/** One run of a row: its chance, what was done to the system in it, and what may not be. */
export interface Scene {
  readonly seed: number;
  readonly chance: Chance;
  /** What is ended with the run, the last first. */
  readonly stack: AsyncDisposableStack;
  /** Milliseconds since the run began. */
  readonly nowMs: () => number;
  /** A line of the story, which is printed when the run fails. */
  note(what: string): void;
  /** A fault was made. Without a `bit` for it the run is void: nothing was tried. */
  made(fault: string): void;
  /** The fault was seen where it should be felt. */
  bit(fault: string): void;
  wrong(what: string): void;
  /** Some milliseconds of chance. */
  pause(minMs: number, maxMs: number): Promise<void>;
  readonly story: readonly string[];
  readonly wrongs: readonly string[];
  /** How often each fault was made and felt. */
  readonly faults: ReadonlyMap<string, { readonly made: number; readonly bit: number }>;
}

/** `onLine` gets the story as it happens. */
export function createScene(seed: number, stack: AsyncDisposableStack, onLine: (line: string) => void): Scene {
  const chance = createChance(seed);
  const story: string[] = [];
  const wrongs: string[] = [];
  const faults = new Map<string, { made: number; bit: number }>();
  const startMs = performance.now();
  const nowMs = (): number => Math.round(performance.now() - startMs);
  const tell = (what: string): void => {
    story.push(`${nowMs()} ms: ${what}`);
    onLine(story.at(-1) as string);
  };
  const count = (fault: string, what: 'made' | 'bit'): void => {
    const counts = faults.get(fault) ?? { made: 0, bit: 0 };
    counts[what]++;
    faults.set(fault, counts);
    tell(what === 'made' ? fault : `${fault}: felt`);
  };
  return {
    seed,
    chance,
    stack,
    nowMs,
    note: tell,
    made: (fault) => count(fault, 'made'),
    bit: (fault) => count(fault, 'bit'),
    wrong(what) {
      wrongs.push(what);
      tell(`WRONG ${what}`);
    },
    pause: (minMs, maxMs) => pause(minMs + chance.int(Math.max(1, maxMs - minMs))),
    story,
    wrongs,
    faults,
  };
}
