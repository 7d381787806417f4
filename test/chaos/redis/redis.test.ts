import { createRandom, sleep, systemClock, type RateLimit } from '@bascule/core';
import { canStart, startRedis, startRelay, type RedisServer, type Relay } from '@bascule/testing/servers';
import { describe, expect, it } from 'vitest';
import { createAllowance } from './allowance.ts';
import { startGateway, watchLag, type Gateway, type Tally } from './load.ts';

const clock = systemClock;
const GATEWAYS = 3;
const SHARE = 1 / GATEWAYS;
const LIMIT: RateLimit = { name: 'chaos', perSecond: 300, burst: 30, shared: true };
const TIMEOUT_MS = 50;
const SEED = Number(process.env['CHAOS_SEED'] ?? 601_749_810);

/** What happens to Redis or the way to it, and what ends that. */
interface Trouble {
  readonly name: string;
  begin(server: RedisServer, relays: readonly Relay[], chance: () => number): Promise<void> | void;
  end(server: RedisServer, relays: readonly Relay[]): Promise<void> | void;
  readonly empties?: true;
  /** Calls go on to be counted there. */
  readonly keepsUp?: true;
}

const TROUBLES: readonly Trouble[] = [
  { name: 'killed', begin: (server) => server.kill(), end: (server) => server.restart(), empties: true },
  { name: 'stopped', begin: (server) => server.pause(), end: (server) => server.resume() },
  { name: 'a little slow', begin: delayAll(8), end: delayAll(0), keepsUp: true },
  { name: 'too slow', begin: delayAll(150), end: delayAll(0) },
  {
    name: 'cut off from one gateway',
    begin: (_server, relays, chance) => relays[Math.floor(chance() * relays.length)]?.cut(),
    end: async (_server, relays) => {
      for (const relay of relays) await relay.restore();
    },
  },
  {
    name: 'silent for one gateway',
    begin: (_server, relays, chance) => relays[Math.floor(chance() * relays.length)]?.stall(),
    end: (_server, relays) => relays.forEach((relay) => relay.unstall()),
  },
];

function delayAll(ms: number): (server: RedisServer, relays: readonly Relay[]) => void {
  return (_server, relays) => relays.forEach((relay) => relay.delay(ms));
}

function shuffled<T>(items: readonly T[], chance: () => number): T[] {
  return items
    .map((item) => ({ item, at: chance() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

describe.skipIf(!canStart('redis'))('limits that gateways share', () => {
  it(
    `hold, and no call fails or hangs, whatever becomes of Redis (CHAOS_SEED=${SEED})`,
    { timeout: 120_000 },
    async () => {
      const chance = createRandom(SEED);
      const server = await startRedis();
      const relays = await Promise.all(Array.from({ length: GATEWAYS }, () => startRelay(server.port)));
      const allowance = createAllowance(LIMIT, SHARE, GATEWAYS);
      const tally: Tally = { allowed: 0, limited: 0, wrongs: [], open: 0, longestMs: 0 };
      const story: string[] = [];
      const lag = watchLag();
      const startedMs = clock.nowMs();
      const gateways = relays.map(({ address }, i): Gateway =>
        startGateway({
          url: `redis://${address}`,
          limit: LIMIT,
          fallbackShare: SHARE,
          callers: 5,
          tally,
          onChange(state) {
            allowance.changed(i, state);
            story.push(`${Math.round(clock.nowMs() - startedMs)} ms: gateway ${i} ${state}`);
          },
        }),
      );
      const allUp = (): Promise<void> =>
        expect
          .poll(() => gateways.every(({ limits }) => limits.state === 'up'), { timeout: 30_000, interval: 10 })
          .toBe(true);
      try {
        await allUp();
        for (const trouble of shuffled(TROUBLES, chance)) {
          await sleep(clock, 200 + chance() * 200);
          story.push(`${Math.round(clock.nowMs() - startedMs)} ms: Redis is ${trouble.name}`);
          await trouble.begin(server, relays, chance);
          if (trouble.keepsUp === undefined) {
            // Load goes on for all that time, so somebody hears of it.
            await expect
              .poll(() => gateways.some(({ limits }) => limits.state === 'down'), { timeout: 10_000, interval: 5 })
              .toBe(true);
          }
          await sleep(clock, 200 + chance() * 600);
          if (trouble.empties === true) allowance.emptied();
          await trouble.end(server, relays);
          story.push(`${Math.round(clock.nowMs() - startedMs)} ms: it is over`);
          await allUp();
        }

        // All is well again: what is let through is what the limit says, which is less than what is asked for.
        for (let tries = 0; ; tries++) {
          const changes = story.length;
          const { allowed, limited } = tally;
          const wellMs = clock.nowMs();
          await sleep(clock, 1_000);
          const expected = (LIMIT.perSecond * (clock.nowMs() - wellMs)) / 1_000;
          // On a machine that does much else a second in which nothing is lost may take some waiting.
          if (story.length !== changes && tries < 20) continue;
          const got = tally.allowed - allowed;
          const asked = got + tally.limited - limited;
          const failing = `CHAOS_SEED=${SEED}\n${story.join('\n')}\n${JSON.stringify(tally)}`;
          expect(got, failing).toBeLessThanOrEqual(expected + LIMIT.burst + 1);
          expect(got, failing).toBeGreaterThan(Math.min(expected, asked) * 0.8);
          break;
        }
      } finally {
        for (const gateway of gateways) await gateway.stop();
        lag.stop();
        for (const relay of relays) await relay.close();
        await server.stop();
      }
      const atMost = allowance.atMost();
      const seconds = (clock.nowMs() - startedMs) / 1_000;
      const summary = `CHAOS_SEED=${SEED} ${seconds.toFixed(1)} s, ${tally.allowed} of at most ${atMost.toFixed(0)} let through, ${tally.limited} limited, longest ${tally.longestMs.toFixed(0)} ms, timers up to ${lag.longestMs().toFixed(0)} ms late`;
      process.stdout.write(`${summary}\n`);
      const failing = `${summary}\n${story.join('\n')}`;
      expect(tally.wrongs, failing).toEqual([]);
      expect(tally.open, failing).toBe(0);
      expect(tally.allowed, failing).toBeLessThanOrEqual(atMost + GATEWAYS);
      // Nobody is kept waiting longer than the time that is set for it, and what this process was late itself.
      expect(tally.longestMs, failing).toBeLessThanOrEqual(TIMEOUT_MS + 10 + 3 * lag.longestMs());
    },
  );
});
