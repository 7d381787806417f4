import { Code, createRandom, createVirtualClock, OK_OUTCOME, type Lease, type Outcome } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { isInPanic, priorityLoads } from '../src/groups/priority-loads.ts';
import {
  createBalancer,
  DEFAULT_OUTLIER,
  resolveBalancing,
  type BalancingPolicy,
  type PolicySpec,
} from '../src/index.ts';
import { createLinks, endpointOf, headOf, keyOf, type TestLink } from './rig.ts';

const { seed: SEED, numRuns: STEPS } = fuzzing(20_000);

const SPECS: readonly PolicySpec[] = [
  { name: 'round-robin', weighted: true },
  { name: 'random', weighted: true },
  { name: 'least-request', choiceCount: 2, fullScanUpTo: 0, activeRequestBias: 1 },
  { name: 'least-response-time', choiceCount: 2 },
  { name: 'peak-ewma', decayMs: 10_000, initialMs: 30, choiceCount: 2 },
  { name: 'orca-weighted-round-robin', blackoutMs: 10_000, expirationMs: 180_000, updateMs: 1_000, errorPenalty: 1 },
  { name: 'dynamic-weight', updateMs: 1_000, gain: 0.3 },
  { name: 'ring-hash', minRingSize: 64, maxRingSize: 256 },
  { name: 'maglev', tableSize: 251 },
  { name: 'maglev', tableSize: 251, boundPercent: 150 },
  { name: 'rendezvous' },
];

const FAILED: Outcome = { code: Code.unavailable, by: 'wire', message: '' };
const LEFT: Outcome = { code: Code.canceled, by: 'caller', message: '' };

interface Modelled {
  readonly id: string;
  readonly weight: number;
  readonly priority: number;
  readonly health: 'healthy' | 'failing' | 'draining';
  openCalls: number;
}

/** What a model knows of somebody at a pick. */
interface Seen extends Modelled {
  readonly lendable: boolean;
  readonly usable: boolean;
  readonly isFull: boolean;
  readonly isBusyProbing: boolean;
}

/** Everybody that a pick may give; nobody is that it must give none. */
function allowed(all: readonly Seen[], balancing: BalancingPolicy, tried: readonly string[]): Set<string> {
  const groups = [...Map.groupBy(all, ({ priority }) => priority)].toSorted(([a], [b]) => a - b);
  const healths = groups.map(([, group]) => {
    return { total: group.length, healthy: group.filter(({ usable }) => usable).length };
  });
  const { loads, normalizedHealth } = priorityLoads(healths, balancing.overprovisioningPercent);
  const tiers = groups.map(([, group], i) => {
    const panic = isInPanic(healths[i] as (typeof healths)[number], normalizedHealth, balancing.panicPercent);
    const able = group.filter((member) => (panic ? member.lendable : member.usable));
    const load = normalizedHealth > 0 ? loads[i] : balancing.panicPercent > 0 ? able.length : 0;
    return { load: load as number, panic, able };
  });
  for (const level of ['careful', 'tried again', 'probed twice'] as const) {
    const kept = tiers.map(({ able, panic }) => {
      return able.filter((member) => {
        if (member.isFull || (level === 'careful' && tried.includes(keyOf(member.id)))) return false;
        return level === 'probed twice' || panic || !member.isBusyProbing;
      });
    });
    const due = tiers.flatMap(({ load }, i) => (load > 0 ? [i] : []));
    const given = due.flatMap((i) => {
      const own = kept[i] as Seen[];
      return own.length > 0 ? own : (kept.find((group) => group.length > 0) ?? []);
    });
    if (given.length > 0) return new Set(given.map(({ id }) => id));
  }
  return new Set();
}

describe.each(SPECS)('balancer with $name', (policy) => {
  // Against a model: what a wrong plan, a lost lease or a stale member would break.
  it(`walks ${STEPS} steps without lending the wrong one or losing a lease`, async () => {
    const random = createRandom(SEED);
    const int = (n: number): number => Math.floor(random() * n);
    const clock = createVirtualClock(SEED);
    const links = createLinks(false);
    const newest = new Map<string, TestLink>();
    let balancing = resolveBalancing({ policy });
    const balancer = createBalancer({
      balancing,
      clock,
      connect(endpoint) {
        const link = links.connect(endpoint);
        newest.get(endpoint.instanceId)?.finish();
        newest.set(endpoint.instanceId, link);
        return link;
      },
    });
    const model = new Map<string, Modelled>();
    const leases: { readonly lease: Lease; readonly member: Modelled }[] = [];

    function see(standings: ReadonlyMap<string, string>): Seen[] {
      return [...model.values()].map((member) => {
        const { weight, health, id } = member;
        const standing = standings.get(keyOf(id));
        const lendable = newest.get(id)?.isReady() === true && weight > 0 && health !== 'draining';
        return {
          ...member,
          lendable,
          usable: lendable && health === 'healthy' && standing !== 'ejected',
          isFull: member.openCalls >= (balancing.maxOpenCallsPerEndpoint ?? Infinity),
          isBusyProbing: standing === 'probing' && probes.has(id),
        };
      });
    }

    /** Those whose probe is open: the first call that is lent to somebody who is probing. */
    const probes = new Map<string, Lease>();

    function pick(said: string): void {
      const names = [`e${int(12)}`, `e${int(12)}`];
      const head = headOf(random() < 0.3 ? names.map(keyOf) : []);
      const named = random() < 0.1 ? `e${int(12)}` : undefined;
      const hash = random() < 0.5 ? { high: int(2 ** 32), low: int(2 ** 32) } : undefined;
      if (named !== undefined || hash !== undefined) head.call.affinity = { hash, instanceId: named };
      const standings = standingsNow();
      for (const id of probes.keys()) if (standings.get(keyOf(id)) !== 'probing') probes.delete(id);
      const all = see(standings);
      const { tried } = head.call;
      let given = allowed(all, balancing, tried);
      const sticky = all.find(({ id }) => id === named);
      if (sticky !== undefined && sticky.usable && !sticky.isFull && !sticky.isBusyProbing) {
        if (!tried.includes(keyOf(sticky.id))) given = new Set([sticky.id]);
      }
      const lease = balancer.pick(head);
      const id = lease?.endpoint.instanceId;
      if (lease === undefined || id === undefined ? given.size > 0 : !given.has(id)) {
        throw new Error(`${said} gave ${id}, not one of [${[...given].join(' ')}]: ${JSON.stringify(all)}`);
      }
      if (lease === undefined || id === undefined) return;
      const member = model.get(id) as Modelled;
      member.openCalls++;
      leases.push({ lease, member });
      if (standings.get(keyOf(id)) === 'probing' && !probes.has(id)) probes.set(id, lease);
    }

    function standingsNow(): Map<string, string> {
      const there = balancer.members().filter(({ state }) => state !== 'draining');
      return new Map(there.map(({ key, standing }) => [key, standing]));
    }

    function release(): void {
      const [held] = leases.splice(int(leases.length), 1);
      if (held === undefined) return;
      const { id } = held.member;
      const isBad = id < 'e4' && random() < 0.8;
      held.lease.release(random() < 0.1 ? LEFT : isBad ? FAILED : OK_OUTCOME);
      held.member.openCalls--;
      if (probes.get(id) === held.lease) probes.delete(id);
    }

    for (let step = 0; step < STEPS; step++) {
      // Lets those who have drained go.
      if (step % 100 === 0) await new Promise(setImmediate);
      const said = `step ${step}, FUZZ_SEED=${SEED}`;
      const id = `e${int(12)}`;
      const choice = int(1_000);
      if (choice < 40) {
        const health = (['healthy', 'healthy', 'failing', 'draining'] as const)[int(4)] ?? 'healthy';
        const fields = {
          weight: int(4),
          priority: int(2) * 65_536,
          port: 1 + int(2),
          zone: 'xy'[int(2)] ?? '',
          health,
        };
        balancer.apply([{ type: model.has(id) ? 'update' : 'insert', endpoint: endpointOf(id, fields) }]);
        model.set(id, Object.assign(model.get(id) ?? { openCalls: 0 }, { id, ...fields }));
      } else if (choice < 50) {
        balancer.apply([{ type: 'remove', key: keyOf(id), cause: 'deregistered' }]);
        if (model.delete(id)) newest.get(id)?.finish();
        probes.delete(id);
      } else if (choice < 130) newest.get(id)?.setReady(random() < 0.8);
      else if (choice < 140) clock.advance(int(20_000));
      else if (choice < 142) {
        balancing = resolveBalancing({
          policy: random() < 0.5 ? policy : (SPECS[int(SPECS.length)] as PolicySpec),
          panicPercent: [0, 50, 100][int(3)] ?? 0,
          ...(random() < 0.5 ? {} : { maxOpenCallsPerEndpoint: 1 + int(4) }),
          ...(random() < 0.5 ? {} : { locality: { kind: 'weights', weights: { x: 1, y: int(3) } } }),
          ...(random() < 0.5 ? {} : { slowStart: { windowMs: 60_000, aggression: 1, minWeightPercent: 10 } }),
          outlier: { ...DEFAULT_OUTLIER, consecutiveFailures: 1 + int(4) },
        });
        balancer.configure(balancing);
      } else if (choice < 600) pick(said);
      else release();
    }
    while (leases.length > 0) release();
    for (const member of balancer.members()) expect(member.openCalls, `${member.key}, FUZZ_SEED=${SEED}`).toBe(0);
    const closed = balancer.close();
    for (const link of links.all) link.finish();
    await closed;
    expect([balancer.members(), clock.pending()]).toEqual([[], 0]);
  });
});
