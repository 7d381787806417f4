import { createScene, type Scene } from './scene.ts';
import type { Measured } from './verdict.ts';

/** One way of breaking discovery. */
export interface Row {
  readonly name: string;
  /** What is done, in a line for people. */
  readonly about: string;
  /** Why it cannot run here; undefined when it can. */
  missing?(): string | undefined;
  run(scene: Scene): Promise<Measured>;
}

/** What came of one run. */
export interface Outcome {
  readonly row: string;
  readonly seed: number;
  readonly ok: boolean;
  /** What may not be, and happened. */
  readonly wrongs: readonly string[];
  /** What was done and seen, in order. */
  readonly story: readonly string[];
  /** How often each fault was made. */
  readonly faults: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly measured: Measured | undefined;
}

/** Runs a row once. Never rejects: what goes wrong is in the outcome. `onLine` gets the story as it happens. */
export async function runRow(row: Row, seed: number, onLine: (line: string) => void = () => {}): Promise<Outcome> {
  const stack = new AsyncDisposableStack();
  const scene = createScene(seed, stack, onLine);
  let measured: Measured | undefined;
  try {
    measured = await row.run(scene);
  } catch (error) {
    scene.wrong(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const { nowMs, wrongs, story, faults } = scene;
  const seconds = Math.round(nowMs() / 100) / 10;
  try {
    await stack.disposeAsync();
  } catch (error) {
    scene.wrong(`at the end: ${String(error)}`);
  }
  const made = Object.fromEntries([...faults].map(([fault, counts]) => [fault, counts.made]));
  return { row: row.name, seed, ok: wrongs.length === 0, wrongs, story, faults: made, seconds, measured };
}
