import { createServer, type AddressInfo } from 'node:net';
import { createVirtualClock, endpointKey, systemClock } from '@bascule/core';
import { createMembership } from '@bascule/discovery';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings-types.ts';
import { createHealth, toHealthSettings } from '../../src/control/health.ts';
import type { EndpointLoad } from '@bascule/client';
import { endpointOf } from '../support.ts';

function settingsOf(text: string): Settings {
  const parsed = parseConfig(text, '/etc/bascule.yaml');
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return parsed.settings;
}

describe('health settings', () => {
  it('are those of the service, else those of all, else those of discovery', () => {
    const chosen = toHealthSettings(
      settingsOf(`discovery: {healthCheck: {interval: 1s}}
services:
  a.A: {healthCheck: {interval: 2s}}
  a.B: {loadLimit: {maxUtilization: 0.5}}
  "*": {healthCheck: {interval: 3s}, loadLimit: {maxUtilization: 0.9}}
`),
    );
    const services = ['a.A', 'a.B', 'a.C', 'constructor'];
    expect(services.map((service) => chosen.checkOf(service)?.intervalMs)).toEqual([2_000, 3_000, 3_000, 3_000]);
    expect(services.map((service) => chosen.loadLimitOf(service)?.maxUtilization)).toEqual([0.9, 0.5, 0.9, 0.9]);
  });
});

const one = endpointOf({ instanceId: 'one', services: ['a.A'] });
const two = endpointOf({ instanceId: 'two', port: 10, services: ['a.A'] });
const KEY = endpointKey(one);

describe('health', () => {
  it('asks the threads each second for what endpoints say of their load, while there is a limit', async () => {
    const clock = createVirtualClock();
    const membership = createMembership({ clock, onChange() {}, onNews: (keys) => health.changed(keys) });
    let asked = 0;
    const reports: Pick<EndpointLoad, 'applicationUtilization' | 'ageMs'>[] = [];
    const loads = async (withinMs: number): Promise<EndpointLoad[]> => {
      asked++;
      const recent = reports.filter(({ ageMs }) => ageMs <= withinMs);
      return recent.map((report) => ({ key: KEY, cpuUtilization: 0, ...report }));
    };
    const limited = settingsOf('services: {a.A: {loadLimit: {maxUtilization: 0.8, after: 0s}}}');
    const health = createHealth({ membership, clock, settings: limited, loads, onWarning() {} });
    const { listener } = membership.join({ name: 'a' });
    listener.changes([
      { type: 'insert', endpoint: one },
      { type: 'insert', endpoint: two },
    ]);
    const causeOf = (): string | undefined => membership.member(KEY)?.cause;

    // The newer word counts, and one from before the last question was heard then.
    reports.push({ applicationUtilization: 0.1, ageMs: 400 }, { applicationUtilization: 0.9, ageMs: 300 });
    clock.advance(1_000);
    await expect.poll(causeOf).toBe('utilization 0.9 is above 0.8');
    reports.splice(0, 2, { applicationUtilization: 0.1, ageMs: 2_500 });
    await expect.poll(() => clock.pending()).toBeGreaterThanOrEqual(1);
    clock.advance(1_000);
    await expect.poll(() => asked).toBe(2);
    expect(causeOf()).toBe('utilization 0.9 is above 0.8');
    // As its registry has heard it.
    health.reportLoad(KEY, 0.5);
    expect(causeOf()).toBe('');

    health.update(settingsOf(''));
    await expect.poll(() => asked).toBe(2);
    clock.advance(10_000);
    await health.close();
    expect(asked).toBeLessThanOrEqual(3);
    expect(clock.pending()).toBe(0);
  });

  it('counts what checks find, and takes their verdict back with the settings', async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const membership = createMembership({
      clock: systemClock,
      onChange() {},
      onNews: (keys) => health.changed(keys),
    });
    const checked = settingsOf(
      'services: {a.A: {healthCheck: {tcp: {}, interval: 0.1s, unhealthyThreshold: 1, healthyThreshold: 1}}}',
    );
    const health = createHealth({
      membership,
      clock: systemClock,
      settings: checked,
      loads: async () => [],
      onWarning() {},
    });
    const endpoint = { ...one, port };
    membership.join({ name: 'a' }).listener.changes([{ type: 'insert', endpoint }]);
    await expect.poll(() => health.counts().pass).toBeGreaterThan(1);
    await new Promise<void>((resolve) => void server.close(() => resolve()));
    await expect.poll(() => membership.member(KEY)?.endpoint.health).toBe('failing');
    expect(membership.member(KEY)?.cause).toBe('connection refused');
    expect(health.counts().fail).toBeGreaterThan(0);
    health.update(settingsOf(''));
    expect(membership.member(KEY)?.endpoint.health).toBeUndefined();
    await health.close();
  });
});
