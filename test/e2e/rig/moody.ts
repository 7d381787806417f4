import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { systemClock } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { Health, HealthCheckResponse_ServingStatus as Status } from '@bascule/schema/gen/grpc/health/v1/health_pb.ts';
import { OpenRcaService } from '@bascule/schema/gen/peers/xds/open_rca_pb.ts';
import { OrcaLoadReportSchema } from '@bascule/schema/gen/peers/xds/orca_pb.ts';
import { listen } from '@bascule/wire';
import { freePort } from '../../support/src/servers/ports.ts';
import { EchoService } from './echo-schema.ts';

/** A backend of EchoService that says of itself what a test wants: how it is, and how loaded. */
export interface Moody extends AsyncDisposable {
  readonly name: string;
  /** "host:port". */
  readonly address: string;
  /** Descriptors of what it serves. */
  readonly schema: Uint8Array;
  /** Calls of Say that it has answered. */
  calls: number;
  /** What the last call of Say came with. */
  headers: Headers | undefined;
  /** Answers of Say are `unavailable`. */
  fails: boolean;
  /** Answers of its health service. */
  serves: boolean;
  /** Told in the trailers of answers, and once to who asks for it; undefined says nothing. */
  load: number | undefined;
  /** Who has asked for it. */
  asked: number;
  /** Tells watches of health about a change of `serves`. */
  tell(): void;
  /** Ends it at once, with its calls. */
  kill(): Promise<void>;
}

/** Starts one; it answers with its name. `port` is that of one that was killed. */
export async function startMoody(name: string, port?: number): Promise<Moody> {
  const listeners = new Set<() => void>();
  const statusOf = () => ({ status: moody.serves ? Status.SERVING : Status.NOT_SERVING });
  const kit = createKit({
    routes(router) {
      router.service(EchoService, {
        say(_request, context) {
          moody.calls++;
          moody.headers = context.requestHeader;
          if (moody.load !== undefined) context.responseTrailer.set('endpoint-load-metrics-bin', reportOf(moody.load));
          if (moody.fails) throw new ConnectError('not today', Code.Unavailable);
          return { value: name };
        },
        async *count(_request, { signal }) {
          yield { value: name };
          if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        },
      });
      router.service(OpenRcaService, {
        async *streamCoreMetrics(_request, { signal }) {
          moody.asked++;
          yield { applicationUtilization: moody.load ?? 0, rpsFractional: 100 };
          if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        },
      });
      router.service(Health, {
        check: statusOf,
        async *watch(_request, { signal }) {
          while (!signal.aborted) {
            yield statusOf();
            await new Promise<void>((resolve) => {
              listeners.add(resolve);
              signal.addEventListener('abort', () => resolve());
            });
          }
        },
      });
    },
  });
  // One that nobody else is handed while it is away.
  const listener = await listen({
    host: '127.0.0.1',
    port: port ?? (await freePort()),
    service: kit.service,
    clock: systemClock,
  });
  const moody: Moody = {
    name,
    address: `127.0.0.1:${listener.port}`,
    schema: kit.schema,
    calls: 0,
    headers: undefined,
    fails: false,
    serves: true,
    load: undefined,
    asked: 0,
    tell() {
      for (const listener of listeners) listener();
      listeners.clear();
    },
    kill: () => listener.close(0),
    [Symbol.asyncDispose]: () => listener.close(0),
  };
  return moody;
}

function reportOf(applicationUtilization: number): string {
  const report = create(OrcaLoadReportSchema, { applicationUtilization });
  return Buffer.from(toBinary(OrcaLoadReportSchema, report)).toString('base64').replace(/=+$/, '');
}
