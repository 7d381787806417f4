import { expect, it } from 'vitest';
import { isSilent, spare, toConsulRecord, type ConsulRecord } from '../../src/peers/consul/records.ts';
import { isSilent as isSilentInNacos } from '../../src/peers/nacos/records.ts';
import { spareSilent } from '../../src/peers/silence.ts';

it.each([
  [['ok', 'ok'], 0],
  [['silent'], 0],
  [['silent', 'ok'], 0],
  [['silent', 'silent'], 2],
  [['silent', 'silent', 'ok'], 2],
  [['silent', 'silent', 'ok', 'ok'], 0],
  [['silent', 'failing', 'ok'], 0],
])('of %j are spared %i', (list, spared) => {
  const result = spareSilent(
    list,
    (item) => item === 'silent',
    () => 'spared',
  );
  expect(result.filter((item) => item === 'spared')).toHaveLength(spared);
  if (spared === 0) expect(result).toBe(list);
});

it('is told from what is really wrong by the words of Consul', () => {
  const record = (...checks: [status: string, output: string][]): ConsulRecord =>
    toConsulRecord({
      Service: { ID: 'a' },
      Checks: checks.map(([Status, Output], i) => ({ CheckID: `c${i}`, Status, Output })),
    }) as ConsulRecord;
  const node: [string, string] = ['passing', 'Agent alive and reachable'];
  const expired: [string, string] = ['critical', 'TTL expired (last output before timeout follows): '];
  expect(isSilent(record(node, expired))).toBe(true);
  expect(isSilent(record(node, expired, ['critical', 'connection refused']))).toBe(false);
  expect(isSilent(record(node, ['critical', 'the instance says so']))).toBe(false);
  expect(isSilent(record(node))).toBe(false);
  const spared = spare(record(node, expired));
  expect([isSilent(spared), spared.checks.length]).toEqual([false, 1]);
  expect(spared.version).not.toBe(record(node, expired).version);
});

it('is told from what is really wrong by who watches in Nacos', () => {
  expect(isSilentInNacos({ healthy: false })).toBe(true);
  expect(isSilentInNacos({ healthy: false, ephemeral: true })).toBe(true);
  expect(isSilentInNacos({ healthy: false, ephemeral: false })).toBe(false);
  expect(isSilentInNacos({ healthy: true })).toBe(false);
});
