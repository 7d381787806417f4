import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { startGateway, type Gateway } from '@bascule/gateway';
import type { LoadedStubs } from '../load-stubs.ts';
import type { Upstream } from '../upstreams.ts';
import { writeBackendTls, writeListenerTls, type BackendTls, type ListenerTls } from './certificates.ts';

export interface FrontOptions {
  /** Where the calls go; undefined has modules alone. */
  readonly backend?: {
    readonly host: string;
    readonly port: number;
    readonly upstream: Upstream;
    /** Undefined is called in the clear. */
    readonly tls?: BackendTls | undefined;
  };
  /** What the backend reads beside binary messages. */
  readonly codecs: readonly ('proto' | 'json')[];
  /** 0 is the gateway's default. */
  readonly maxMessageBytes: number;
  /** Undefined takes calls without TLS. */
  readonly tls?: ListenerTls | undefined;
  /** Folder of a page that is served beside the calls. */
  readonly pageFolder?: string;
}

/** A gateway in front of one backend, with everything it wrote. */
export interface Front {
  readonly gateway: Gateway;
  close(): Promise<void>;
}

/** Starts a gateway as an operator would: from a file. */
export async function startFront(stubs: LoadedStubs, options: FrontOptions): Promise<Front> {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-conformance-'));
  // Its parent may be written by everybody, which the gateway warns of in vain.
  const stateDir = join(folder, 'state');
  await mkdir(stateDir, { mode: 0o700 });
  const { backend, tls, pageFolder } = options;
  const listener = {
    port: 0,
    ...(pageFolder !== undefined && { staticDir: pageFolder }),
    ...(tls !== undefined && { tls: await writeListenerTls(folder, tls) }),
  };
  const configFile = join(folder, 'bascule.yaml');
  const config = {
    listener,
    operator: { port: 0 },
    stateDir,
    observe: { accessLog: 'off' },
    // The suite looks at the deadlines that a backend is told: only its own may be there.
    calls: {
      defaultTimeout: '0s',
      ...(options.maxMessageBytes > 0 ? { maxMessageBytes: options.maxMessageBytes } : {}),
    },
    ...(backend?.tls !== undefined && { services: { '*': { tls: await writeBackendTls(folder, backend.tls) } } }),
    discovery: { endpoints: backend === undefined ? [] : [toEndpoint(stubs, backend, options.codecs)] },
  };
  await writeFile(configFile, stringify(config));
  const gateway = await startGateway({
    configFile,
    log: ({ level, message }) => {
      if (level !== 'info') process.stderr.write(`gateway: ${message}\n`);
    },
  });
  return {
    gateway,
    async close() {
      await gateway.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function toEndpoint(
  stubs: LoadedStubs,
  { host, port, upstream }: NonNullable<FrontOptions['backend']>,
  codecs: readonly string[],
): Record<string, unknown> {
  return {
    address: `${host}:${port}`,
    services: [stubs.service.typeName],
    schema: stubs.schemaFile,
    protocol: upstream,
    codecs: codecs.filter((codec) => codec !== 'proto'),
  };
}
