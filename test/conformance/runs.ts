import { join } from 'node:path';
import { CALLERS, isCalledByNode, type Caller } from './callers.ts';
import {
  narrowingOf,
  narrowingOfServer,
  NODE_CALLER,
  PLAIN,
  READABLE,
  TIER_NARROWING,
  type Narrowing,
  type Tier,
} from './narrowing.ts';
import { UPSTREAMS, type Upstream } from './upstreams.ts';

const HERE = import.meta.dirname;

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
  /** Servers under test at once. Default 2: the suite gives each ten seconds to start, a gateway and a backend with it. */
  readonly maxServers?: number;
  /** Its place in the grid of its mode. */
  readonly cell?: Pair;
}

interface Pair {
  readonly caller: Caller;
  readonly upstream: Upstream;
}

/** All runs of a tier, in the order in which they are shown. */
export function listRuns(tier: Tier): Run[] {
  const narrow = TIER_NARROWING[tier];
  return [
    {
      id: 'kit',
      title: 'server kit',
      mode: 'server',
      config: 'kit.yaml',
      narrow,
      program: [join(HERE, 'server/main.ts')],
    },
    {
      id: 'treated-kit',
      title: 'server kit behind call policies',
      mode: 'server',
      config: 'kit.yaml',
      narrow,
      program: [join(HERE, 'server/main.ts'), 'treated'],
    },
    {
      id: 'node-transport',
      title: 'Node transport',
      mode: 'client',
      config: '../client/config.yaml',
      narrow,
      program: [join(HERE, 'client/main.ts')],
    },
    {
      id: 'browser',
      title: 'Chromium through the gateway',
      mode: 'client',
      config: 'browser.yaml',
      narrow: tier === 'full' ? {} : PLAIN,
      program: [join(HERE, 'browser/main.ts')],
    },
    {
      id: 'module',
      title: 'module behind the gateway, swapped all the while',
      mode: 'server',
      config: 'kit.yaml',
      narrow,
      program: [join(HERE, 'gateway/module-mode.ts')],
      // Each bundles again and again.
      maxServers: 1,
    },
    {
      id: 'transcoded',
      title: 'gateway, JSON for a gRPC backend that reads none',
      mode: 'server',
      config: 'gateway.yaml',
      narrow: { ...READABLE, ...narrow, codecs: ['CODEC_JSON'] },
      program: [join(HERE, 'gateway/server-mode.ts'), 'grpc', 'proto'],
    },
    ...listPairs().map((pair) => inServerMode(pair, narrow)),
    ...listPairs()
      // What the gateway says to a backend hangs little on the caller: CI takes one caller for each.
      .filter((pair) => tier !== 'smoke' || !isTranslated(pair))
      .map((pair) => inClientMode(pair, narrow)),
  ];
}

function listPairs(): Pair[] {
  return (Object.keys(CALLERS) as Caller[]).flatMap((caller) =>
    (Object.keys(UPSTREAMS) as Upstream[]).map((upstream) => ({ caller, upstream })),
  );
}

/** The suite's client calls the gateway, and judges its answers. */
function inServerMode(cell: Pair, narrow: Narrowing): Run {
  const { caller, upstream } = cell;
  return {
    id: `${caller} > ${upstream}`,
    title: `gateway, ${titleOf(cell)}`,
    mode: 'server',
    config: 'gateway.yaml',
    narrow: { ...narrowingOf(upstream), ...narrow, protocols: [CALLERS[caller].feature] },
    program: [join(HERE, 'gateway/server-mode.ts'), upstream],
    cell,
  };
}

/** The gateway calls the suite's server, which judges its requests. */
function inClientMode(cell: Pair, narrow: Narrowing): Run {
  const { caller, upstream } = cell;
  const { protocol, httpVersion } = UPSTREAMS[upstream];
  const spoken = Object.values(CALLERS).find((each) => each.protocol === protocol)?.feature ?? '';
  return {
    id: `client ${caller} > ${upstream}`,
    title: `gateway as a client, ${titleOf(cell)}`,
    mode: 'client',
    config: 'gateway-client.yaml',
    narrow: {
      ...narrowingOf(upstream),
      ...narrowingOfServer(upstream),
      ...(isCalledByNode(caller, protocol) ? NODE_CALLER : {}),
      ...narrow,
      protocols: [spoken],
      versions: [`HTTP_VERSION_${httpVersion}`],
      supportsH2c: httpVersion === 2,
    },
    program: [join(HERE, 'gateway/client-mode.ts'), caller],
    cell,
  };
}

function isTranslated({ caller, upstream }: Pair): boolean {
  return CALLERS[caller].protocol !== UPSTREAMS[upstream].protocol;
}

function titleOf({ caller, upstream }: Pair): string {
  return `${CALLERS[caller].title} > ${UPSTREAMS[upstream].title}`;
}
