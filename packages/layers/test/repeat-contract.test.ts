import { createCallContext, systemClock, type CallPolicy, type MethodKind, type RequestHead } from '@bascule/core';
import { createHead, describeServiceContract, grantingLater } from '@bascule/testing';
import { createRetryLayer } from '../src/index.ts';

const clock = systemClock;
const layer = createRetryLayer({ clock, budgetOf: () => ({ deposit() {}, tryWithdraw: () => true }) });

function headsOf(policy: CallPolicy, kind: MethodKind): (overrides: Partial<RequestHead>) => RequestHead {
  return (overrides) => {
    const call = createCallContext('x', clock.nowMs(), '');
    call.method = { service: 'a.B', method: 'C', kind, idempotency: 'no_side_effects' };
    call.policy = policy;
    return createHead({ call, ...overrides });
  };
}

const MODES: Record<string, CallPolicy> = {
  retry: {},
  'retry with a bound for each attempt': { retry: { maxAttempts: 5, perAttemptTimeoutMs: 60_000 } },
  // The suite counts what its callee sees of a call, so the second attempt must not come.
  hedge: { hedge: { maxAttempts: 2, delayMs: 60_000 } },
  'hedge by percentile': { hedge: { maxAttempts: 2, percentile: 0.9, maxExtraPercent: 0 } },
};

for (const [name, policy] of Object.entries(MODES)) {
  for (const kind of ['unary', 'bidi_stream'] as const) {
    describeServiceContract(`${name}, ${kind}`, (callee) => ({ service: layer(grantingLater(callee)) }), {
      createHead: headsOf(policy, kind),
      ...(kind === 'unary' && {
        except: {
          cancel: 'the suite cancels on the head, which such a call gets with its end; the walk cancels at any time',
          streaming: 'the answer of a unary call waits for its status',
          'fail-after-head': 'so a failure after its head is one without',
        },
      }),
    });
  }
}
