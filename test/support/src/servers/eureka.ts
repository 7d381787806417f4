import type { Credentials } from './etcd.ts';
import { freePorts } from './ports.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';

/** Eureka's own defaults are minutes; a lease's duration is in what the client registers, and Eureka evicts at twice of it. */
export interface EurekaOptions {
  /** How old an answer may be. Eureka's default is 30,000 ms. Default: 100 ms. */
  readonly responseCacheUpdateIntervalMs?: number;
  /** How often leases that ran out are looked for. Eureka's default is 60,000 ms. Default: 200 ms. */
  readonly evictionIntervalMs?: number;
  /** Whether it evicts nobody while too few renew. Eureka's default is true. Default: false. */
  readonly selfPreservation?: boolean;
  /** What share of the expected renewals is too few, from 0 to 1. Eureka's default. Default: 0.85. */
  readonly renewalPercentThreshold?: number;
  /** How often the expected renewals are counted anew. Eureka's default is 900,000 ms. Default: 1,000 ms. */
  readonly renewalThresholdUpdateIntervalMs?: number;
  /** How often it believes that clients renew. Eureka's default is 30 s. Default: 1 s. */
  readonly expectedRenewalIntervalSeconds?: number;
  /** How long a change stays in the deltas. Eureka's default. Default: 180,000 ms. */
  readonly deltaRetentionMs?: number;
  /** Asks for user and password (HTTP basic) on every request. Default: false. */
  readonly auth?: boolean;
}

/** `url` ends in `/eureka`, under which are `/apps` and the rest. It keeps its data in memory alone, so every restart is an empty one. */
export interface EurekaServer extends RealServer {
  readonly credentials: Credentials | undefined;
}

const CREDENTIALS = { user: 'bascule', password: 'eureka-of-tests' };

/** One Eureka server without peers. */
export async function startEureka(options: EurekaOptions = {}): Promise<EurekaServer> {
  const { java, cwd, args } = programs('eureka');
  const [port] = (await freePorts(1)) as [number];
  const url = `http://127.0.0.1:${port}/eureka`;
  const { user, password } = CREDENTIALS;
  const headers: Record<string, string> =
    options.auth === true ? { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` } : {};
  const settings: Record<string, string | number | boolean> = {
    'server.address': '127.0.0.1',
    'server.port': port,
    'eureka.instance.hostname': '127.0.0.1',
    'eureka.server.responseCacheUpdateIntervalMs': options.responseCacheUpdateIntervalMs ?? 100,
    'eureka.server.evictionIntervalTimerInMs': options.evictionIntervalMs ?? 200,
    'eureka.server.enableSelfPreservation': options.selfPreservation ?? false,
    'eureka.server.renewalPercentThreshold': options.renewalPercentThreshold ?? 0.85,
    'eureka.server.renewalThresholdUpdateIntervalMs': options.renewalThresholdUpdateIntervalMs ?? 1_000,
    'eureka.server.expectedClientRenewalIntervalSeconds': options.expectedRenewalIntervalSeconds ?? 1,
    'eureka.server.retentionTimeInMSInDeltaQueue': options.deltaRetentionMs ?? 180_000,
    ...(options.auth === true && { 'bascule.user': user, 'bascule.password': password }),
  };
  const server = await runServer({
    name: 'eureka',
    port,
    url,
    command: (data) => ({
      file: java,
      cwd,
      args: [
        '-Xmx512m',
        // What it unpacks goes with its data.
        `-Djava.io.tmpdir=${data}`,
        ...args,
        ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
      ],
    }),
    isReady: async () => (await fetch(`${url}/apps`, { headers })).ok,
  });
  return Object.assign(server, { credentials: options.auth === true ? CREDENTIALS : undefined });
}
