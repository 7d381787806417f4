import { createVirtualClock, type Endpoint } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLoadLimits } from '../../src/health/load-limits.ts';
import { createEndpoint } from '../rig.ts';
import { createRig, TCP } from './rig.ts';

const limit = { maxUtilization: 0.9, afterMs: 5_000 };
const crowd = (size: number, more: Partial<Endpoint> = {}) =>
  Array.from({ length: size }, (_, n) => createEndpoint({ instanceId: `i${n}`, host: `10.0.0.${n}`, ...more }));
const load = (applicationUtilization: number, cpuUtilization = 0) => ({ applicationUtilization, cpuUtilization });

describe('a limit of load', () => {
  it('takes out who is above it for so long, until it is well below', () => {
    const rig = createRig({ loadLimit: limit });
    rig.tell(...crowd(4));
    const states = [
      [0, 0.95],
      [4_999, 0.95],
      [1, 0.951],
      [1_000, 0.85],
      [1_000, 0.8],
      [0, 0.95],
    ].map(([afterMs, utilization]) => {
      rig.clock.advance(afterMs as number);
      rig.checks.reportLoad('i0#1', load(utilization as number));
      return rig.state('i0#1');
    });
    const over = 'failing utilization 0.95 is above 0.9';
    expect(states).toEqual(['healthy', 'healthy', over, over, 'healthy', 'healthy']);
  });

  it('begins to measure anew when a report is within it', () => {
    const rig = createRig({ loadLimit: limit });
    rig.tell(...crowd(4));
    for (const utilization of [0.95, 0.9, 0.95]) {
      rig.checks.reportLoad('i0#1', load(utilization));
      rig.clock.advance(4_000);
    }
    rig.checks.reportLoad('i0#1', load(0.95));
    expect(rig.state('i0#1')).toBe('healthy');
    rig.clock.advance(1_000);
    rig.checks.reportLoad('i0#1', load(0.95));
    expect(rig.state('i0#1')).toBe('failing utilization 0.95 is above 0.9');
    rig.remove('i0#1');
    expect(rig.clock.pending()).toBe(0);
  });

  it('takes the word of the application before that of its machine', () => {
    const rig = createRig({ loadLimit: { ...limit, afterMs: 0 } });
    rig.tell(...crowd(6));
    rig.checks.reportLoad('i0#1', load(0.5, 1));
    rig.checks.reportLoad('i1#1', load(0, 1));
    expect([rig.state('i0#1'), rig.state('i1#1')]).toEqual(['healthy', 'failing utilization 1 is above 0.9']);
    rig.checks.reportLoad('nobody#1', load(1));
  });

  it('forgets what was said more than 3 minutes ago', () => {
    const rig = createRig({ loadLimit: { ...limit, afterMs: 0 } });
    rig.tell(...crowd(4));
    rig.checks.reportLoad('i0#1', load(1));
    rig.clock.advance(100_000);
    rig.checks.reportLoad('i0#1', load(1));
    rig.clock.advance(179_999);
    expect(rig.state('i0#1')).toBe('failing utilization 1 is above 0.9');
    rig.clock.advance(1);
    expect(rig.state('i0#1')).toBe('healthy');
    expect(rig.clock.pending()).toBe(0);
  });

  it('does not count time between reports that do not follow each other', () => {
    const rig = createRig({ loadLimit: limit });
    rig.tell(...crowd(4));
    rig.checks.reportLoad('i0#1', load(1));
    rig.clock.advance(180_001);
    rig.checks.reportLoad('i0#1', load(1));
    expect(rig.state('i0#1')).toBe('healthy');
  });

  it('takes out half of a service at most, and none when it has one', () => {
    for (const [size, out] of [
      [5, 2],
      [4, 2],
      [1, 0],
    ] as const) {
      const rig = createRig({ loadLimit: { ...limit, afterMs: 0 } });
      rig.tell(...crowd(size));
      for (let n = 0; n < size; n++) rig.checks.reportLoad(`i${n}#1`, load(1));
      const failing = rig.membership.members().filter(({ endpoint }) => endpoint.health === 'failing');
      expect(failing).toHaveLength(out);
    }
  });

  it('leaves in who is needed because checks took others out', async () => {
    const rig = createRig({ check: TCP, loadLimit: { ...limit, afterMs: 0 } });
    for (const id of ['i0', 'i1']) rig.behaviours.set(id, new Error('refused'));
    rig.tell(...crowd(6));
    await rig.pass(1_000);
    for (const n of [2, 3, 4, 5]) rig.checks.reportLoad(`i${n}#1`, load(1));
    const healthy = () => rig.membership.members().filter(({ endpoint }) => endpoint.health === undefined).length;
    expect(healthy()).toBe(2);
    await rig.checks.close();
  });

  it('counts nobody out by load who is out anyway', () => {
    const rig = createRig({ loadLimit: { ...limit, afterMs: 0 } });
    const [first, ...others] = crowd(4);
    rig.tell({ ...(first as Endpoint), health: 'failing' }, ...others);
    for (const n of [0, 1, 2]) rig.checks.reportLoad(`i${n}#1`, load(1));
    expect(['i1#1', 'i2#1', 'i3#1'].map((key) => rig.state(key).split(' ')[0])).toEqual([
      'failing',
      'healthy',
      'healthy',
    ]);
  });

  it('brings back who was taken out last when others leave', () => {
    const rig = createRig({ loadLimit: { ...limit, afterMs: 0 } });
    rig.tell(...crowd(4));
    for (const n of [0, 1]) rig.checks.reportLoad(`i${n}#1`, load(1));
    rig.remove('i3#1');
    expect(['i0#1', 'i1#1', 'i2#1'].map((key) => rig.state(key).split(' ')[0])).toEqual([
      'failing',
      'healthy',
      'healthy',
    ]);
  });

  it('is over when it is switched off', () => {
    const rig = createRig({ loadLimit: { ...limit, afterMs: 0 } });
    rig.tell(...crowd(4));
    rig.checks.reportLoad('i0#1', load(1));
    rig.checks.update({ checkOf: () => undefined, loadLimitOf: () => undefined });
    expect(rig.state('i0#1')).toBe('healthy');
    expect(rig.clock.pending()).toBe(0);
  });

  it('removes nobody who is doubted', () => {
    const rig = createRig({ loadLimit: { ...limit, afterMs: 0 } });
    rig.tell(...crowd(4));
    rig.doubt('i0#1');
    rig.checks.reportLoad('i0#1', load(1));
    expect(rig.state('i0#1')).toBe('failing consul: missing; utilization 1 is above 0.9');
  });
});

describe('limits of load over many services', () => {
  const services = ['a', 'b', 'c'];
  const stepArb = fc.oneof(
    fc.record({
      type: fc.constant('set' as const),
      n: fc.nat(7),
      services: fc.subarray(services),
      isWell: fc.boolean(),
    }),
    fc.record({ type: fc.constant('delete' as const), n: fc.nat(7) }),
    fc.record({ type: fc.constant('report' as const), n: fc.nat(7), utilization: fc.constantFrom(0.5, 1) }),
    fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(1_000, 100_000) }),
  );

  it('never take more than half of the well ones of any service', () => {
    fc.assert(
      fc.property(fc.array(stepArb, { maxLength: 60, size: 'max' }), (steps) => {
        const clock = createVirtualClock();
        const there = new Map<string, { services: string[]; isWell: boolean }>();
        const told = new Map<string, string | undefined>();
        const limits = createLoadLimits({
          clock,
          limitOf: (service) => (service === 'c' ? undefined : { maxUtilization: 0.9, afterMs: 0 }),
          onChange: (key) => void told.set(key, limits.whyOver(key)),
        });
        for (const step of steps) {
          const key = 'n' in step ? `i${step.n}` : '';
          if (step.type === 'set') {
            there.set(key, step);
            limits.set(key, step.services, step.isWell);
          } else if (step.type === 'delete') {
            there.delete(key);
            told.delete(key);
            limits.delete(key);
          } else if (step.type === 'report') limits.report(key, load(step.utilization));
          else clock.advance(step.ms);
          for (const service of services) {
            const well = [...there].filter(([, one]) => one.isWell && one.services.includes(service));
            const over = well.filter(([key]) => limits.whyOver(key) !== undefined);
            expect(over.length).toBeLessThanOrEqual(well.length / 2);
          }
          for (const key of there.keys()) expect(told.get(key)).toBe(limits.whyOver(key));
        }
        limits.close();
        expect(clock.pending()).toBe(0);
      }),
      fuzzing(200),
    );
  });
});
