import { compose, createCallContext, createVirtualClock, systemClock, type Layer, type Service } from '@bascule/core';
import { createHead, describeServiceContract } from '@bascule/testing';
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

/** The suite's caller takes no grant inside its own `write`; the walk over retry has callers that do. */
function grantingLater(callee: Service): Service {
  return (head, reply) =>
    callee(head, {
      head: (h) => reply.head(h),
      write: (bytes) => reply.write(bytes),
      end: (trailers) => reply.end(trailers),
      fail: (error) => reply.fail(error),
      grant: (bytes) => queueMicrotask(() => reply.grant(bytes)),
    });
}

const clock = systemClock;
const budget = createRetryBudget({ clock, percent: 20, reservePerSecond: 10, windowMs: 10_000 });
const retry = createRetryLayer({
  clock,
  budget,
  policyOf: () => ({ maxAttempts: 3, maxBufferBytes: 262_144, holdHeadMs: 5 }),
});
const deadline = createDeadlineLayer({ clock, timeoutsOf: () => ({ defaultMs: 60_000, maxMs: undefined }) });

const LAYERS: Record<string, Layer> = {
  observe: createObserveLayer({ clock: createVirtualClock(), observer: createMetrics() }),
  outcome: createOutcomeLayer(),
  deadline,
  upload: createUploadLayer({ clock, floorOf: () => ({ graceMs: 60_000, minBytesPerSecond: 240 }) }),
  retry,
  'timeout field': createTimeoutFieldLayer({ clock }),
  admit: createAdmitLayer({ maxOpenOf: () => 100 }),
  expose: createExposeLayer(),
};

const { 'timeout field': timeoutField, ...others } = LAYERS;
const all = [...Object.values(others), timeoutField as Layer];

for (const [name, layer] of Object.entries(others)) {
  describeServiceContract(name, (callee) => ({ service: layer(grantingLater(callee)) }));
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
    createHead(overrides) {
      const call = createCallContext('x', clock.nowMs(), '');
      call.method = { service: 'a.B', method: 'C', kind: 'bidi_stream', idempotency: 'no_side_effects' };
      return createHead({ call, ...overrides });
    },
  },
);
