import { compose, systemClock } from '@bascule/core';
import { createHead, describeServiceContract } from '@bascule/testing';
import { createOperatorGuard } from '../../src/admin/operator-guard.ts';
import { createTokenGate } from '../../src/admin/token-gate.ts';

const TOKEN = 'a-token-of-the-test';

describeServiceContract(
  'the guard and the token gate of the operator',
  (callee) => ({
    service: compose([createOperatorGuard({ ports: () => [7000] }), createTokenGate(TOKEN, systemClock)], callee),
  }),
  {
    createHead(overrides) {
      const head = createHead({ ...overrides, authority: '127.0.0.1:7000' });
      return { ...head, fields: [...head.fields, 'authorization', `Bearer ${TOKEN}`] };
    },
    except: { cancel: 'replies go past them: the listener drops what comes late' },
  },
);
