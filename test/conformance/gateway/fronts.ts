import { create } from '@bufbuild/protobuf';
import { CALLERS, type Caller } from '../callers.ts';
import type { LoadedStubs } from '../load-stubs.ts';
import { HttpVersion, type ClientCompatRequest } from '../messages.ts';
import { UPSTREAMS, type Upstream } from '../upstreams.ts';
import { startFront, type Front, type FrontOptions } from './front.ts';

/** A gateway for each server that cases are for. */
export interface Fronts {
  /** The gateway in front of the server that a case is for. */
  of(request: ClientCompatRequest): Promise<Front>;
  close(): Promise<void>;
}

/** Starts gateways as cases need them; `more` says what else a gateway is to have. */
export function createFronts(
  stubs: LoadedStubs,
  more: (request: ClientCompatRequest) => Pick<FrontOptions, 'tls' | 'pageFolder'> = () => ({}),
): Fronts {
  const fronts = new Map<string, Promise<Front>>();
  return {
    of(request) {
      const { host, port, serverTlsCert: ca, clientTlsCreds: credentials } = request;
      const tls = ca.length > 0 ? { ca, credentials } : undefined;
      const upstream = upstreamOf(request);
      const key = `${upstream} ${host}:${port}`;
      const front =
        fronts.get(key) ??
        startFront(stubs, {
          backend: { host, port, upstream, tls },
          codecs: ['proto', 'json'],
          maxMessageBytes: 0,
          ...more(request),
        });
      fronts.set(key, front);
      return front;
    },
    async close() {
      for (const front of fronts.values()) await (await front).close();
    },
  };
}

function upstreamOf({ protocol, httpVersion }: ClientCompatRequest): Upstream {
  for (const [name, upstream] of Object.entries(UPSTREAMS)) {
    if (upstream.protocol === protocol && upstream.httpVersion === httpVersion) return name as Upstream;
  }
  throw new Error(`no upstream for protocol ${protocol} over HTTP version ${httpVersion}`);
}

/**
 * The same case through a gateway, in the clear: TLS is the gateway's matter. What the server is told to expect is what
 * the gateway makes of it.
 */
export function redirect(
  stubs: LoadedStubs,
  request: ClientCompatRequest,
  { caller, port }: { caller: Caller; port: number },
): ClientCompatRequest {
  const { protocol } = CALLERS[caller];
  const translated = protocol !== request.protocol;
  const { clientTlsCreds: _, ...rest } = request;
  return create(stubs.message('ClientCompatRequest'), {
    ...rest,
    serverTlsCert: new Uint8Array(),
    host: '127.0.0.1',
    port,
    ...(translated ? { protocol, httpVersion: HttpVersion.two, useGetHttpMethod: false } : {}),
    // A call's HTTP method ends at the gateway: behind it all is POST.
    requestHeaders: request.requestHeaders.map((header) =>
      header.name.toLowerCase() === 'x-expect-http-method' ? { ...header, value: ['POST'] } : header,
    ),
  });
}
