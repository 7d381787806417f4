import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { TEST_TLS } from '@bascule/testing/tls';
import { startStub } from '../stub-server.ts';

/** An API server that does what it is told, wrong things too. */
export interface ApiStub {
  /** Host and port, as its certificate says it. */
  readonly address: string;
  /** What the next and all later lists are answered with. */
  list(answer: Answer): void;
  /** What the next and all later watches are answered with. Default: they stay open to their time. */
  watch(answer: Answer): void;
  /** Writes a line to all watches that are open. */
  tell(type: string, object: object): void;
  tellRaw(line: string): void;
  /** Ends all watches that are open. */
  endWatches(): void;
  readonly lists: number;
  /** The versions from which watches were asked for. */
  readonly watchedFrom: string[];
  readonly openWatches: number;
  /** Of all requests. */
  readonly headers: IncomingHttpHeaders[];
  close(): Promise<void>;
}

export type Answer = (response: ServerResponse, query: URLSearchParams) => void;

export async function startApiStub(): Promise<ApiStub> {
  const watches = new Set<ServerResponse>();
  const watchedFrom: string[] = [];
  const headers: IncomingHttpHeaders[] = [];
  let lists = 0;
  let list: Answer = answerList('1', []);
  let watch: Answer = (response) => response.writeHead(200).flushHeaders();
  const server = await startStub(
    (request, response) => {
      headers.push(request.headers);
      const query = new URL(request.url ?? '', 'https://localhost').searchParams;
      if (!query.has('watch')) {
        lists++;
        return list(response, query);
      }
      watchedFrom.push(query.get('resourceVersion') ?? '');
      watches.add(response);
      // As the real one ends them.
      const end = setTimeout(() => response.end(), 1000 * Number(query.get('timeoutSeconds')));
      response.on('close', () => {
        clearTimeout(end);
        watches.delete(response);
      });
      watch(response, query);
    },
    { tls: TEST_TLS },
  );
  const tellRaw = (line: string): void => {
    for (const response of watches) response.write(`${line}\n`);
  };
  return {
    address: `localhost:${server.port}`,
    list: (answer) => void (list = answer),
    watch: (answer) => void (watch = answer),
    tell: (type, object) => tellRaw(JSON.stringify({ type, object })),
    tellRaw,
    endWatches() {
      for (const response of watches) response.end();
    },
    get lists() {
      return lists;
    },
    watchedFrom,
    headers,
    get openWatches() {
      return watches.size;
    },
    close: () => server.close(),
  };
}

/** A list at a version. */
export function answerList(resourceVersion: string, items: readonly object[]): Answer {
  return (response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ kind: 'EndpointSliceList', metadata: { resourceVersion }, items }));
  };
}

/** A refusal in Kubernetes' words. */
export function answerStatus(code: number, message: string, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ kind: 'Status', status: 'Failure', message, code }));
  };
}

/** A slice of pods that are told by name. Its uid is its name, unless said otherwise. */
export function sliceOf(name: string, pods: readonly string[], { uid = name, version = '1' } = {}): object {
  return {
    metadata: { name, uid, resourceVersion: version, labels: { 'kubernetes.io/service-name': 'places' } },
    addressType: 'IPv4',
    ports: [{ name: 'grpc', port: 50_051 }],
    endpoints: pods.map((pod) => ({ addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', name: pod } })),
  };
}
