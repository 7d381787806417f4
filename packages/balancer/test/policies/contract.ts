import { createRandom, createVirtualClock, type Clock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import type { Policy } from '../../src/policy.ts';
import { chiSquareOverBound } from './chi-square.ts';
import { createRequest, nodesOf, prepare, SEED, type Node } from './rig.ts';

/** What a policy is held to. */
export interface PolicyUnderTest {
  readonly name: string;
  readonly create: (clock: Clock) => Policy;
  /** Why an idle set is not shared by weight, or not over many picks; undefined when it is. */
  readonly sharesNotByWeight?: string;
  /** Why hundreds of members share less evenly than by chance; undefined when they do not. */
  readonly unevenForMany?: string;
  /** Why a member may be without a pick although the set changes at each pick; undefined when nobody starves. */
  readonly mayStarve?: string;
}

/** The law of `Policy` and `Picker`, see `src/policy.ts`. Every policy keeps it. */
export function describePolicyContract({ name, create, ...exceptions }: PolicyUnderTest): void {
  const { sharesNotByWeight, unevenForMany = sharesNotByWeight, mayStarve } = exceptions;
  const message = `SEED=${SEED}`;
  const pickerOf = (nodes: readonly Node[], clock: Clock = createVirtualClock(SEED)) => prepare(create(clock), nodes);

  describe(`contract of ${name}`, () => {
    function expectSharesByWeight(weights: readonly number[]): void {
      const nodes = nodesOf(weights);
      const picker = pickerOf(nodes);
      const request = createRequest();
      const counts = new Map<Node | undefined, number>(nodes.map((node) => [node, 0]));
      for (let i = 0; i < 60_000; i++) {
        const node = picker.pick(request.shuffle());
        counts.set(node, (counts.get(node) ?? 0) + 1);
      }
      expect(counts.has(undefined)).toBe(false);
      expect(chiSquareOverBound([...counts.values()], weights), message).toBeLessThanOrEqual(1);
    }

    it.skipIf(sharesNotByWeight !== undefined).each([
      ['equal', [1, 1, 1]],
      ['two', [3, 1]],
      ['far apart', [100, 1, 99]],
      ['fractional', [0.5, 0.5, 1]],
      ['all different', Array.from({ length: 40 }, (_, i) => 1 + i * 0.37)],
    ])(`shares an idle set by weight: %s${because(sharesNotByWeight)}`, (_, weights) => expectSharesByWeight(weights));

    it.skipIf(unevenForMany !== undefined)(`shares a large idle set by weight${because(unevenForMany)}`, () => {
      expectSharesByWeight(Array.from({ length: 200 }, (_, i) => 1 + (i % 3)));
    });

    it('gives nobody that is out while another is there, and nobody only when all are', () => {
      const random = createRandom(SEED);
      for (let run = 0; run < 60; run++) {
        const count = 1 + Math.floor(random() * 40);
        const isEqual = random() < 0.5;
        const nodes = nodesOf(Array.from({ length: count }, () => (isEqual ? 1 : 0.1 + random() * 9)));
        const picker = pickerOf(nodes);
        const request = createRequest(SEED + run);
        for (let i = 0; i < 60; i++) {
          const share = [0, 0.3, 0.9, 1][i % 4] as number;
          const out = new Set<unknown>(nodes.filter(() => random() < share));
          request.isOut = out.size === 0 ? undefined : (node) => out.has(node);
          const node = picker.pick(request.shuffle());
          const said = `run ${run}, pick ${i}, ${out.size} of ${count} out, ${message}`;
          if (out.size === count) expect(node, said).toBeUndefined();
          else expect(node !== undefined && !out.has(node), said).toBe(true);
        }
      }
    });

    it('finds the only one that is not out among many', () => {
      const nodes = nodesOf(Array.from({ length: 300 }, (_, i) => 1 + (i % 50)));
      const picker = pickerOf(nodes);
      const request = createRequest();
      for (const last of [0, 150, 299]) {
        request.isOut = (node) => node !== nodes[last];
        expect(picker.pick(request.shuffle())).toBe(nodes[last]);
      }
    });

    // Tables are built at each of these changes, which takes a while on a busy machine.
    it('stands any change of members, weights and loads, between and during preparations', () => {
      const random = createRandom(SEED);
      const clock = createVirtualClock(SEED);
      const policy = create(clock);
      const all = nodesOf(Array.from({ length: 60 }, () => 1));
      const request = createRequest();
      let members: readonly Node[] = [];
      let picker = prepare(policy, members);
      for (let step = 0; step < 120; step++) {
        clock.advance(random() * 500);
        request.nowMs = clock.nowMs();
        for (const node of all) {
          if (random() < 0.1) node.weight = random() < 0.5 ? 1 : 0.05 + random() * 100;
          if (random() < 0.1) node.openCalls = Math.floor(random() * 20);
          if (random() < 0.1) node.latency.record(random() * 500, clock.nowMs());
          if (random() < 0.1) {
            const report = { utilization: random(), qps: random() * 100, eps: random(), firstMs: 0 };
            node.report = random() < 0.2 ? undefined : { ...report, atMs: clock.nowMs() };
          }
        }
        const next = all.filter(() => random() < (step % 3) / 2);
        const steps = policy.prepare(next);
        for (let left = 1_000; ; left--) {
          // The picker before is used until the new one is there.
          const node = picker.pick(request.shuffle());
          const said = `step ${step}, ${members.length} members, ${message}`;
          expect(members.length === 0 ? node === undefined : members.includes(node as Node), said).toBe(true);
          const made = steps.next();
          if (made.done !== true) {
            expect(left, 'a preparation that does not end').toBeGreaterThan(0);
            continue;
          }
          picker = made.value;
          members = next;
          break;
        }
        for (let i = 0; i < 5 && members.length > 0; i++) {
          expect(members.includes(picker.pick(request.shuffle()) as Node), `step ${step}, ${message}`).toBe(true);
        }
      }
    });

    it('picks a single one, and nobody of none', () => {
      const [only] = nodesOf([7]) as [Node];
      const picker = pickerOf([only]);
      const request = createRequest();
      for (let i = 0; i < 10; i++) expect(picker.pick(request.shuffle())).toBe(only);
      request.isOut = () => true;
      expect(picker.pick(request)).toBeUndefined();
      request.isOut = undefined;
      expect(pickerOf([]).pick(request)).toBeUndefined();
    });

    it('picks of 10,000, in steps', () => {
      const nodes = nodesOf(Array.from({ length: 10_000 }, (_, i) => 1 + (i % 5)));
      const members = new Set(nodes);
      const picker = pickerOf(nodes);
      const request = createRequest();
      const picked = new Set<Node>();
      for (let i = 0; i < 20_000; i++) {
        const node = picker.pick(request.shuffle()) as Node;
        expect(members.has(node)).toBe(true);
        picked.add(node);
      }
      expect(picked.size, message).toBeGreaterThan(5_000);
    });

    it('takes weights of any size, also below 1', () => {
      const weights = [0.001, 0.1, 1, 1.5, 300, 65_535];
      const nodes = nodesOf(weights);
      const picker = pickerOf(nodes);
      const request = createRequest();
      for (let i = 0; i < 2_000; i++) expect(nodes).toContain(picker.pick(request.shuffle()));
    });

    it('says why', () => {
      for (const weights of [[1, 1, 1], [1, 2, 3], Array.from({ length: 100 }, (_, i) => 1 + i)]) {
        const picker = pickerOf(nodesOf(weights));
        const node = picker.pick(createRequest().shuffle()) as Node;
        expect(picker.reason(node)).toMatch(/^[a-z].{4,}$/);
      }
    });

    it.skipIf(mayStarve !== undefined)(
      `lets nobody starve when the set is another at each pick${because(mayStarve)}`,
      () => {
        for (const weightOf of sharesNotByWeight === undefined ? [() => 1, (i: number) => 1 + (i % 2)] : [() => 1]) {
          const policy = create(createVirtualClock(SEED));
          const nodes = nodesOf(Array.from({ length: 10 }, (_, i) => weightOf(i)));
          const [guest] = nodesOf([1]) as [Node];
          const request = createRequest();
          const counts = new Map<Node, number>();
          const picks = 4_000;
          for (let i = 0; i < picks; i++) {
            const node = prepare(policy, i % 2 === 0 ? nodes : [...nodes, guest]).pick(request.shuffle()) as Node;
            counts.set(node, (counts.get(node) ?? 0) + 1);
          }
          const total = nodes.reduce((sum, { weight }) => sum + weight, 0);
          for (const node of nodes) {
            const due = (picks * node.weight) / total;
            expect((counts.get(node) ?? 0) / due, `${node.id}, ${message}`).toBeGreaterThan(0.6);
            expect((counts.get(node) ?? 0) / due, `${node.id}, ${message}`).toBeLessThan(1.5);
          }
        }
      },
    );
  });
}

/** Why a test is left out, for its name. */
function because(reason: string | undefined): string {
  return reason === undefined ? '' : ` (${reason})`;
}
