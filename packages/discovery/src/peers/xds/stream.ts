import type { Clock } from '@bascule/core';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import {
  AggregatedDiscoveryService,
  DiscoveryRequestSchema,
  StatusSchema,
  type DiscoveryRequest,
  type DiscoveryResponse,
} from '@bascule/schema/gen/peers/envoy/discovery_pb.ts';
import { EndpointDiscoveryService } from '@bascule/schema/gen/peers/envoy/eds_pb.ts';
import type { ClosableTransport } from '../../spec.ts';
import { createRequests } from './requests.ts';
import { ASSIGNMENT_TYPE } from './resources.ts';
import type { XdsTarget } from './target.ts';

export interface StreamOptions {
  readonly transport: ClosableTransport;
  readonly target: XdsTarget;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Takes an answer. Returns why it is refused, or undefined. */
  onResponse(response: DiscoveryResponse): string | undefined;
  /** How long the stream may last from now on. Asked after each answer; the shortest counts. */
  lifeMs(): number;
}

/** As Envoy waits for the first answer (`initial_fetch_timeout`). */
const ANSWER_LIMIT_MS = 15_000;
const MAX_WORDS = 1_000;

/**
 * One stream of the state of the world: subscribes, and accepts or refuses each answer. Returns when it has lived its
 * life, or when `signal` aborts; throws, with words, when it is lost. Source: "xDS REST and gRPC protocol" of Envoy.
 */
export async function runStream(options: StreamOptions): Promise<void> {
  const { transport, target, clock, signal } = options;
  const requests = createRequests<DiscoveryRequest>();
  const call = new AbortController();
  const end = (): void => call.abort();
  const silent = new Error(
    `the management server has not answered for ${ANSWER_LIMIT_MS} ms: does it know ${target.clusters.join(', ')}, ` +
      `and node "${target.node.id}"?`,
  );
  let timer = clock.after(ANSWER_LIMIT_MS, () => call.abort(silent));
  let endMs = Infinity;
  let accepted = '';
  const send = (answer: Partial<Pick<DiscoveryRequest, 'responseNonce' | 'errorDetail'>>): void =>
    requests.push(
      create(DiscoveryRequestSchema, {
        versionInfo: accepted,
        node: { ...target.node, userAgentName: 'bascule' },
        resourceNames: [...target.clusters],
        typeUrl: ASSIGNMENT_TYPE,
        ...answer,
      }),
    );

  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  try {
    // Without a version, so that the server answers even if nothing has changed.
    send({});
    for await (const response of open(target, transport)(requests, { signal: call.signal })) {
      if (signal.aborted) return;
      if (response.typeUrl !== ASSIGNMENT_TYPE) continue;
      const refusal = options.onResponse(response);
      if (refusal === undefined) accepted = response.versionInfo;
      const errorDetail = { code: Code.InvalidArgument, message: refusal?.slice(0, MAX_WORDS) ?? '' };
      send({
        responseNonce: response.nonce,
        ...(refusal !== undefined && { errorDetail: create(StatusSchema, errorDetail) }),
      });
      timer.cancel();
      endMs = Math.min(endMs, clock.nowMs() + options.lifeMs());
      timer = clock.after(endMs - clock.nowMs(), end);
    }
    throw new Error('the management server ended the stream');
  } catch (error) {
    if (signal.aborted) return;
    if (!call.signal.aborted) throw new Error(ConnectError.from(error).message, { cause: error });
    if (call.signal.reason === silent) throw silent;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', end);
    requests.end();
    end();
  }
}

function open({ isAggregated }: XdsTarget, transport: ClosableTransport) {
  if (!isAggregated) return createClient(EndpointDiscoveryService, transport).streamEndpoints;
  return createClient(AggregatedDiscoveryService, transport).streamAggregatedResources;
}
