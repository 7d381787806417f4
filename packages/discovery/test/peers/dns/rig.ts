import { createVirtualClock, type Clock, type VirtualClock } from '@bascule/core';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Source } from '../../../src/source.ts';
import { createSource } from '../../../src/sources/create-source.ts';
import { openDnsSource } from '../../../src/sources/dns.ts';
import { SERVICE } from '../../contract/endpoints.ts';
import { record, type Recorded } from '../../contract/recorder.ts';
import { a, soa, startFakeDns, type Asked, type FakeDns, type Reply } from './fake-server.ts';

export const NAME = 'places.test';
/** How long a question waits for its answer; no other wait in these tests is as long. */
const QUESTION_MS = 2_000;

export let fake: FakeDns;
const opened: (() => Promise<void>)[] = [];

/** Gives each test a server of its own. */
export function useFakeDns(): void {
  beforeEach(async () => {
    fake = await startFakeDns();
  });
  afterEach(async () => {
    for (const close of opened.splice(0)) await close();
    await fake.close();
  });
}

export function open(url: string, clock: Clock): ReturnType<typeof openDnsSource> {
  return openDnsSource({
    url: new URL(url),
    baseDir: '/',
    clock,
    credentials: {},
    env: {},
    schemas: new Map(),
    defaults: { services: [SERVICE], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' },
    dial: () => {
      throw new Error('nobody is dialled');
    },
  });
}

export interface Followed {
  readonly seen: Recorded;
  readonly source: Source;
  readonly clock: VirtualClock;
  /** Until it asks again, by TTL or after a failure. */
  readonly lastWaitMs: () => number;
  /** Lets time pass; resolves when everything that was asked has been answered or given up, and it waits again. */
  readonly next: (byMs: number) => Promise<void>;
}

/** Follows a name by a clock that stands still until it is told. */
export function follow(what = `${NAME}:80`, scheme = 'dns'): Followed {
  const virtual = createVirtualClock(1, 1_000);
  const rests: number[] = [];
  const clock: Clock = {
    ...virtual,
    after(delayMs, fn) {
      if (delayMs !== QUESTION_MS) rests.push(delayMs);
      return virtual.after(delayMs, fn);
    },
  };
  const source = createSource({ driver: open(`${scheme}://127.0.0.1:${fake.port}/${what}`, clock), clock });
  opened.push(() => source.close());
  return {
    clock: virtual,
    seen: record(source),
    source,
    lastWaitMs: () => rests.at(-1) ?? 0,
    async next(byMs) {
      const before = rests.length;
      virtual.advance(byMs);
      await expect.poll(() => rests.length, { interval: 5 }).toBeGreaterThan(before);
    },
  };
}

export function ids(seen: Recorded): string[] {
  return [...seen.set.values()].map(({ instanceId }) => instanceId).sort();
}

/** Waits until exactly these are in the set, doubted or not. */
export async function sees(seen: Recorded, ...expected: string[]): Promise<void> {
  await expect.poll(() => ids(seen), { interval: 5 }).toEqual(expected);
}

/** Waits until exactly these are told. */
export async function tells(seen: Recorded, ...expected: string[]): Promise<void> {
  await expect.poll(() => seen.told().map(({ instanceId }) => instanceId), { interval: 5 }).toEqual(expected);
}

export async function isStaleWith(seen: Recorded, words: string): Promise<void> {
  await expect.poll(() => seen.source.status().error ?? '', { interval: 5 }).toContain(words);
}

export async function asks(times: number): Promise<void> {
  await expect.poll(() => fake.asked.length, { interval: 5 }).toBe(times);
}

/** A records for the name, and nothing of the other kind. */
export function addresses(...hosts: string[]): (asked: Asked) => Reply {
  return ({ type }) => {
    return type === 'A' ? { answers: hosts.map((host) => a(NAME, host)) } : { authorities: [soa(5, 5)] };
  };
}

export function everything(reply: Reply): () => Reply {
  return () => reply;
}
