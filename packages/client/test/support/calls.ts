import { createClient, type Client } from '@connectrpc/connect';
import { createNodeTransport, type NodeTransport, type NodeTransportOptions } from '../../src/index.ts';
import { TestService } from './schema.ts';

/** A client of ours that closes its connections. */
export interface OurClient extends AsyncDisposable {
  readonly client: Client<typeof TestService>;
  readonly transport: NodeTransport;
}

export function connect(baseUrl: string | undefined, options: Partial<NodeTransportOptions> = {}): OurClient {
  const transport = createNodeTransport({ ...(baseUrl !== undefined && { baseUrl }), ...options });
  return {
    client: createClient(TestService, transport),
    transport,
    [Symbol.asyncDispose]: () => transport.close(),
  };
}
