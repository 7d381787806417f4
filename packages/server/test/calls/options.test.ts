import { describe, expect, it } from 'vitest';
import type { ServeCalls } from '../../src/calls/options.ts';
import { serve } from '../../src/serve.ts';
import { createShop } from './shop.ts';

const ALL = 'calls.policies["*"]';

/** What serve says of options that types would not let through either, or that only the schema can judge. */
async function refusalOf(calls: unknown): Promise<string> {
  try {
    await (await serve({ routes: createShop().routes, calls: calls as ServeCalls })).close();
  } catch (error) {
    return (error as Error).message;
  }
  return 'taken';
}

const everywhere = (policy: unknown) => ({ policies: { '*': policy } });
const limited = (limit: unknown) => everywhere({ rateLimits: [limit] });
const keyed = (key: unknown) => limited({ perSecond: 1, key });

describe('options of calls', () => {
  it.each<[string, unknown, string]>([
    ['no object', 7, 'calls must be an object, not 7'],
    [
      'a scope in the wrong place',
      { 'shop.v1.Shop': {} },
      'calls.shop.v1.Shop is not known; there is policies, serviceConfig, identify, sharedLimits, onRefused',
    ],
    ['a verifier that is none', { identify: {} }, 'calls.identify.verify must be a function'],
    ['no policies', { policies: [] }, 'calls.policies must be an object, not []'],
    ['no policy', everywhere('fast'), `${ALL} must be an object, not "fast"`],
    [
      'what only callers do',
      everywhere({ retry: {} }),
      `${ALL}.retry is for who makes calls: a gateway or a Node transport`,
    ],
    ['a word that is misspelt', everywhere({ limit: {} }), `${ALL}.limit is not known; there is defaultTimeoutMs, `],
    ['a text for a number', everywhere({ maxTimeoutMs: '5s' }), `${ALL}.maxTimeoutMs must be a number, not "5s"`],
    ['no time', everywhere({ maxTimeoutMs: 0 }), `${ALL}.maxTimeoutMs must be 1 or more, not 0`],
    [
      'a time without end',
      everywhere({ maxTimeoutMs: Infinity }),
      `${ALL}.maxTimeoutMs must be 2147483647 or less, not Infinity`,
    ],
    ['NaN', limited({ perSecond: Number.NaN }), `${ALL}.rateLimits[0].perSecond must be greater than 0, not NaN`],
    ['a half', everywhere({ limits: { maxCalls: 1.5 } }), `${ALL}.limits.maxCalls must be a whole number, not 1.5`],
    [
      'a wrong word',
      everywhere({ criticality: 'high' }),
      `${ALL}.criticality must be "critical" or "default" or "sheddable"`,
    ],
    ['no list', everywhere({ rateLimits: {} }), `${ALL}.rateLimits must be a list, not {}`],
    ['a limit without rate', limited({}), `${ALL}.rateLimits[0].perSecond is missing`],
    ['a limit that is none', limited(null), `${ALL}.rateLimits[0] is missing`],
    [
      'a shared limit',
      limited({ perSecond: 1, shared: true }),
      `${ALL}.rateLimits[0].shared needs somewhere to be counted: give calls.sharedLimits`,
    ],
    [
      'a key of nothing',
      keyed({ from: 'moon' }),
      `${ALL}.rateLimits[0].key.from must be "peer" or "header" or "cookie" or "claim" or "field"`,
    ],
    ['a key without name', keyed({ from: 'header' }), `${ALL}.rateLimits[0].key.name is missing`],
    ['a key without words', keyed({ from: 'header', name: '' }), `${ALL}.rateLimits[0].key.name must not be empty`],
    [
      'a claim that nobody reads',
      keyed({ from: 'claim', name: 'sub' }),
      `${ALL}.rateLimits[0].key is a claim, but nobody reads tokens: give calls.identify as well`,
    ],
    [
      'a field that nobody has',
      keyed({ from: 'field', path: 'user.id' }),
      `${ALL}.rateLimits[0].key.path "user.id" is no text, number or bytes of any request that this is for`,
    ],
    ['a fault without share', everywhere({ fault: { delay: { ms: 5 } } }), `${ALL}.fault.delay.percent is missing`],
    [
      'a code that is none',
      everywhere({ fault: { abort: { percent: 1, code: 17 } } }),
      `${ALL}.fault.abort.code must be 16 or less, not 17`,
    ],
    ['a cache of nothing', everywhere({ cache: { maxBytes: 3 } }), `${ALL}.cache.maxBytes must be 1024 or more, not 3`],
    [
      'a window that is too short',
      everywhere({ admission: { windowMs: 5 } }),
      `${ALL}.admission.windowMs must be 1000 or more, not 5`,
    ],
    [
      'a queue without end',
      everywhere({ concurrency: { maxQueue: 1e9 } }),
      `${ALL}.concurrency.maxQueue must be 100000 or less`,
    ],
    [
      'a service that is not here',
      { policies: { 'shop.v1.Shops': {} } },
      'calls.policies["shop.v1.Shops"] names nothing that is served here; there is "*", shop.v1.Shop, and their methods',
    ],
    [
      'a method that is not here',
      { policies: { 'shop.v1.Shop/Sell': {} } },
      'calls.policies["shop.v1.Shop/Sell"] names nothing',
    ],
    [
      'a cache for what changes things',
      { policies: { 'shop.v1.Shop/Buy': { cache: {} } } },
      'calls.policies["shop.v1.Shop/Buy"].cache is for unary methods with idempotency_level = NO_SIDE_EFFECTS',
    ],
    [
      'places for streams',
      { policies: { 'shop.v1.Shop/Chat': { concurrency: {} } } },
      'calls.policies["shop.v1.Shop/Chat"].concurrency is for unary methods',
    ],
    [
      'a service config that is none',
      { serviceConfig: '{"methodConfig": [{"timeout": "soon"}]}' },
      'calls.serviceConfig methodConfig[0].timeout must be a duration such as "1.5s", not "soon"',
    ],
  ])('refuse %s, by its path', async (_, calls, words) => {
    expect(await refusalOf(calls)).toContain(words);
  });

  it('say all that is wrong at once', async () => {
    expect(await refusalOf(everywhere({ maxTimeoutMs: 0, cache: { ttlMs: -1 } }))).toBe(
      `${ALL}.maxTimeoutMs must be 1 or more, not 0; ${ALL}.cache.ttlMs must be 0 or more, not -1`,
    );
  });

  it('take everything that has a meaning', async () => {
    const policy = {
      defaultTimeoutMs: 0,
      defaultStreamTimeoutMs: 60_000,
      maxTimeoutMs: 60_000,
      maxRequestBytes: 0,
      maxResponseBytes: 1_000_000,
      criticality: 'critical',
      rateLimits: [{ perSecond: 0.5 }, { name: 'x', perSecond: 5, burst: 9, key: { from: 'cookie', name: 'sid' } }],
      limits: { maxCalls: 10, maxStreams: 5 },
      admission: {},
      concurrency: { maxLimit: 100, maxQueue: 50 },
      fault: { header: { name: 'x-fault' }, delay: { percent: 1, ms: 1 }, abort: { percent: 1, code: 14 } },
      cache: { varyOn: ['accept-language'] },
    };
    expect(await refusalOf(everywhere(policy))).toBe('taken');
    expect(await refusalOf({ policies: { 'shop.v1.Shop': policy, 'shop.v1.Shop/Find': policy } })).toBe('taken');
    expect(await refusalOf({})).toBe('taken');
    expect(await refusalOf(everywhere(7))).toBe(`${ALL} must be an object, not 7`);
  });
});
