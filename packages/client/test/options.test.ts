import type { MethodFacts } from '@bascule/core';
import { createClient, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { createNodeTransport } from '../src/index.ts';
import { TestService } from './support/schema.ts';

const STATIC = { discovery: { sources: ['static:127.0.0.1:1'] } };

function refusalOf(options: object): string {
  try {
    createNodeTransport(options);
  } catch (error) {
    expect(error).toBeInstanceOf(ConnectError);
    return (error as ConnectError).rawMessage;
  }
  return 'taken';
}

describe('options that cannot be are refused before the first call', () => {
  it.each<[string, object, string]>([
    ['nowhere', { discovery: undefined }, 'there is nowhere to call: give baseUrl, or discovery with its sources'],
    ['no sources', { discovery: {} }, 'discovery has no sources: name one, like dns://places.internal:8080'],
    [
      'a source without a URL',
      { discovery: { sources: [{}] } },
      'discovery.sources[0].url is undefined; it must be a URL',
    ],
    ['credentials', { baseUrl: 'http://a:b@127.0.0.1:1' }, 'baseUrl holds credentials; send them as a header'],
    ['a protocol', { baseUrl: 'http://127.0.0.1:1', protocol: 'soap' }, 'protocol is "soap"; give grpc, grpc-web or'],
    [
      'a policy by its name alone',
      { balancing: { policy: 'random' } },
      'balancing.policy.name is "random"; it must be one of',
    ],
    [
      'an unknown policy',
      { balancing: { policy: { name: 'fair' } } },
      'balancing.policy.name is "fair"; it must be one of',
    ],
    [
      'a policy of every object',
      { balancing: { policy: { name: 'constructor' } } },
      'balancing.policy.name is "construc',
    ],
    [
      'a choice of none',
      { balancing: { policy: { name: 'least-request', choiceCount: -1, fullScanUpTo: 0, activeRequestBias: 1 } } },
      'balancing.policy.choiceCount is -1; it must be a number of at least 2, 10 at most',
    ],
    [
      'a ring of no size',
      { balancing: { policy: { name: 'ring-hash' } } },
      'balancing.policy.minRingSize is undefined; it',
    ],
    [
      'a ring without end',
      { balancing: { policy: { name: 'ring-hash', minRingSize: 1e9, maxRingSize: 1e9 } } },
      'balancing.policy.minRingSize is 1000000000; it must be a number of at least 1, 8388608 at most',
    ],
    [
      'a ring that is too small for itself',
      { balancing: { policy: { name: 'ring-hash', minRingSize: 9, maxRingSize: 8 } } },
      'balancing.policy.minRingSize is 9; it must be at most maxRingSize, 8',
    ],
    [
      'a table that is no prime',
      { balancing: { policy: { name: 'maglev', tableSize: 10 } } },
      'balancing.policy.tableSize is 10; it must be a prime, like 65537',
    ],
    ['a share above all', { balancing: { panicPercent: 101 } }, 'balancing.panicPercent is 101; it must be'],
    [
      'reports without a pause',
      { balancing: { loadReportPeriodMs: 0 } },
      'loadReportPeriodMs is 0; it must be a number ab',
    ],
    ['no calls at all', { limits: { maxCalls: 0 } }, 'limits.maxCalls is 0; it must be a number of at least 1'],
    ['a budget that is no number', { retryBudget: { percent: NaN } }, 'retryBudget.percent is NaN; it must be'],
    ['a wait that is no number', { connectWaitMs: NaN }, 'connectWaitMs is NaN; it must be a number of at least 0'],
  ])('%s', (_name, options, words) => {
    expect(refusalOf({ ...STATIC, ...options })).toContain(words);
  });
});

describe('a policy that cannot be is told by its first call', () => {
  it.each<[string, object, string]>([
    ['no attempt', { retry: { maxAttempts: 0 } }, 'policy.retry.maxAttempts is 0; it must be a number of at least 1'],
    ['a text', { retry: { maxAttempts: '3' } }, 'policy.retry.maxAttempts is "3"; it must be'],
    ['a breaker without a word', { breaker: {} }, 'policy.breaker.errorPercent is undefined; it must be'],
    [
      'a rate below 0',
      { rateLimits: [{ name: 'a', perSecond: -1, burst: 1 }] },
      'policy.rateLimits[0].perSecond is -1',
    ],
    ['messages below 0', { maxRequestBytes: -1 }, 'policy.maxRequestBytes is -1; it must be'],
    ['more copies than calls', { mirror: { cluster: 'a', percent: 101 } }, 'policy.mirror.percent is 101; it must be'],
    ['a cache without a size', { cache: { ttlMs: 1 } }, 'policy.cache.maxBytes is undefined; it must be'],
    ['a time that is no number', { defaultTimeoutMs: NaN }, 'policy.defaultTimeoutMs is NaN; it must be'],
  ])('%s', async (_name, policy, words) => {
    for (const given of [policy, (_method: MethodFacts) => policy]) {
      const transport = createNodeTransport({ ...STATIC, policy: given });
      const call = createClient(TestService, transport).say({ value: 'a' });
      await expect(call).rejects.toThrow(words);
      await transport.close();
    }
  });
});
