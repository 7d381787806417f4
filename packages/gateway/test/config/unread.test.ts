import { describe, expect, test } from 'vitest';
import { formatConfigError } from '../../src/config/error.ts';
import { parseConfig } from '../../src/config/load.ts';

function errorsOf(text: string): string[] {
  const result = parseConfig(text, 'f.yaml');
  return result.ok ? [] : result.errors.map(formatConfigError);
}

describe('what nobody would read is refused', () => {
  test.each([
    [
      'a detail of another policy',
      'services:\n  a.B:\n    balancing: {tableSize: 17}\n',
      'f.yaml:3:28 services["a.B"].balancing.tableSize: is not read by POLICY_LEAST_REQUEST. Write policy: POLICY_MAGLEV beside balancing, or remove it.',
    ],
    [
      'a bound of a policy that does not hash',
      'services:\n  "*": {policy: POLICY_RANDOM, balancing: {boundPercent: 150}}\n',
      'balancing.boundPercent: is not read by POLICY_RANDOM. Write policy: POLICY_RING_HASH or POLICY_MAGLEV or POLICY_RENDEZVOUS',
    ],
    [
      'reports of load that no policy goes by',
      'services:\n  a.B: {policy: POLICY_RANDOM, balancing: {loadReportPeriod: 10s}}\n',
      'balancing.loadReportPeriod: is not read by POLICY_RANDOM. Write policy: POLICY_ORCA_WEIGHTED_ROUND_ROBIN or POLICY_DYNAMIC_WEIGHT',
    ],
    [
      'keys without a policy that hashes',
      'services:\n  a.B:\n    policy: POLICY_RANDOM\n    calls: {affinity: {keys: [{peer: {}}]}}\n',
      'f.yaml:4:30 services["a.B"].calls.affinity.keys: is read by policies that hash alone, and the one of this service does not. Write policy: POLICY_RING_HASH or POLICY_MAGLEV or POLICY_RENDEZVOUS at services["a.B"], or remove the keys.',
    ],
    [
      'keys of a method without one',
      'services:\n  a.B:\n    methods: {Get: {affinity: {keys: [{peer: {}}]}}}\n',
      'f.yaml:3:38 services["a.B"].methods.Get.affinity.keys: is read by policies that hash alone',
    ],
    [
      'keys beside details that mean another policy than that of all',
      'services:\n  "*": {policy: POLICY_MAGLEV}\n  a.B: {balancing: {}, calls: {affinity: {keys: [{peer: {}}]}}}\n',
      'calls.affinity.keys: is read by policies that hash alone',
    ],
  ])('%s', (_name, text, words) => {
    const errors = errorsOf(text);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(words);
  });
});

describe('keys of calls are taken where a policy reads them', () => {
  const keys = 'calls: {affinity: {keys: [{peer: {}}]}}';
  test.each([
    ['its own', `services:\n  a.B: {policy: POLICY_MAGLEV, ${keys}}\n`],
    ['that of all', `services:\n  "*": {policy: POLICY_RING_HASH}\n  a.B: {${keys}}\n`],
    ['that of another service', `services:\n  "*": {${keys}}\n  a.B: {policy: POLICY_RENDEZVOUS}\n`],
    ['that of its service config', `services:\n  a.B: {serviceConfig: a.json, ${keys}}\n`],
    ['a cookie in place of one', 'services:\n  a.B: {calls: {affinity: {sticky: {name: at}}}}\n'],
  ])('%s', (_name, text) => {
    expect(errorsOf(text)).toEqual([]);
  });
});
