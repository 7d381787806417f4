import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponse_ServingStatusSchema,
} from '@bascule/schema/gen/grpc/health/v1/health_pb.ts';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import type { ClosableTransport } from '../spec.ts';
import { UnimplementedProbe, type Probes } from './health-checks.ts';

/**
 * `grpc.health.v1` Check. A name that the server does not know (NOT_FOUND) is a failure: what is asked for is not
 * there. Source: grpc/doc/health-checking.md.
 */
export async function askHealth(
  transport: ClosableTransport,
  { service }: Parameters<Probes['grpc']>[1],
  signal: AbortSignal,
): Promise<void> {
  await using(transport, signal, async () => {
    const { status } = await createClient(Health, transport).check({ service }, { signal });
    const why = whyNotServing(status);
    if (why !== undefined) throw new Error(why);
  });
}

/** `grpc.health.v1` Watch, in which a name that the server does not know is the status SERVICE_UNKNOWN. Source: gRFC A17. */
export async function watchHealth(
  transport: ClosableTransport,
  probe: Parameters<Probes['watchGrpc']>[1],
  signal: AbortSignal,
): Promise<void> {
  const { service } = probe;
  await using(transport, signal, async () => {
    for await (const { status } of createClient(Health, transport).watch({ service }, { signal })) {
      probe.onStatus(whyNotServing(status));
    }
    throw new Error('the endpoint ended its health watch');
  });
}

async function using(transport: ClosableTransport, signal: AbortSignal, ask: () => Promise<void>): Promise<void> {
  try {
    await ask();
  } catch (error) {
    signal.throwIfAborted();
    throw toFailure(error);
  } finally {
    // Nobody waits for it: an endpoint that hangs would hold up the answer that it hangs.
    transport.close().catch(() => undefined);
  }
}

function toFailure(error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error;
  if (error.code === Code.Unimplemented) return new UnimplementedProbe('it has no grpc.health.v1', { cause: error });
  const why = error.code === Code.NotFound ? 'its grpc.health.v1 does not know the service' : error.rawMessage;
  return new Error(why, { cause: error });
}

function whyNotServing(status: Status): string | undefined {
  if (status === Status.SERVING) return undefined;
  return `it says ${HealthCheckResponse_ServingStatusSchema.value[status]?.name ?? String(status)}`;
}
