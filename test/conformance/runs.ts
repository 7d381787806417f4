import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Protocol } from './messages.ts';
import { UPSTREAMS, type Upstream } from './upstreams.ts';

const HERE = import.meta.dirname;

/** Features of the suite's configuration that a run narrows, over those of its file. */
export type Narrowing = Readonly<Record<string, boolean | readonly string[]>>;

/** One run of the suite. */
export interface Run {
  readonly id: string;
  readonly title: string;
  readonly mode: 'client' | 'server';
  /** File under `config/`. */
  readonly config: string;
  readonly narrow: Narrowing;
  /** The program under test, with Node. */
  readonly program: readonly string[];
  /** Its place in the grid. */
  readonly cell?: { readonly client: string; readonly upstream: Upstream };
}

/** `smoke` is what CI runs, `short` what `npm run conformance` does, `full` is all that is claimed. */
export type Tier = 'smoke' | 'short' | 'full';

export const CLIENTS = {
  connect: { title: 'Connect', protocol: 'PROTOCOL_CONNECT' },
  grpc: { title: 'gRPC', protocol: 'PROTOCOL_GRPC' },
  'grpc-web': { title: 'gRPC-Web', protocol: 'PROTOCOL_GRPC_WEB' },
} as const;

const PLAIN: Narrowing = { supportsTls: false, supportsTlsClientCerts: false };

/** What the tiers leave out of every run; nothing of it hangs on the pair of protocols. */
const NARROW: Readonly<Record<Tier, Narrowing>> = {
  smoke: { ...PLAIN, compressions: ['COMPRESSION_IDENTITY'] },
  short: { ...PLAIN, compressions: ['COMPRESSION_IDENTITY', 'COMPRESSION_GZIP'] },
  full: {},
};

/**
 * Backends of Connect and gRPC-Web compress the frame that says how a call ended as they do messages, and the gateway
 * must read it; Node reads no snappy. gRPC says it in HTTP trailers, so that there snappy passes as well.
 */
const READABLE_COMPRESSIONS = [
  'COMPRESSION_IDENTITY',
  'COMPRESSION_GZIP',
  'COMPRESSION_BR',
  'COMPRESSION_ZSTD',
  'COMPRESSION_DEFLATE',
];

/** Our own transport calls Connect backends (see client-mode.ts), and it speaks neither deflate nor snappy. */
const NODE_COMPRESSIONS = ['COMPRESSION_IDENTITY', 'COMPRESSION_GZIP', 'COMPRESSION_BR', 'COMPRESSION_ZSTD'];

/**
 * Behind HTTP/1.1 no message of an answer may come before the last of the request: Go's servers read no more of a
 * request once they answer. So streams that talk both ways at once cannot be.
 */
const NOT_FULL_DUPLEX: Narrowing = {
  streamTypes: [
    'STREAM_TYPE_UNARY',
    'STREAM_TYPE_CLIENT_STREAM',
    'STREAM_TYPE_SERVER_STREAM',
    'STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM',
  ],
};

/** All runs of a tier, in the order in which they are shown. */
export function listRuns(tier: Tier): Run[] {
  const narrow = NARROW[tier];
  return [
    {
      id: 'kit',
      title: 'server kit',
      mode: 'server',
      config: 'kit.yaml',
      narrow,
      program: [join(HERE, 'server/main.ts')],
    },
    ...listClientRuns(tier),
    {
      id: 'module',
      title: 'module behind the gateway, swapped all the while',
      mode: 'server',
      config: 'kit.yaml',
      narrow,
      program: [join(HERE, 'gateway/module-mode.ts')],
    },
    ...upstreams().map((upstream): Run => ({
      id: `gateway-client ${upstream}`,
      title: `gateway as a client, ${UPSTREAMS[upstream].title}`,
      mode: 'client',
      config: 'gateway-client.yaml',
      narrow: {
        ...compressionsOf(upstream),
        ...(UPSTREAMS[upstream].protocol === Protocol.connect ? { compressions: NODE_COMPRESSIONS } : {}),
        ...narrow,
        ...narrowTo(upstream),
      },
      program: [join(HERE, 'gateway/client-mode.ts')],
    })),
    ...Object.entries(CLIENTS).flatMap(([client, { title, protocol }]) =>
      upstreams().map((upstream): Run => ({
        id: `${client} > ${upstream}`,
        title: `${title} > ${UPSTREAMS[upstream].title}`,
        mode: 'server',
        config: 'gateway.yaml',
        narrow: {
          ...compressionsOf(upstream),
          ...narrow,
          ...(isHttp1(upstream) ? NOT_FULL_DUPLEX : {}),
          protocols: [protocol],
        },
        program: [join(HERE, 'gateway/server-mode.ts'), upstream],
        cell: { client, upstream },
      })),
    ),
  ];
}

/** The Node transport comes with its own program and configuration. */
function listClientRuns(tier: Tier): Run[] {
  const program = join(HERE, 'client/main.ts');
  if (!existsSync(program)) return [];
  return [
    {
      id: 'node-transport',
      title: 'Node transport',
      mode: 'client',
      config: '../client/config.yaml',
      narrow: NARROW[tier],
      program: [program],
    },
  ];
}

function upstreams(): Upstream[] {
  return Object.keys(UPSTREAMS) as Upstream[];
}

function compressionsOf(upstream: Upstream): Narrowing {
  return upstream === 'grpc' ? {} : { compressions: READABLE_COMPRESSIONS };
}

function isHttp1(upstream: Upstream): boolean {
  return UPSTREAMS[upstream].httpVersion === 1;
}

/** The one kind of server that the suite is to start. */
function narrowTo(upstream: Upstream): Narrowing {
  const { protocol, httpVersion } = UPSTREAMS[upstream];
  return {
    protocols: [Object.values(CLIENTS)[protocol - 1]?.protocol ?? ''],
    versions: [`HTTP_VERSION_${httpVersion}`],
    supportsH2c: httpVersion === 2,
  };
}
