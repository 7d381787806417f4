import { readdirSync, readFileSync, rmSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause, type Chance } from '../chance.ts';
import type { World } from './world.ts';

/** The two generations of a last known set on disk, which differ in the weight of the instance `a`. */
export interface Generations {
  readonly newestWeight: number;
  readonly previousWeight: number;
  /** Puts both back, the newest one damaged. */
  restore(spoil: Spoil): void;
}

/** What became of the newest generation. Undefined is no file. */
export type Spoil = (bytes: Buffer) => Buffer | undefined;

interface Pair {
  readonly name: string;
  readonly newest: Buffer;
  readonly previous: Buffer;
}

const PREVIOUS = '.previous';
const PATIENCE_MS = 5_000;

/** Has `a` say something new, until what was known before and after is on disk. */
export async function makeGenerations({
  living: { backends },
  gateway: { lastKnownDir },
}: World): Promise<Generations> {
  const ids = [...backends.keys()];
  for (let newestWeight = 2; newestWeight < 10; newestWeight++) {
    backends.get('a')?.update?.({ weight: newestWeight });
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (performance.now() < deadlineMs) {
      await pause(20);
      const pair = readPair(lastKnownDir);
      const weightOf = (bytes: Buffer | undefined): number => (bytes === undefined ? 0 : weightOfA(bytes, ids));
      const previousWeight = weightOf(pair?.previous);
      if (pair === undefined || weightOf(pair.newest) !== newestWeight || previousWeight === 0) continue;
      if (previousWeight === newestWeight) break;
      return { newestWeight, previousWeight, restore: (spoil) => restore(lastKnownDir, pair, spoil) };
    }
  }
  throw new Error(`${lastKnownDir} does not hold two generations that differ`);
}

function readPair(folder: string): Pair | undefined {
  try {
    const name = readdirSync(folder)
      .find((file) => file.endsWith(PREVIOUS))
      ?.slice(0, -PREVIOUS.length);
    if (name === undefined) return undefined;
    const read = (file: string): Buffer => readFileSync(join(folder, file));
    return { name, newest: read(name), previous: read(name + PREVIOUS) };
  } catch {
    // Between two renames one of them is not there.
    return undefined;
  }
}

/** 0 for a file that does not hold all. */
function weightOfA(bytes: Buffer, ids: readonly string[]): number {
  const known = bytes
    .toString()
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => (JSON.parse(line) as { endpoints?: { instanceId: string; weight: number }[] }).endpoints ?? []);
  if (known.length !== ids.length || !ids.every((id) => known.some(({ instanceId }) => instanceId === id))) return 0;
  return known.find(({ instanceId }) => instanceId === 'a')?.weight ?? 0;
}

function restore(folder: string, { name, newest, previous }: Pair, spoil: Spoil): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(join(folder, name + PREVIOUS), previous);
  const spoilt = spoil(newest);
  if (spoilt !== undefined) writeFileSync(join(folder, name), spoilt);
}

/** Ways in which a file can be spoilt. */
export const DAMAGES: Readonly<Record<string, (bytes: Buffer, chance: Chance) => Buffer | undefined>> = {
  truncated: (bytes, chance) => bytes.subarray(0, chance.int(bytes.length)),
  'with a bit flipped': flipBit,
  'of another version': (bytes) => Buffer.from(bytes.toString().replace('"version":', '"version":9')),
  empty: () => Buffer.alloc(0),
  missing: () => undefined,
  'with more behind its end': (bytes) => Buffer.concat([bytes, Buffer.from('{}\n')]),
};

function flipBit(bytes: Buffer, chance: Chance): Buffer {
  const flipped = Buffer.from(bytes);
  const at = chance.int(bytes.length);
  flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << chance.int(8)), at);
  return flipped;
}
