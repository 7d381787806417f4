import { AdminService } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { ModuleService } from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import { createClient, type Client, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import type { BasculeGateway } from './subjects/bascule-gateway.ts';

/** The operator's side of a gateway. */
export interface Operator {
  readonly admin: Client<typeof AdminService>;
  readonly modules: Client<typeof ModuleService>;
  /** Sum over all series of a metric. */
  readMetric(name: string): Promise<number>;
}

export function createOperator({ operatorUrl, token }: BasculeGateway): Operator {
  const withToken: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const transport = createConnectTransport({ baseUrl: operatorUrl, httpVersion: '1.1', interceptors: [withToken] });
  return {
    admin: createClient(AdminService, transport),
    modules: createClient(ModuleService, transport),
    async readMetric(name) {
      const response = await fetch(`${operatorUrl}/metrics`, { headers: { authorization: `Bearer ${token}` } });
      const lines = (await response.text()).split('\n').filter((line) => /^[a-z_]+/.exec(line)?.[0] === name);
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    },
  };
}
