import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBalancer, resolveBalancing } from '@bascule/balancer';
import { createPick } from '@bascule/client';
import { systemClock, type RequestHead, type Service } from '@bascule/core';
import { createLocalLimits, createMetrics } from '@bascule/layers';
import { createHead, describeServiceContract, grantingLater } from '@bascule/testing';
import { afterAll } from 'vitest';
import { createBudgets } from '../../src/data/budgets.ts';
import { createTreatment } from '../../src/data/treatment.ts';
import { notFound } from '../../src/data/not-found.ts';
import { createRouteLayer, createRouteTable } from '../../src/data/route.ts';
import { createStack } from '../../src/data/stack.ts';
import { createStaticFiles } from '../../src/data/static-files.ts';
import { clusterOf, endpointOf } from '../support.ts';

const SERVICE = 'test.v1.TestService';
const METHODS = ['Unary', 'Fields'].map((method) => ({
  service: SERVICE,
  method,
  kind: 'bidi_stream' as const,
  idempotency: 'unknown' as const,
}));
const table = createRouteTable([clusterOf({ service: SERVICE, methods: METHODS })]);

const POLICIES = {
  revision: 1,
  maxMessageBytes: 4 * 1024 * 1024,
  defaultTimeoutMs: 60_000,
  maxTimeoutMs: 60_000,
  retryBudget: { percent: 20, reservePerSecond: 10, windowMs: 10_000 },
  explain: 'off' as const,
  operatorTokenDigest: '',
  identity: undefined,
  sharedLimits: undefined,
  cors: { allowOrigins: [], allowCredentials: false, allowHeaders: [], exposeHeaders: [], maxAgeSeconds: 60 },
  exposeEndpoint: true,
  staticDir: undefined,
  accessLog: 'off',
};

/** The whole way of a call through a data thread, with the callee in the place of a link. */
function createWholeStack(callee: Service): Service {
  const link = {
    service: grantingLater(callee),
    isReady: () => true,
    onReadyChange() {},
    close: () => Promise.resolve(),
    destroy() {},
  };
  const balancer = createBalancer({ balancing: resolveBalancing(), clock: systemClock, connect: () => link });
  balancer.apply([{ type: 'insert', endpoint: endpointOf() }]);
  const pick = createPick({
    clock: systemClock,
    findBalancer: () => balancer,
    connectTimeoutMs: () => 1_000,
    maxPending: () => 100,
  });
  const metrics = createMetrics();
  const localLimits = createLocalLimits({ clock: systemClock });
  const treatment = createTreatment({
    clock: systemClock,
    metrics,
    budgets: createBudgets(systemClock),
    limitsOf: () => ({ maxCalls: 100, maxPending: 100 }),
    localLimits,
    sharedLimits: localLimits,
    pick: pick.service,
  });
  return createStack({
    clock: systemClock,
    policies: POLICIES,
    treatment,
    identify: undefined,
    observer: metrics,
    table: () => table,
    other: notFound,
    pick: pick.service,
  });
}

describeServiceContract('the whole stack', (callee) => ({ service: createWholeStack(callee) }), {
  except: {
    'trailers-only': 'callers get HTTP answers, and these have a head',
    fail: 'failures are said in trailers',
    'fail-after-head': 'failures are said in trailers',
    status: 'an answer that is not 200 becomes a status in trailers',
  },
});

const folder = mkdtempSync(join(tmpdir(), 'bascule-contract-'));
afterAll(() => rmSync(folder, { recursive: true }));
const needsRequest = 'what is asked for by GET has no request body';

describeServiceContract(
  'static files that pass on what they do not have',
  (callee) => ({ service: createStaticFiles(folder, callee) }),
  {
    createHead: (overrides: Partial<RequestHead>) => createHead({ ...overrides, method: 'GET', path: '/not-there' }),
    except: {
      streaming: needsRequest,
      'early-answer': needsRequest,
      cancel: needsRequest,
      'bytes-lent': needsRequest,
      'request-credit': needsRequest,
      'request-fields': needsRequest,
    },
  },
);

describeServiceContract('route', (callee) => ({ service: createRouteLayer(() => table)(callee) }), {
  except: { cancel: 'replies go past it: the layers outside of it drop what comes late' },
});
