import { Code, compose, createCallContext, systemClock, type CallPolicy, type RequestHead } from '@bascule/core';
import { createHead, describeServiceContract } from '@bascule/testing';
import { createAffinityLayer } from '../src/affinity.ts';
import { createCacheLayer } from '../src/cache/layer.ts';
import { createExplainLayer } from '../src/explain.ts';
import { createFaultLayer } from '../src/fault.ts';
import { createFirstMessageLayer } from '../src/first-message.ts';
import { createMessageLimitLayer } from '../src/message-limit.ts';
import { createMirrorLayer } from '../src/mirror/layer.ts';
import { createOutcomeLayer } from '../src/outcome.ts';
import { createCallee } from './rig.ts';

const clock = systemClock;
const field = { path: 'id', jsonNames: ['id'], numbers: [1], type: 'string' } as const;
const POLICY: CallPolicy = {
  maxRequestBytes: 16_777_216,
  maxResponseBytes: 16_777_216,
  fault: { delay: { percent: 50, ms: 2 }, abort: { percent: 0, code: Code.unavailable } },
  affinity: {
    keys: [
      { from: 'field', field },
      { from: 'cookie', name: 'who', ttlMs: 1_000 },
    ],
    sticky: { cookie: 'at', ttlMs: 1_000, path: '/' },
  },
  cache: { ttlMs: 1_000, maxBytes: 1_000_000 },
  mirror: { cluster: 'shadow', percent: 50, diff: true },
};

const layers = () => [
  createOutcomeLayer(),
  createExplainLayer({ clock, allowed: () => 'no' }),
  createFaultLayer({ clock }),
  createFirstMessageLayer({ maxBytes: 65_536, maxWaitMs: 20 }),
  createAffinityLayer({ clock }),
  createMessageLimitLayer(),
  createCacheLayer({ clock }),
  createMirrorLayer({ clock, service: createCallee().service, onDiff() {} }),
];

const createBusyHead = (overrides: Partial<RequestHead>): RequestHead => {
  const call = createCallContext('x', clock.nowMs(), '');
  call.policy = POLICY;
  return createHead({ call, ...overrides });
};

// The cache lets streams pass; what it does with unary calls has tests of its own.
describeServiceContract('all layers of traffic', (callee) => ({ service: compose(layers(), callee) }), {
  createHead: createBusyHead,
});
describeServiceContract('all layers of traffic, all off', (callee) => ({ service: compose(layers(), callee) }));
