import type { Endpoint } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { UnimplementedProbe } from '../../src/health/health-checks.ts';
import { createEndpoint } from '../rig.ts';
import { createRig, TCP, WATCH } from './rig.ts';

const one = createEndpoint({ instanceId: 'a' });
const crowd = (size: number, more: Partial<Endpoint> = {}) =>
  Array.from({ length: size }, (_, n) => createEndpoint({ instanceId: `i${n}`, host: `10.0.0.${n}`, ...more }));
const refused = new Error('connection refused');

describe('checks', () => {
  it('ask one endpoint that comes at once, and its answer decides', async () => {
    const rig = createRig({ check: TCP });
    rig.behaviours.set('a', refused);
    rig.tell(one);
    expect(rig.emitted()).toEqual(['insert a#1 healthy']);
    await rig.pass(1);
    expect(rig.asked).toHaveLength(1);
    expect(rig.state('a#1')).toBe('failing connection refused');
    expect(rig.emitted()).toEqual(['update a#1 failing']);
  });

  it('go by the thresholds after the first', async () => {
    const rig = createRig({ check: TCP });
    rig.tell(one);
    await rig.pass(1);
    const states = [];
    for (const behaviour of [refused, refused, refused, undefined, undefined]) {
      rig.behaviours.set('a', behaviour);
      const before = rig.asked.length;
      while (rig.asked.length === before) await rig.pass(50);
      await rig.pass(1);
      states.push(rig.state('a#1').split(' ')[0]);
    }
    expect(states).toEqual(['healthy', 'healthy', 'failing', 'failing', 'healthy']);
    await rig.checks.close();
  });

  it('end by their own limit of time, and never overlap', async () => {
    const rig = createRig({ check: { ...TCP, intervalMs: 2_000, timeoutMs: 1_500 } });
    rig.behaviours.set('a', 'hang');
    rig.tell(one);
    await rig.pass(1_400);
    expect(rig.state('a#1')).toBe('healthy');
    await rig.pass(200);
    expect(rig.state('a#1')).toBe('failing no answer within 1500 ms');
    await rig.pass(20_000);
    const times = rig.asked.map(({ atMs }) => atMs);
    expect(times.length).toBeGreaterThan(5);
    for (const [index, atMs] of times.slice(1).entries()) {
      expect(atMs - (times[index] as number)).toBeGreaterThanOrEqual(1_500);
    }
    await rig.checks.close();
    expect(rig.clock.pending()).toBe(0);
  });

  it('are spread: at the start over a second, and then over the interval', async () => {
    const rig = createRig({ check: TCP });
    rig.tell(...crowd(200));
    await rig.pass(1_000);
    const first = new Map(rig.asked.toReversed().map(({ key, atMs }) => [key, atMs]));
    expect(first.size).toBe(200);
    for (let from = 0; from < 1_000; from += 250) {
      const inQuarter = [...first.values()].filter((atMs) => atMs >= from && atMs < from + 250).length;
      expect(inQuarter).toBeGreaterThan(30);
      expect(inQuarter).toBeLessThan(70);
    }
    await rig.pass(20_000, 250);
    rig.asked.length = 0;
    const startMs = rig.clock.nowMs();
    await rig.pass(10_000, 250);
    for (let from = startMs; from < startMs + 10_000; from += 2_500) {
      const inQuarter = rig.asked.filter(({ atMs }) => atMs >= from && atMs < from + 2_500).length;
      expect(inQuarter).toBeGreaterThan(25);
      expect(inQuarter).toBeLessThan(75);
    }
    expect(new Set(rig.asked.map(({ key }) => key)).size).toBeGreaterThan(190);
    await rig.checks.close();
  });

  it('keep to their number in every interval, and take turns', async () => {
    const max = 20;
    const rig = createRig({ check: { ...TCP, maxChecksPerInterval: max } });
    rig.tell(...crowd(100));
    await rig.pass(150_000, 250);
    const times = rig.asked.map(({ atMs }) => atMs);
    for (const [index, atMs] of times.entries()) {
      const before = times[index - max];
      if (before !== undefined) expect(atMs - before).toBeGreaterThanOrEqual(TCP.intervalMs - 0.001);
    }
    expect(times.length).toBeGreaterThan(13 * max);
    const counts = new Map<string, number>();
    for (const { key } of rig.asked) counts.set(key, (counts.get(key) ?? 0) + 1);
    expect(counts.size).toBe(100);
    // 150 s are 15 intervals, in which each has its turn in every fifth.
    expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(2);
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(4);
    await rig.checks.close();
  });

  it('are never more than 64 at once', async () => {
    const rig = createRig({ check: TCP });
    const endpoints = crowd(150);
    for (const { instanceId } of endpoints) rig.behaviours.set(instanceId, 'hang');
    rig.tell(...endpoints);
    await rig.pass(1_000);
    expect(rig.mostUnderway()).toBe(64);
    await rig.pass(4_000);
    expect(new Set(rig.asked.map(({ key }) => key)).size).toBe(150);
    await rig.checks.close();
    expect(rig.clock.pending()).toBe(0);
  });

  it('make room when the endpoint they hang on has left', async () => {
    const rig = createRig({ check: { ...TCP, timeoutMs: 10_000 } });
    const endpoints = crowd(64);
    for (const { instanceId } of endpoints) rig.behaviours.set(instanceId, 'hang');
    rig.tell(...endpoints);
    await rig.pass(1_000);
    rig.tell(one);
    await rig.pass(100);
    expect(rig.asked).toHaveLength(64);
    rig.remove('i7#1');
    await rig.pass(1);
    expect(rig.asked.at(-1)?.key).toBe('a#1');
    await rig.checks.close();
  });

  it('stop with the endpoint, and begin anew at another address', async () => {
    const rig = createRig({ check: TCP });
    rig.tell(one);
    await rig.pass(1);
    rig.behaviours.set('a', refused);
    rig.tell({ ...one, host: 'elsewhere' });
    await rig.pass(1);
    expect(rig.asked).toHaveLength(2);
    expect(rig.state('a#1')).toBe('failing connection refused');
    rig.remove('a#1');
    expect(rig.clock.pending()).toBe(0);
    await rig.pass(30_000, 1_000);
    expect(rig.asked).toHaveLength(2);
  });

  it('do not begin anew when only fields change, and know the latest of them', async () => {
    const rig = createRig({ check: { ...TCP, probe: { kind: 'http', path: '/up', port: undefined } } });
    rig.tell(one);
    await rig.pass(1);
    rig.tell({ ...one, weight: 7 });
    await rig.pass(1);
    expect(rig.asked).toEqual([
      { key: 'a#1', kind: 'http', atMs: 0, detail: { kind: 'http', path: '/up', port: undefined } },
    ]);
    await rig.checks.close();
  });

  it('leave module versions alone, and ask who says that it fails or drains', async () => {
    const rig = createRig({ check: TCP });
    rig.tell(
      createEndpoint({ instanceId: 'm', protocol: 'port' }),
      createEndpoint({ instanceId: 'f', host: 'f', health: 'failing' }),
      createEndpoint({ instanceId: 'd', host: 'd', health: 'draining' }),
    );
    await rig.pass(1_000);
    expect(rig.asked.map(({ key }) => key).sort()).toEqual(['d#1', 'f#1']);
    expect(rig.state('d#1')).toBe('draining consul says that it is draining');
    await rig.checks.close();
  });

  it('ask by the protocol of the endpoint, and for the whole server where no service is named', async () => {
    const rig = createRig({ check: { ...TCP, probe: { kind: 'by-protocol' } } });
    rig.tell(one, createEndpoint({ instanceId: 'b', host: 'b', protocol: 'connect' }));
    await rig.pass(1_000);
    const kinds = Object.fromEntries(rig.asked.map(({ key, kind, detail }) => [key, [kind, detail]]));
    expect(kinds).toEqual({
      'a#1': ['grpc', { kind: 'grpc', service: '', watch: false }],
      'b#1': ['tcp', undefined],
    });
    await rig.checks.close();
  });

  it('are one for services with the same settings, and the worst counts of several', async () => {
    const rig = createRig();
    const http = { ...TCP, probe: { kind: 'http', path: '/', port: undefined } } as const;
    rig.checks.update({
      checkOf: (service) => (service === 'web' ? http : { ...TCP }),
      loadLimitOf: () => undefined,
    });
    rig.behaviours.set('a', refused);
    rig.tell(createEndpoint({ instanceId: 'a', services: ['x', 'y', 'web'] }));
    await rig.pass(1);
    expect(rig.asked.map(({ kind }) => kind)).toEqual(['tcp', 'http']);
    rig.behaviours.delete('a');
    const states = [];
    for (let n = 0; n < 600; n++) {
      await rig.pass(50);
      states.push(rig.state('a#1').split(' ')[0]);
    }
    expect([...new Set(states)]).toEqual(['failing', 'healthy']);
    await rig.checks.close();
  });

  it('take back what they found when they are switched off, and keep what stays', async () => {
    const rig = createRig({ check: TCP });
    rig.behaviours.set('a', refused);
    rig.tell(one);
    await rig.pass(1);
    rig.checks.update(rig.settings({ ...TCP }));
    await rig.pass(1);
    expect(rig.asked).toHaveLength(1);
    expect(rig.state('a#1')).toBe('failing connection refused');
    rig.checks.update(rig.settings(undefined));
    expect(rig.state('a#1')).toBe('healthy');
    expect(rig.clock.pending()).toBe(0);
  });

  it('count an endpoint without a health service as healthy, and say so once', async () => {
    const rig = createRig({ check: { ...TCP, probe: { kind: 'by-protocol' } } });
    const endpoints = crowd(3);
    for (const { instanceId } of endpoints) rig.behaviours.set(instanceId, new UnimplementedProbe());
    rig.tell(...endpoints);
    await rig.pass(30_000, 250);
    expect(rig.state('i0#1')).toBe('healthy');
    expect(rig.warnings).toHaveLength(1);
    expect(rig.warnings[0]).toMatch(/10\.0\.0\.\d:50051 has no grpc\.health\.v1.*demo\.places\.v1\.PlacesService/);
    await rig.checks.close();
  });

  it('tell their verdict again to a membership that has forgotten it', async () => {
    const rig = createRig({ check: TCP });
    rig.behaviours.set('a', refused);
    rig.tell(one);
    await rig.pass(1);
    rig.membership.report('a#1', { verdict: 'unknown' });
    expect(rig.state('a#1')).toBe('failing connection refused');
    await rig.checks.close();
  });
});

describe('who is doubted', () => {
  it('is asked by TCP each second, and goes at the third failure', async () => {
    const rig = createRig();
    rig.tell(one);
    await rig.pass(5_000);
    expect(rig.asked).toHaveLength(0);
    rig.doubt('a#1');
    await rig.pass(5_000);
    expect(rig.state('a#1')).toBe('healthy consul: missing');
    expect(rig.asked.length).toBeGreaterThanOrEqual(5);
    rig.asked.length = 0;
    rig.behaviours.set('a', refused);
    while (rig.state('a#1') !== 'gone') await rig.pass(50);
    expect(rig.asked).toHaveLength(3);
    expect(rig.emitted().at(-1)).toBe('remove a#1 absent-and-failing');
    expect(rig.clock.pending()).toBe(0);
  });

  it('needs three failures as well when it never was asked before', async () => {
    const rig = createRig();
    rig.behaviours.set('a', refused);
    rig.tell(one);
    rig.doubt('a#1');
    while (rig.state('a#1') !== 'gone') await rig.pass(50);
    expect(rig.asked).toHaveLength(3);
  });

  it('is left alone again when it is told', async () => {
    const rig = createRig();
    rig.tell(one);
    rig.doubt('a#1');
    await rig.pass(2_500);
    rig.tell(one);
    expect(rig.clock.pending()).toBe(0);
    expect(rig.state('a#1')).toBe('healthy');
  });

  it('is asked by its own check where there is one', async () => {
    const rig = createRig({ check: { ...TCP, probe: { kind: 'by-protocol' } } });
    rig.tell(one);
    rig.doubt('a#1');
    await rig.pass(5_000);
    expect(new Set(rig.asked.map(({ kind }) => kind))).toEqual(new Set(['grpc']));
    rig.behaviours.set('a', refused);
    while (rig.state('a#1') !== 'gone') await rig.pass(50);
    expect(rig.clock.pending()).toBe(0);
  });
});

describe('a watch', () => {
  it('gets no calls before its first answer, and says at once what changes', async () => {
    const rig = createRig({ check: WATCH });
    rig.tell(one);
    expect(rig.emitted()).toEqual(['insert a#1 healthy', 'update a#1 failing']);
    expect(rig.state('a#1')).toBe('failing its health watch has not answered yet');
    await rig.pass(1);
    rig.watches[0]?.say(undefined);
    expect(rig.state('a#1')).toBe('healthy');
    rig.watches[0]?.say('it says NOT_SERVING');
    expect(rig.state('a#1')).toBe('failing it says NOT_SERVING');
    rig.watches[0]?.say(undefined);
    expect(rig.state('a#1')).toBe('healthy');
    await rig.checks.close();
    expect(rig.watches).toEqual([]);
    expect(rig.clock.pending()).toBe(0);
  });

  it('is opened anew when it breaks, and only a failure to do so counts', async () => {
    const rig = createRig({ check: WATCH });
    rig.tell(one);
    await rig.pass(1);
    rig.watches[0]?.say(undefined);
    rig.watches[0]?.end(new Error('connection reset'));
    await rig.pass(1);
    expect(rig.state('a#1')).toBe('healthy');
    await rig.pass(200);
    expect(rig.watches).toHaveLength(1);
    rig.watches[0]?.say(undefined);
    rig.behaviours.set('a', refused);
    rig.watches[0]?.end(new Error('connection reset'));
    await rig.pass(200);
    expect(rig.state('a#1')).toBe('failing connection refused');
    rig.behaviours.delete('a');
    while (rig.watches.length === 0) await rig.pass(50);
    rig.watches[0]?.say(undefined);
    expect(rig.state('a#1')).toBe('healthy');
    await rig.checks.close();
  });

  it('is opened soon again however often it has broken, as long as it answers', async () => {
    const rig = createRig({ check: WATCH });
    rig.tell(one);
    await rig.pass(1);
    for (let turn = 0; turn < 20; turn++) {
      expect(rig.watches).toHaveLength(1);
      rig.watches[0]?.say(undefined);
      rig.watches[0]?.end(new Error('connection reset'));
      await rig.pass(150);
    }
    expect(rig.state('a#1')).toBe('healthy');
    await rig.checks.close();
  });

  it('that breaks while the next one waits for room is opened once', async () => {
    const rig = createRig();
    const hanging = { ...TCP, timeoutMs: 9_000 };
    rig.checks.update({
      checkOf: (service) => (service === 'watched' ? { ...WATCH, intervalMs: 1_000 } : hanging),
      loadLimitOf: () => undefined,
    });
    rig.tell({ ...one, services: ['watched'] });
    await rig.pass(1);
    rig.watches[0]?.say(undefined);
    const endpoints = crowd(64);
    for (const { instanceId } of endpoints) rig.behaviours.set(instanceId, 'hang');
    rig.tell(...endpoints);
    for (let step = 0; step < 100; step++) {
      await rig.pass(50);
      rig.watches[0]?.say(undefined);
    }
    const opened = () => rig.asked.filter(({ kind }) => kind === 'watch').length;
    const before = opened();
    rig.watches[0]?.end(new Error('connection reset'));
    await rig.pass(2_000);
    expect(opened()).toBe(before);
    for (const { instanceId } of endpoints) rig.behaviours.delete(instanceId);
    while (opened() === before) await rig.pass(50);
    rig.watches[0]?.say(undefined);
    await rig.pass(500);
    expect(opened()).toBe(before + 1);
    await rig.checks.close();
    expect(rig.clock.pending()).toBe(0);
  });

  it('that never answers fails, and is tried again later and later', async () => {
    const rig = createRig({ check: WATCH });
    rig.tell(one);
    await rig.pass(1_100);
    expect(rig.state('a#1')).toBe('failing no answer within 1000 ms');
    await rig.pass(120_000, 250);
    expect(rig.asked.length).toBeGreaterThan(8);
    expect(rig.asked.length).toBeLessThan(30);
    expect(rig.watches.length).toBeLessThanOrEqual(1);
    await rig.checks.close();
  });

  it('is opened anew in each interval, so that an endpoint that hangs is found', async () => {
    const rig = createRig({ check: WATCH });
    rig.tell(one);
    await rig.pass(1);
    rig.watches[0]?.say(undefined);
    const first = rig.watches[0];
    while (!first?.signal.aborted) await rig.pass(50);
    expect(rig.state('a#1')).toBe('healthy');
    expect(rig.watches).toHaveLength(1);
    await rig.pass(1_100);
    expect(rig.state('a#1')).toBe('failing no answer within 1000 ms');
    await rig.checks.close();
  });

  it('gives way to checks where there is none, and to nothing where there are none', async () => {
    const rig = createRig({ check: WATCH });
    rig.behaviours.set('a', new UnimplementedProbe());
    rig.tell(one);
    await rig.pass(1);
    await rig.pass(1);
    expect(rig.asked.map(({ kind }) => kind)).toEqual(['watch', 'grpc']);
    expect(rig.state('a#1')).toBe('healthy');
    expect(rig.warnings).toHaveLength(1);
    rig.behaviours.set('a', new Error('it says NOT_SERVING'));
    await rig.pass(40_000, 250);
    expect(rig.state('a#1')).toBe('failing it says NOT_SERVING');
    expect(rig.asked.filter(({ kind }) => kind === 'watch')).toHaveLength(1);
    await rig.checks.close();
  });

  it('does not hold back a crowd that cannot be asked in an interval', async () => {
    const rig = createRig({ check: { ...WATCH, maxChecksPerInterval: 10 } });
    rig.tell(...crowd(11));
    expect(rig.state('i3#1')).toBe('healthy');
    rig.tell(...crowd(10, { incarnation: 2 }));
    expect(rig.state('i3#2')).toBe('failing its health watch has not answered yet');
    await rig.checks.close();
  });
});
