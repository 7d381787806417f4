import {
  compose,
  createCallContext,
  createVirtualClock,
  systemClock,
  type CallContext,
  type Layer,
  type RequestHead,
} from '@bascule/core';
import { createHead, describeServiceContract, grantingLater } from '@bascule/testing';
import {
  createAdmitLayer,
  createDeadlineLayer,
  createExposeLayer,
  createMetrics,
  createObserveLayer,
  createOutcomeLayer,
  createRetryBudget,
  createRetryLayer,
  createTimeoutFieldLayer,
  createUploadLayer,
} from '../src/index.ts';

const clock = systemClock;
const budget = createRetryBudget({ clock, percent: 20, reservePerSecond: 10, windowMs: 10_000 });
const retry = createRetryLayer({ clock, budgetOf: () => budget });
const deadline = createDeadlineLayer({ clock, defaults: { defaultTimeoutMs: 60_000, maxTimeoutMs: 0 } });

const LAYERS: Record<string, Layer> = {
  observe: createObserveLayer({ clock: createVirtualClock(), observer: createMetrics() }),
  outcome: createOutcomeLayer(),
  deadline,
  upload: createUploadLayer({ clock, floorOf: () => ({ graceMs: 60_000, minBytesPerSecond: 240 }) }),
  retry,
  'timeout field': createTimeoutFieldLayer({ clock }),
  admit: createAdmitLayer({ limitsOf: () => ({ maxCalls: 100, maxPending: 100 }) }),
  expose: createExposeLayer(),
};

const { 'timeout field': timeoutField, ...others } = LAYERS;
const all = [...Object.values(others), timeoutField as Layer];

/** Calls of methods that nobody knows have a deadline only if they ask for one. */
function createTimedHead(overrides: Partial<RequestHead>, changes: Partial<CallContext> = {}): RequestHead {
  const call = createCallContext('x', clock.nowMs(), '');
  return createHead({ call: Object.assign(call, { deadlineMs: clock.nowMs() + 60_000 }, changes), ...overrides });
}

for (const [name, layer] of Object.entries(others)) {
  describeServiceContract(name, (callee) => ({ service: layer(grantingLater(callee)) }), {
    createHead: createTimedHead,
  });
}
// Replies go past it, so another layer must drop what comes after the end.
describeServiceContract('timeout field', (callee) => ({
  service: compose([createOutcomeLayer(), timeoutField as Layer], grantingLater(callee)),
}));

describeServiceContract('all layers', (callee) => ({ service: compose(all, grantingLater(callee)) }));

describeServiceContract(
  'all layers around a method that may be repeated',
  (callee) => ({ service: compose(all, grantingLater(callee)) }),
  {
    createHead: (overrides) =>
      createTimedHead(overrides, {
        method: { service: 'a.B', method: 'C', kind: 'bidi_stream', idempotency: 'no_side_effects' },
      }),
  },
);
