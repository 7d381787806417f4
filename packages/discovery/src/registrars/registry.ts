import type { Endpoint } from '@bascule/core';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { durationFromMs, durationMs, type Duration } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { conditionOf, toEndpointMessage } from '../endpoint-message.ts';
import { SpecError } from '../spec.ts';
import {
  LeaseLost,
  RegistrationRefused,
  type Registration,
  type RegistrationOptions,
  type RegistrarDriver,
} from './registration.ts';

/** `http://host:port` or `https://host:port`, with a namespace as path where there is one. */
export function openRegistryRegistrar(options: RegistrationOptions): RegistrarDriver {
  const { url, schema, ttlMs } = options;
  if (url.search !== '' || url.hash !== '') throw new SpecError(`${url.href} has more than a namespace as its path`);
  const transport = options.dial(url.origin, options.credentials);
  const namespace = decodeURIComponent(url.pathname.replace(/^\/|\/$/g, ''));
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

/** Registers with the embedded registry. */
export function createRegistryRegistrar(options: RegistryRegistrarOptions): RegistrarDriver {
  const { namespace, schema } = options;
  const client = createClient(RegistryService, options.transport);

  async function register(endpoint: Endpoint, signal: AbortSignal): Promise<Registration> {
    const ttl = durationFromMs(options.ttlMs);
    const request = { endpoint: toEndpointMessage(endpoint), ttl, schema, namespace };
    const { leaseId, ttl: given } = await client.register(request, { signal }).catch(refuse);
    return {
      ttlMs: ttlMsOf(given, options.ttlMs),
      async renew(next, renewing) {
        await client.renew({ leaseId, condition: conditionOf(next) }, { signal: renewing }).catch(loseLease);
      },
      async remove(removing) {
        await client.deregister({ leaseId }, { signal: removing });
      },
    };
  }

  return { register, close: async () => options.close?.() };
}

const FINAL: ReadonlySet<Code> = new Set([Code.InvalidArgument, Code.FailedPrecondition]);

/** What repeating cannot change: the record is unsound, or a newer process of the instance is there. */
function refuse(error: unknown): never {
  const { code, message } = ConnectError.from(error);
  throw FINAL.has(code) ? new RegistrationRefused(message, { cause: error }) : error;
}

function loseLease(error: unknown): never {
  const { code, message } = ConnectError.from(error);
  throw code === Code.NotFound ? new LeaseLost(message, { cause: error }) : error;
}

function ttlMsOf(ttl: Duration | undefined, askedMs: number): number {
  return ttl === undefined ? askedMs : Math.max(durationMs(ttl), 1_000);
}
