import { Code, type CallPolicy } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRetryThrottle, parseServiceConfig } from '../src/index.ts';

const parse = (config: unknown) => parseServiceConfig(JSON.stringify(config));

const RETRY = {
  maxAttempts: 4,
  initialBackoff: '.1s',
  maxBackoff: '1s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['UNAVAILABLE'],
};
const HEDGE = { maxAttempts: 4, hedgingDelay: '.5s', nonFatalStatusCodes: ['UNAVAILABLE', 'internal', 10] };

/** An entry for all methods. */
const entryOf = (entry: object) => ({ methodConfig: [{ name: [{}], ...entry }] });

describe('parseServiceConfig', () => {
  it('reads all that a config can say', () => {
    const config = parse({
      loadBalancingPolicy: 'ROUND_ROBIN',
      loadBalancingConfig: [{ weighted_round_robin: { blackoutPeriod: '10s' } }, { round_robin: {} }],
      methodConfig: [
        { name: [{ service: 'a.A' }, { service: 'b.B', method: 'Get' }], retryPolicy: RETRY, timeout: '1.5s' },
        { name: [{ service: 'a.A', method: 'Put' }], waitForReady: true, maxRequestMessageBytes: 0 },
        { name: [{}], hedgingPolicy: HEDGE, maxResponseMessageBytes: '1024', waitForReady: false },
        { timeout: '3s' },
      ],
      retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
      healthCheckConfig: { serviceName: 'a.A' },
      notKnownYet: { deep: [1, 2] },
    });
    const retry: CallPolicy = {
      retry: {
        maxAttempts: 4,
        codes: [Code.unavailable],
        initialBackoffMs: 100,
        maxBackoffMs: 1000,
        backoffMultiplier: 2,
        jitter: 'a6',
        anyMethod: true,
      },
      defaultTimeoutMs: 1500,
      defaultStreamTimeoutMs: 1500,
      maxTimeoutMs: 1500,
    };
    const nonFatalCodes = [Code.unavailable, Code.internal, Code.aborted];
    const hedge: CallPolicy = { hedge: { maxAttempts: 4, delayMs: 500, nonFatalCodes }, maxResponseBytes: 1024 };
    expect(config.problems).toEqual([]);
    expect(config.policyOf('a.A', 'Get')).toEqual(retry);
    // One entry counts, whole: nothing of the service's is added to the method's.
    expect(config.policyOf('a.A', 'Put')).toEqual({ connectTimeoutMs: 2_147_483_647, maxRequestBytes: 0 });
    expect(config.policyOf('b.B', 'Get')).toEqual(retry);
    expect(config.policyOf('b.B', 'Put')).toEqual(hedge);
    expect(config.policyOf('', '')).toEqual(hedge);
    expect(config.throttle).toEqual({ maxTokens: 10, tokenRatio: 0.1 });
    expect(config.healthCheck).toEqual({ serviceName: 'a.A' });
    expect(config.loadBalancing).toEqual([
      { name: 'weighted_round_robin', config: { blackoutPeriod: '10s' } },
      { name: 'round_robin', config: {} },
    ]);
  });

  it('says nothing where nothing is said', () => {
    const config = parse({ methodConfig: null });
    expect(config).toMatchObject({ problems: [], throttle: undefined, healthCheck: undefined, loadBalancing: [] });
    expect(config.policyOf('a.A', 'Get')).toEqual({});
  });

  it('takes the older name of a load balancing policy', () => {
    expect(parse({ loadBalancingPolicy: 'ROUND_ROBIN' }).loadBalancing).toEqual([{ name: 'round_robin', config: {} }]);
  });

  it.each([
    ['1s', 1000],
    ['1.5s', 1500],
    ['.5s', 500],
    ['2.s', 2000],
    ['0.000000001s', 0.000_001],
    ['0.3s', 300],
    ['315576000000s', 315_576_000_000_000],
  ])('reads a duration of %s', (timeout, ms) => {
    const config = parse(entryOf({ timeout }));
    expect([config.problems, config.policyOf('a.A', 'B').maxTimeoutMs]).toEqual([[], ms]);
  });

  it('sends hedges at once without a delay, and takes each failure for fatal without codes', () => {
    expect(parse(entryOf({ hedgingPolicy: { maxAttempts: 2 } })).policyOf('a', 'b')).toEqual({
      hedge: { maxAttempts: 2, delayMs: 0, nonFatalCodes: [] },
    });
  });

  it.each(['CANCELLED', 'CANCELED', 'cancelled', 1])('knows the status %s', (code) => {
    const config = parse(entryOf({ retryPolicy: { ...RETRY, retryableStatusCodes: [code, 1] } }));
    expect(config.policyOf('a', 'b').retry?.codes).toEqual([Code.canceled]);
  });

  const methodAt = 'methodConfig[0]';
  const retryAt = `${methodAt}.retryPolicy`;
  const withRetry = (changes: object) => entryOf({ retryPolicy: { ...RETRY, ...changes } });
  const hedgeAt = `${methodAt}.hedgingPolicy`;
  const withHedge = (changes: object) => entryOf({ hedgingPolicy: { ...HEDGE, ...changes } });

  it.each<[unknown, string, RegExp]>([
    [[], '', /must be an object, not \[\]/],
    [null, '', /must be an object/],
    ['text', '', /must be an object, not "text"/],
    [{ methodConfig: {} }, 'methodConfig', /must be a list, not \{\}/],
    [{ methodConfig: [7] }, methodAt, /must be an object, not 7/],
    [{ methodConfig: [{ name: {} }] }, `${methodAt}.name`, /must be a list/],
    [{ methodConfig: [{ name: ['a.A'] }] }, `${methodAt}.name[0]`, /must be an object, not "a.A"/],
    [{ methodConfig: [{ name: [{ service: 1 }] }] }, `${methodAt}.name[0].service`, /must be a text, not 1/],
    [{ methodConfig: [{ name: [{ method: 'Get' }] }] }, `${methodAt}.name[0]`, /"Get" of no service/],
    [{ methodConfig: [{ name: [{ service: 'a.A/Get' }] }] }, `${methodAt}.name[0]`, /a "\/" in it/],
    [
      {
        methodConfig: [{ name: [{ service: 'a.A' }] }, { name: [{ service: 'b.B' }, { service: 'a.A', method: '' }] }],
      },
      'methodConfig[1].name[1]',
      /the same as methodConfig\[0\]\.name\[0\]/,
    ],
    [{ methodConfig: [{ name: [{}, {}] }] }, `${methodAt}.name[1]`, /the same as methodConfig\[0\]\.name\[0\]/],
    [entryOf({ retryPolicy: RETRY, hedgingPolicy: HEDGE }), methodAt, /not both/],
    [entryOf({ timeout: '1.5' }), `${methodAt}.timeout`, /a duration such as "1.5s", not "1.5"/],
    [entryOf({ timeout: 1.5 }), `${methodAt}.timeout`, /a duration such as "1.5s", not 1.5/],
    [entryOf({ timeout: 's' }), `${methodAt}.timeout`, /a duration/],
    [entryOf({ timeout: '.s' }), `${methodAt}.timeout`, /a duration/],
    [entryOf({ timeout: '1.0000000001s' }), `${methodAt}.timeout`, /a duration/],
    [entryOf({ timeout: '0s' }), `${methodAt}.timeout`, /greater than 0/],
    [entryOf({ timeout: '-1s' }), `${methodAt}.timeout`, /greater than 0, not "-1s"/],
    [entryOf({ waitForReady: 'yes' }), `${methodAt}.waitForReady`, /true or false, not "yes"/],
    [entryOf({ maxRequestMessageBytes: -1 }), `${methodAt}.maxRequestMessageBytes`, /0 or more, not -1/],
    [entryOf({ maxResponseMessageBytes: 1.5 }), `${methodAt}.maxResponseMessageBytes`, /a whole number, not 1.5/],
    [entryOf({ maxResponseMessageBytes: 2 ** 32 }), `${methodAt}.maxResponseMessageBytes`, /4294967295 or less/],
    [entryOf({ retryPolicy: 'often' }), retryAt, /must be an object/],
    [withRetry({ maxAttempts: undefined }), `${retryAt}.maxAttempts`, /is missing/],
    [withRetry({ maxAttempts: 1 }), `${retryAt}.maxAttempts`, /2 or more, not 1/],
    [withRetry({ maxAttempts: 2.5 }), `${retryAt}.maxAttempts`, /whole number, not 2.5/],
    [withRetry({ initialBackoff: undefined }), `${retryAt}.initialBackoff`, /is missing/],
    [withRetry({ initialBackoff: '0s' }), `${retryAt}.initialBackoff`, /greater than 0/],
    [withRetry({ maxBackoff: null }), `${retryAt}.maxBackoff`, /is missing/],
    [withRetry({ maxBackoff: '-1s' }), `${retryAt}.maxBackoff`, /greater than 0/],
    [withRetry({ backoffMultiplier: undefined }), `${retryAt}.backoffMultiplier`, /is missing/],
    [withRetry({ backoffMultiplier: 0 }), `${retryAt}.backoffMultiplier`, /greater than 0/],
    [withRetry({ backoffMultiplier: '2' }), `${retryAt}.backoffMultiplier`, /a number, not "2"/],
    [withRetry({ retryableStatusCodes: undefined }), `${retryAt}.retryableStatusCodes`, /is missing/],
    [withRetry({ retryableStatusCodes: [] }), `${retryAt}.retryableStatusCodes`, /one status at least/],
    [withRetry({ retryableStatusCodes: 'UNAVAILABLE' }), `${retryAt}.retryableStatusCodes`, /must be a list/],
    [withRetry({ retryableStatusCodes: [14, 'GONE'] }), `${retryAt}.retryableStatusCodes[1]`, /not "GONE"/],
    [withRetry({ retryableStatusCodes: [14, 17] }), `${retryAt}.retryableStatusCodes[1]`, /not 17/],
    [withRetry({ retryableStatusCodes: [14, 'OK'] }), `${retryAt}.retryableStatusCodes[1]`, /OK is no failure/],
    [withRetry({ perAttemptRecvTimeout: '0s' }), `${retryAt}.perAttemptRecvTimeout`, /greater than 0/],
    [withHedge({ maxAttempts: undefined }), `${hedgeAt}.maxAttempts`, /is missing/],
    [withHedge({ maxAttempts: 1 }), `${hedgeAt}.maxAttempts`, /2 or more/],
    [withHedge({ hedgingDelay: '-1s' }), `${hedgeAt}.hedgingDelay`, /0 or more/],
    [withHedge({ nonFatalStatusCodes: ['X'] }), `${hedgeAt}.nonFatalStatusCodes[0]`, /not "X"/],
    [{ retryThrottling: { tokenRatio: 0.1 } }, 'retryThrottling.maxTokens', /is missing/],
    [{ retryThrottling: { maxTokens: 0, tokenRatio: 0.1 } }, 'retryThrottling.maxTokens', /greater than 0/],
    [{ retryThrottling: { maxTokens: 1001, tokenRatio: 0.1 } }, 'retryThrottling.maxTokens', /1000 or less/],
    [{ retryThrottling: { maxTokens: 10 } }, 'retryThrottling.tokenRatio', /is missing/],
    [{ retryThrottling: { maxTokens: 10, tokenRatio: -1 } }, 'retryThrottling.tokenRatio', /greater than 0/],
    [{ retryThrottling: { maxTokens: 10, tokenRatio: 0.0001 } }, 'retryThrottling.tokenRatio', /0.001 or more/],
    [{ loadBalancingPolicy: 7 }, 'loadBalancingPolicy', /must be a text/],
    [{ loadBalancingConfig: [{ a: {}, b: {} }] }, 'loadBalancingConfig[0]', /the name of one policy/],
    [{ loadBalancingConfig: [{}] }, 'loadBalancingConfig[0]', /the name of one policy/],
    [{ loadBalancingConfig: [null] }, 'loadBalancingConfig[0]', /is missing/],
    [{ healthCheckConfig: { serviceName: 1 } }, 'healthCheckConfig.serviceName', /must be a text/],
  ])('refuses %j', (config, path, message) => {
    const parsed = parse(config);
    expect(parsed.problems).toEqual([{ path, message: expect.stringMatching(message) as string }]);
    // gRPC takes nothing of a config that is wrong somewhere.
    expect([parsed.policyOf('a.A', 'Get'), parsed.throttle, parsed.loadBalancing]).toEqual([{}, undefined, []]);
  });

  it('says all that is wrong, not only the first', () => {
    const { problems } = parse({ ...withRetry({ maxAttempts: 0, maxBackoff: 'x' }), loadBalancingConfig: 7 });
    expect(problems.map(({ path }) => path)).toEqual([
      `${retryAt}.maxAttempts`,
      `${retryAt}.maxBackoff`,
      'loadBalancingConfig',
    ]);
  });

  it('says where a text is no JSON', () => {
    expect(parseServiceConfig('{"a":').problems).toEqual([
      { path: '', message: expect.stringMatching(/^is no JSON: /) as string },
    ]);
  });

  it('is not misled by names that every object has', () => {
    const config = parseServiceConfig(
      '{"__proto__": {"methodConfig": 7}, "methodConfig": [{"name": [{"service": "constructor"}]}]}',
    );
    expect([config.problems, config.policyOf('toString', '__proto__')]).toEqual([[], {}]);
  });

  it('never throws, and gives what the layers take', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof({ depthSize: 'small' }, fc.jsonValue(), tie('config')),
      config: fc.record(
        Object.fromEntries(
          ['methodConfig', 'retryThrottling', 'loadBalancingConfig', 'name', 'retryPolicy', 'hedgingPolicy', 'timeout']
            .concat(['maxAttempts', 'maxTokens', 'tokenRatio', 'retryableStatusCodes'])
            .map((name) => [
              name,
              fc.oneof(tie('any'), fc.array(tie('any'), { maxLength: 2 }), fc.double(), fc.string()),
            ]),
        ),
        { requiredKeys: [] },
      ),
    }));
    fc.assert(
      fc.property(value.config, fc.string(), fc.string(), (config, service, method) => {
        const parsed = parseServiceConfig(JSON.stringify(config));
        if (parsed.throttle !== undefined) createRetryThrottle(parsed.throttle);
        const { retry, hedge } = parsed.policyOf(service, method);
        expect(retry === undefined || hedge === undefined).toBe(true);
        for (const { path, message } of parsed.problems)
          expect([typeof path, message.length > 0]).toEqual(['string', true]);
      }),
      fuzzing(200),
    );
  });
});
