import type { Endpoint } from '@bascule/core';
import {
  EndpointSchema,
  RegistryService,
  type Endpoint as EndpointMessage,
  type RegisterResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { equals } from '@bufbuild/protobuf';
import { durationFromMs, durationMs, type Duration } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { conditionOf, toEndpointMessage } from '../endpoint-message.ts';
import { readRegistryUrl } from '../peers/registry-url.ts';
import { keepAliveOf } from './keep-alive.ts';
import {
  LeaseLost,
  RegistrationRefused,
  type Registration,
  type RegistrationOptions,
  type RegistrarDriver,
} from './registration.ts';

/** `http://host:port` or `https://host:port`, with a namespace as path where there is one. */
export function openRegistryRegistrar(options: RegistrationOptions): RegistrarDriver {
  const { schema, ttlMs } = options;
  const { origin, namespace } = readRegistryUrl(options.url);
  const transport = options.dial(origin, options.credentials);
  return createRegistryRegistrar({ transport, namespace, schema, ttlMs, close: () => transport.close() });
}

export interface RegistryRegistrarOptions {
  readonly transport: Transport;
  /** Empty is "default". */
  readonly namespace: string;
  readonly schema: Uint8Array;
  readonly ttlMs: number;
  /** Called when the driver is closed, if it owns the transport. */
  close?(): Promise<void>;
}

/** Registers with the embedded registry. All leases that were got over one transport are renewed over one stream. */
export function createRegistryRegistrar(options: RegistryRegistrarOptions): RegistrarDriver {
  const { namespace, schema, transport } = options;
  const client = createClient(RegistryService, transport);
  const keepAlive = keepAliveOf(transport);

  function ask(endpoint: Endpoint, signal: AbortSignal): Promise<RegisterResponse> {
    const ttl = durationFromMs(options.ttlMs);
    return client.register({ endpoint: toEndpointMessage(endpoint), ttl, schema, namespace }, { signal }).catch(refuse);
  }

  async function register(endpoint: Endpoint, signal: AbortSignal): Promise<Registration> {
    let told = endpoint;
    let { leaseId, ttl } = await ask(endpoint, signal);
    let isKept = true;
    keepAlive.join();
    const leave = (): void => {
      if (isKept) keepAlive.leave();
      isKept = false;
    };
    return {
      ttlMs: ttlMsOf(ttl, options.ttlMs),
      async renew(next, renewing) {
        if (isSameRecord(told, next)) {
          if (await keepAlive.renew({ leaseId, condition: conditionOf(next) }, renewing)) return;
          leave();
          throw new LeaseLost('the registry does not know the lease');
        }
        // Registering twice is idempotent, and says all of the record anew.
        ({ leaseId } = await ask(next, renewing));
        told = next;
      },
      async remove(removing) {
        leave();
        await client.deregister({ leaseId }, { signal: removing });
      },
    };
  }

  return { register, close: async () => options.close?.() };
}

/** Whether a renewal, which carries the condition, says all that has changed. */
function isSameRecord(told: Endpoint, next: Endpoint): boolean {
  return told === next || equals(EndpointSchema, withoutCondition(told), withoutCondition(next));
}

function withoutCondition(endpoint: Endpoint): EndpointMessage {
  const message = toEndpointMessage(endpoint);
  delete message.condition;
  return message;
}

const FINAL: ReadonlySet<Code> = new Set([Code.InvalidArgument, Code.FailedPrecondition]);

/** What repeating cannot change: the record is unsound, or a newer process of the instance is there. */
function refuse(error: unknown): never {
  const { code, message } = ConnectError.from(error);
  throw FINAL.has(code) ? new RegistrationRefused(message, { cause: error }) : error;
}

function ttlMsOf(ttl: Duration | undefined, askedMs: number): number {
  return ttl === undefined ? askedMs : Math.max(durationMs(ttl), 1_000);
}
