import { createNodeTransport } from '@bascule/client';
import { serve } from '@bascule/server';
import { createClient, type HandlerContext } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { DIALECTS } from '../e2e/rig/dialects.ts';
import { EchoService } from '../e2e/rig/echo-schema.ts';
import { eventually } from '../e2e/rig/eventually.ts';
import { failureOf } from '../e2e/rig/failure.ts';
import { startTestGateway } from '../e2e/rig/gateway.ts';

/** caller -> gateway -> a server whose handler calls -> a second server, which keeps what it sees. */
async function startChain() {
  const timeouts: (number | undefined)[] = [];
  const begun = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  const second = await serve({
    propagationMs: 0,
    routes: (router) => {
      router.service(EchoService, {
        async say({ value }, context) {
          timeouts.push(context.timeoutMs());
          if (value === 'hang') await hang(context);
          return { value: `second: ${value}` };
        },
      });
    },
  });
  function hang({ signal }: HandlerContext): Promise<never> {
    begun.resolve();
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        aborted.resolve();
        reject(signal.reason);
      });
    });
  }
  const transport = createNodeTransport({ discovery: { sources: [`static:127.0.0.1:${second.port}`] } });
  const inner = createClient(EchoService, transport);
  const gateway = await startTestGateway({ workers: 0 });
  const first = await serve({
    propagationMs: 0,
    registry: gateway.registry,
    routes: (router) => {
      router.service(EchoService, { say: ({ value }) => inner.say({ value }) });
    },
  });
  await eventually(async () => {
    const { endpoints } = await gateway.operator.admin.listEndpoints({ service: EchoService.typeName });
    expect(endpoints.map(({ state }) => state)).toEqual(['ready']);
  });
  return {
    baseUrl: gateway.baseUrl,
    timeouts,
    begun: begun.promise,
    aborted: aborted.promise,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await first.close();
      await transport.close();
      await second.close();
    },
  };
}

describe.each(DIALECTS)('a call over $name and a gateway, whose handler calls on', (dialect) => {
  it('takes its deadline along to the second server', async () => {
    await using chain = await startChain();
    using connected = dialect.connect(chain.baseUrl, {});
    const client = createClient(EchoService, connected.transport);
    // GET is refused until the gateway knows the method, a moment after it knows the endpoint.
    const { value } = await eventually(() => client.say({ value: 'a' }, { timeoutMs: 9_000 }));
    expect(value).toBe('second: a');
    expect(chain.timeouts[0]).toBeGreaterThan(0);
    expect(chain.timeouts[0]).toBeLessThanOrEqual(9_000);
  });

  it('takes its end along to the second server', async () => {
    await using chain = await startChain();
    using connected = dialect.connect(chain.baseUrl, {});
    const client = createClient(EchoService, connected.transport);
    await eventually(() => client.say({ value: 'a' }));
    const controller = new AbortController();
    const call = client.say({ value: 'hang' }, { signal: controller.signal });
    await chain.begun;
    controller.abort();
    await failureOf(call);
    await chain.aborted;
  });
});
