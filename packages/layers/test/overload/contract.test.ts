import { compose, createCallContext, systemClock, type CallPolicy, type Layer, type RequestHead } from '@bascule/core';
import { createHead, describeServiceContract, type ContractOptions } from '@bascule/testing';
import { createOutcomeLayer } from '../../src/outcome.ts';
import { createAdmitLayer } from '../../src/admit.ts';
import { createAdmissionLayer } from '../../src/overload/admission.ts';
import { createBreakerLayer } from '../../src/overload/breaker.ts';
import { createConcurrencyLayer } from '../../src/overload/concurrency.ts';
import { createLocalLimits } from '../../src/rate-limit/local.ts';
import { createRateLimitLayer } from '../../src/rate-limit/rate-limit.ts';
import type { LimitStore } from '../../src/rate-limit/store.ts';

const clock = systemClock;
const local = createLocalLimits({ clock });

/** Answers on a later turn, as one on the network does. */
const later: LimitStore = {
  take: (key, limit, nowMs) =>
    new Promise((resolve) => {
      setImmediate(() => resolve(local.take(key, limit, nowMs)));
    }),
  giveBack: (key, limit) => local.giveBack(key, limit),
};

const MANY = { perSecond: 1_000_000, burst: 1_000_000 };
const POLICY: CallPolicy = {
  breaker: { name: 'x', errorPercent: 100, minCalls: 1_000_000, windowMs: 1_000, openMs: 1_000, probes: 1 },
  admission: { name: 'x', minPerSecond: 1_000_000 },
  concurrency: { name: 'x', maxQueue: 1_000 },
  rateLimits: [
    { name: 'own', ...MANY },
    { name: 'shared', ...MANY, shared: true },
  ],
};

function options(kind: 'unary' | 'bidi_stream'): ContractOptions {
  return {
    createHead(overrides: Partial<RequestHead>) {
      const call = createCallContext('x', clock.nowMs(), '');
      call.method = { service: 'a.B', method: 'C', kind, idempotency: 'unknown' };
      call.policy = POLICY;
      return createHead({ call, ...overrides });
    },
  };
}

const LAYERS: Record<string, Layer> = {
  'rate limit': createRateLimitLayer({ clock, local }),
  'rate limit with a store elsewhere': createRateLimitLayer({ clock, local, shared: later }),
  admit: createAdmitLayer({ limitsOf: () => ({ maxCalls: 100, maxStreams: 100, maxPending: 100 }) }),
  admission: createAdmissionLayer({ clock }),
  concurrency: createConcurrencyLayer({ clock }),
  breaker: createBreakerLayer({ clock }),
};

for (const kind of ['unary', 'bidi_stream'] as const) {
  for (const [name, layer] of Object.entries(LAYERS)) {
    // Those through which replies go past need a layer before them that drops what comes after the end.
    const passes = name === 'rate limit' || (kind === 'bidi_stream' && layer === LAYERS['concurrency']);
    const layers = passes ? [createOutcomeLayer(), layer] : [layer];
    describeServiceContract(`${name}, ${kind}`, (callee) => ({ service: compose(layers, callee) }), options(kind));
  }
}

describeServiceContract(
  'all that guards against overload',
  (callee) => ({ service: compose(Object.values(LAYERS), callee) }),
  options('unary'),
);
