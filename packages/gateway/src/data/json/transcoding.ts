import {
  Code,
  callError,
  endpointKey,
  getField,
  type Clock,
  type Endpoint,
  type Lease,
  type Outcome,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { refuseCall } from '@bascule/layers';
import type { SchemaSnapshot } from '../../snapshot.ts';
import { createBackground } from './background.ts';
import { createTranscoder } from './call.ts';
import { createConverter } from './converter.ts';
import { JSON_TYPE } from './heads.ts';
import { DECODE_LIMITS, type DecodeLimits } from './limits.ts';
import { createMethods, type Methods } from './methods.ts';

/** Lets callers speak JSON with endpoints that speak protobuf only. */
export interface Transcoding {
  /** Puts the descriptors of a snapshot in place; what it does not name is forgotten. */
  apply(schemas: readonly SchemaSnapshot[], maxMessageBytes: number): void;
  /** The lease as it is where nothing needs converting; else one whose service converts. */
  adapt(lease: Lease, head: RequestHead): Lease;
  close(): Promise<void>;
}

export interface TranscodingOptions {
  readonly clock: Clock;
  /** Default {@link DECODE_LIMITS}. */
  readonly limits?: DecodeLimits;
}

export function createTranscoding({ clock, limits = DECODE_LIMITS }: TranscodingOptions): Transcoding {
  let methods = new Map<string, Methods>();
  let maxMessageBytes = 0;
  const background = createBackground({ clock, limits });

  function serviceFor(endpoint: Endpoint, next: Service, path: string): Service {
    const known = methods.get(endpoint.schemaDigest);
    const method = known?.find(path);
    if (method !== undefined) return createTranscoder(next, { ...method, maxMessageBytes });
    return (head, reply) => refuseCall(reply, notConvertible(endpoint, head, known));
  }

  return {
    apply(schemas, maxBytes) {
      maxMessageBytes = maxBytes;
      const before = methods;
      methods = new Map();
      for (const { digest, bytes } of schemas) {
        const known =
          before.get(digest) ??
          (bytes && createMethods(bytes, (type) => createConverter(type, options(digest, bytes))));
        if (known !== undefined) methods.set(digest, known);
      }
      for (const digest of before.keys()) if (!methods.has(digest)) background.forget(digest);
    },
    adapt(lease, head) {
      const { endpoint } = lease;
      if (getField(head.fields, 'content-type') !== JSON_TYPE || endpoint.codecs.includes('json')) return lease;
      return new AdaptedLease(lease, serviceFor(endpoint, lease.service, head.path));
    },
    close: () => background.close(),
  };

  function options(digest: string, schema: Uint8Array) {
    return { digest, schema, limits, background };
  }
}

class AdaptedLease implements Lease {
  readonly endpoint: Endpoint;
  readonly service: Service;
  readonly #lease: Lease;

  constructor(lease: Lease, service: Service) {
    this.endpoint = lease.endpoint;
    this.service = service;
    this.#lease = lease;
  }

  answered(): void {
    this.#lease.answered();
  }

  moved(): void {
    this.#lease.moved();
  }

  release(outcome: Outcome): void {
    this.#lease.release(outcome);
  }
}

/** Not sent, so that another endpoint may take the call; once all have been tried, no more of them are asked. */
function notConvertible(endpoint: Endpoint, { call, path }: RequestHead, methods: Methods | undefined) {
  const reason = methods === undefined ? undefined : (methods.fault ?? `its descriptors have no method ${path}`);
  const message =
    reason === undefined
      ? `${call.cluster} takes protobuf only and its descriptors are not known here, so JSON cannot be converted: send ` +
        'protobuf, or give the endpoint in the configuration its schema, or codecs: [json] if it takes JSON'
      : `${call.cluster} takes protobuf only and JSON cannot be converted: ${reason}`;
  const key = endpointKey(endpoint);
  const error = callError(Code.unimplemented, message, 'never-sent');
  return call.tried.filter((tried) => tried === key).length > 1 ? { ...error, final: true as const } : error;
}
