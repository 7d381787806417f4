import { readFileSync, statSync } from 'node:fs';

/** Length of a file, to read from there later on. */
export function sizeOf(file: string): number {
  return statSync(file).size;
}

/** Pauses of V8's collector in milliseconds, as `--trace-gc` has written them behind an offset. */
export function readPauses(file: string, from: number): number[] {
  const text = readFileSync(file).subarray(from).toString('latin1');
  return [
    ...text.matchAll(/ ms: (?:Scavenge|Mark-Compact|Mark-sweep|Minor).*? MB(?:, pooled: [\d.]+ MB)?, ([\d.]+) \/ /g),
  ].map((match) => Number(match[1]));
}

/** Pauses beside the longest call of the same seconds. */
export function describePauses(pauses: readonly number[], seconds: number, longestCallMs: number): string {
  const longest = Math.max(0, ...pauses);
  const sum = pauses.reduce((total, each) => total + each, 0);
  const share = (sum / seconds / 10).toFixed(1);
  const perSecond = (pauses.length / seconds).toFixed(0);
  return `${perSecond} pauses/s, longest ${longest.toFixed(1)} ms, ${share} % of the time; longest call ${longestCallMs.toFixed(1)} ms`;
}
