import { compose, type Clock, type Layer, type Service } from '@bascule/core';
import {
  createDeadlineLayer,
  createExplainLayer,
  createExposeLayer,
  createMessageLimitLayer,
  createObserveLayer,
  createOutcomeLayer,
  createTimeoutFieldLayer,
  createUploadLayer,
  type Observer,
  unaryUploadFloor,
} from '@bascule/layers';
import { createDialectLayer } from '@bascule/wire';
import type { Policies } from '../snapshot.ts';
import { createExplainGuard } from './explain-guard.ts';
import { createRouteLayer, type RouteTable } from './route.ts';
import type { Treatment } from './treatment.ts';

export interface StackOptions {
  readonly clock: Clock;
  readonly policies: Policies;
  readonly observer: Observer;
  readonly treatment: Treatment;
  /** Finds out who calls; undefined where no tokens are read. */
  readonly identify: Layer | undefined;
  /** The table of the snapshot in use. */
  table(): RouteTable;
  /** What is not RPC: files, or not found. */
  readonly other: Service;
  /** Lends an endpoint and runs the call on it. */
  readonly pick: Service;
}

/** Answers up to the default limit are kept, however low the limit of requests is. */
const MIN_ANSWER_BYTES = 4_194_304;

/** What every call passes, outermost first. */
export function createStack(options: StackOptions): Service {
  const { clock, policies, treatment } = options;
  const table = (): RouteTable => options.table();
  return compose(
    [
      // Outermost, so that what the dialect refuses is counted and logged as well.
      createObserveLayer({ clock, observer: options.observer }),
      // Behind it there is one dialect only.
      createDialectLayer({
        clock,
        other: options.other,
        maxMessageBytes: policies.maxMessageBytes,
        // A limit on what callers send says nothing of what they may get.
        maxAnswerBytes: Math.max(policies.maxMessageBytes, MIN_ANSWER_BYTES),
        cors: policies.cors,
        allowGet: (path) => {
          const route = table().find(path);
          // What nobody serves is let through as well, to be refused as unknown: the method is not what is wrong with it.
          return route === undefined || (route.known === 'method' && route.facts.idempotency === 'no_side_effects');
        },
      }),
      createOutcomeLayer(),
      ...(policies.exposeEndpoint ? [createExposeLayer()] : []),
      createExplainLayer({ clock, allowed: createExplainGuard(policies) }),
      // From here on cluster and method are known.
      createRouteLayer(table),
      ...(options.identify === undefined ? [] : [options.identify]),
      treatment.fault,
      treatment.firstMessage,
      treatment.rateLimit,
      treatment.affinity,
      // Outside of retries: the deadline spans all attempts.
      createDeadlineLayer({ clock, defaults: policies }),
      createMessageLimitLayer(),
      treatment.cache,
      treatment.admit,
      treatment.admission,
      treatment.concurrency,
      createUploadLayer({ clock, floorOf: unaryUploadFloor }),
      treatment.mirror,
      treatment.retry,
      // Inside of retries: each attempt counts.
      treatment.breaker,
      // Inside of retries: each attempt tells the time that is left.
      createTimeoutFieldLayer({ clock }),
    ],
    options.pick,
  );
}
