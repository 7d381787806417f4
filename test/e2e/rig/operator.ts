import { readFile } from 'node:fs/promises';
import { AdminService } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { ModuleService, type DeployResponse } from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { createClient, type Client, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';

/** A sample of /metrics. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The operator's side of a gateway. */
export interface Operator {
  readonly url: string;
  readonly admin: Client<typeof AdminService>;
  readonly modules: Client<typeof ModuleService>;
  /** Deploys a .tgz. */
  deploy(file: string): Promise<DeployResponse>;
  metrics(): Promise<Sample[]>;
  /** Samples of calls that are open now. */
  openCalls(): Promise<Sample[]>;
  close(): void;
}

export function connectOperator(url: string, token: string): Operator {
  const { transport, sessionManager } = connectWith(url, token);
  const modules = createClient(ModuleService, transport);
  const metrics = async (): Promise<Sample[]> => parseMetrics(await (await fetch(`${url}/metrics`)).text());
  return {
    url,
    admin: createClient(AdminService, transport),
    modules,
    async deploy(file) {
      const bytes = await readFile(file);
      return modules.deploy(sendPackage(file, bytes));
    },
    metrics,
    openCalls: async () => (await metrics()).filter(({ name, value }) => name === 'bascule_open_calls' && value > 0),
    close: () => sessionManager.abort(),
  };
}

/** Instances that are registered at a registry now. */
export async function listRegistered(url: string, token: string): Promise<string[]> {
  const { transport, sessionManager } = connectWith(url, token);
  try {
    const { endpoints } = await createClient(RegistryService, transport).list({});
    return endpoints.map(({ instanceId }) => instanceId);
  } finally {
    sessionManager.abort();
  }
}

function connectWith(url: string, token: string): { transport: Transport; sessionManager: Http2SessionManager } {
  const sessionManager = new Http2SessionManager(url);
  const authorize: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const transport = createGrpcTransport({ baseUrl: url, sessionManager, interceptors: [authorize] });
  return { transport, sessionManager };
}

async function* sendPackage(source: string, bytes: Uint8Array) {
  yield { part: { case: 'start' as const, value: { source } } };
  for (let at = 0; at < bytes.length; at += 65_536) {
    yield { part: { case: 'chunk' as const, value: bytes.subarray(at, at + 65_536) } };
  }
}

function parseMetrics(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match === null) throw new Error(`not a sample: ${line}`);
      const labels = [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      return {
        name: match[1] as string,
        labels: Object.fromEntries(labels.map(([, name, value]) => [name as string, value as string])),
        value: Number(match[3]),
      };
    });
}
