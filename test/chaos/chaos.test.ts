import { serve } from '@bascule/server';
import { createKit } from '@bascule/kit';
import { expect, it } from 'vitest';
import { createCallers, runCall } from './callers.ts';
import { createChance, pause, type Chance } from './chance.ts';
import { createGoodRoutes } from './good-routes.ts';
import { createJournal, type Journal } from './journal.ts';
import { createEndpoint, startRig, type Rig } from './rig.ts';
import { runRude } from './rude.ts';
import { startWildBackend } from './wild-backend.ts';

const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 6);
/** One seed for everybody's test runs; long runs choose theirs. */
const SEED = Number(process.env['CHAOS_SEED'] ?? 601_749_810);
const CONCURRENCY = Number(process.env['CHAOS_CALLS'] ?? 40);

it(`keeps its word under chaos (CHAOS_SEED=${SEED})`, { timeout: SECONDS * 1000 + 120_000 }, async () => {
  const chance = createChance(SEED);
  const journal = createJournal();
  const rig = await startRig();
  const backends = await startBackends(rig, chance.fork(), journal);
  const callers = createCallers(`http://127.0.0.1:${rig.port}`);
  const untilMs = performance.now() + SECONDS * 1000;
  let lastId = 0;
  let maxHeap = 0;
  async function keepCalling(own: Chance): Promise<void> {
    while (performance.now() < untilMs) {
      if (own.chance(0.05)) await runRude(rig.port, own);
      else await runCall(own.pick(callers), ++lastId, own, journal);
      maxHeap = Math.max(maxHeap, process.memoryUsage().heapUsed);
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, () => keepCalling(chance.fork())));
  await backends.calm();
  for (const caller of callers) caller.close();

  const openOf = (): object => {
    const { members, metrics, openCalls } = rig.report();
    const series = metrics.families.find(({ name }) => name === 'bascule_open_calls')?.series ?? [];
    const leased = members.filter((member) => member.openCalls > 0).map(({ key, openCalls }) => `${key} ${openCalls}`);
    return { leased, openCalls, counted: series.map(({ labels, value }) => `${labels.join(' ')} ${value}`) };
  };
  await expect.poll(openOf).toEqual({ leased: [], openCalls: 0, counted: [] });
  const { started, ended, failed, cancelled } = rig.tally;
  const summary = `CHAOS_SEED=${SEED} ${JSON.stringify({ ...rig.tally, ...journal.ends, heapMb: maxHeap >> 20 })}`;
  process.stdout.write(`${summary}\n`);
  expect(journal.allWrongs().slice(0, 20), summary).toEqual([]);
  expect(ended + failed + cancelled, summary).toBe(started);
  expect(journal.ends['ok'], summary).toBeGreaterThan(0);
  expect(maxHeap).toBeLessThan(700 * 1024 * 1024);
  await rig.close();
  await backends.close();
  expect(rig.pendingTimers(), summary).toBe(0);
});

interface Backends {
  /** Changes nothing more. */
  calm(): Promise<void>;
  close(): Promise<void>;
}

/** Two good ones, two wild ones and a module, which come and go. */
async function startBackends(rig: Rig, chance: Chance, journal: Journal): Promise<Backends> {
  const good = await Promise.all(
    [1, 2].map(() => serve({ routes: createGoodRoutes(journal, chance.fork(), 'a server'), drainTimeoutMs: 500 })),
  );
  const wild = await Promise.all([1, 2].map(() => startWildBackend(journal, chance.fork())));
  const stable = [...good, ...wild].map(({ port }, i) => createEndpoint({ instanceId: `b${i}`, port }));
  const kit = createKit({ routes: createGoodRoutes(journal, chance.fork(), 'a module') });
  let incarnation = 1;
  let module = rig.openModule(kit.service, incarnation);
  const state = { calm: false };
  rig.apply([...stable, module.endpoint]);
  const churning = (async () => {
    while (!state.calm) {
      await pause(50 + chance.int(400));
      if (chance.chance(0.3)) {
        if (chance.chance(0.5)) module.end();
        const next = rig.openModule(kit.service, ++incarnation);
        rig.apply([...stable, next.endpoint]);
        const old = module;
        module = next;
        void pause(300).then(() => old.end());
      } else {
        rig.apply([...stable.filter(() => chance.chance(0.8)), module.endpoint]);
      }
    }
  })();
  return {
    async calm() {
      state.calm = true;
      await churning;
    },
    async close() {
      module.end();
      await Promise.all([...good, ...wild].map((backend) => backend.close()));
    },
  };
}
