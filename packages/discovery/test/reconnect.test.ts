import { createVirtualClock } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistrar } from '../src/registrar.ts';
import { LeaseLost, type RegistrarDriver } from '../src/registrars/registration.ts';
import { createSource } from '../src/sources/create-source.ts';
import type { SourceDriver } from '../src/sources/feed.ts';
import { closeAll, createEndpoint, onClose } from './rig.ts';

afterEach(closeAll);

const SEED = fuzzing(1).seed;
const CLIENTS = 2_000;

/** Lets what a step of time has set off go on until it waits again. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A registry that is there or not, and when it was called. */
function createServer() {
  const calls: number[] = [];
  return {
    isUp: true,
    calls,
    /** The most calls in any 100 ms, as a share of all. */
    crowd(): number {
      const windows = new Map<number, number>();
      for (const atMs of calls) windows.set(Math.floor(atMs / 100), (windows.get(Math.floor(atMs / 100)) ?? 0) + 1);
      return Math.max(...windows.values()) / calls.length;
    },
  };
}

describe(`${CLIENTS} that lose a registry at once (seed ${SEED})`, () => {
  it.each([
    [0, 0.15],
    [2_000, 0.1],
    [60_000, 0.05],
  ])('come back to watch it one after the other, when it was away for %d ms', async (awayMs, share) => {
    const clock = createVirtualClock(SEED);
    const server = createServer();
    const cuts: (() => void)[] = [];
    const connected = new Set<number>();
    const driverOf = (id: number): SourceDriver => ({
      async follow(feed, signal) {
        server.calls.push(clock.nowMs());
        if (!server.isUp) throw new Error('connection refused');
        feed.answer({ endpoints: [createEndpoint()], history: 'same' });
        connected.add(id);
        await new Promise<void>((resolve) => {
          cuts.push(resolve);
          signal.addEventListener('abort', () => resolve());
        });
        connected.delete(id);
        throw new Error('connection lost');
      },
      close: async () => undefined,
    });
    for (let id = 0; id < CLIENTS; id++) {
      const source = createSource({ driver: driverOf(id), clock });
      source.start({ changes() {}, status() {}, schema() {}, warning() {} });
      onClose(() => source.close());
    }
    await settle();
    expect(connected.size).toBe(CLIENTS);
    clock.advance(60_000);

    server.isUp = false;
    for (const cut of cuts.splice(0)) cut();
    await settle();
    for (let passedMs = 0; passedMs < awayMs; passedMs += 500) {
      clock.advance(500);
      await settle();
    }
    server.isUp = true;
    server.calls.length = 0;
    for (let passedMs = 0; connected.size < CLIENTS && passedMs < 60_000; passedMs += 50) {
      clock.advance(50);
      await settle();
    }
    expect(connected.size).toBe(CLIENTS);
    expect(server.crowd()).toBeLessThan(share);
  });

  it('renew and register again one after the other, though they have started together', async () => {
    const clock = createVirtualClock(SEED);
    const server = createServer();
    let epoch = 1;
    const registered = new Set<number>();
    const driverOf = (id: number): RegistrarDriver => ({
      async register() {
        server.calls.push(clock.nowMs());
        if (!server.isUp) throw new Error('connection refused');
        registered.add(id);
        const mine = epoch;
        return {
          ttlMs: 15_000,
          async renew() {
            server.calls.push(clock.nowMs());
            if (!server.isUp) throw new Error('connection refused');
            if (mine !== epoch) throw new LeaseLost('the registry does not know the lease');
          },
          remove: async () => undefined,
        };
      },
      close: async () => undefined,
    });
    for (let id = 0; id < CLIENTS; id++) {
      const registrar = createRegistrar({ driver: driverOf(id), endpoint: createEndpoint(), clock });
      onClose(() => registrar.close());
    }
    async function live(forMs: number): Promise<void> {
      for (let passedMs = 0; passedMs < forMs; passedMs += 50) {
        clock.advance(50);
        await settle();
      }
    }
    await settle();
    expect(registered.size).toBe(CLIENTS);
    server.calls.length = 0;
    await live(5_000);
    expect(server.calls.length).toBe(CLIENTS);
    expect(server.crowd()).toBeLessThan(0.05);

    server.isUp = false;
    await live(3_000);
    server.isUp = true;
    epoch = 2;
    registered.clear();
    server.calls.length = 0;
    await live(10_000);
    expect(registered.size).toBe(CLIENTS);
    expect(server.crowd()).toBeLessThan(0.1);
  });
});
