import { getField, type Clock, type RequestHead, type Service } from '@bascule/core';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { createDialectLayer } from '@bascule/wire';
import type { Method, ProtocolName } from './method.ts';
import { answerStatus, answerUnknownPath } from './unknown-path.ts';

export interface OuterOptions {
  readonly methods: ReadonlyMap<string, Method>;
  readonly inner: Service;
  readonly clock: Clock;
  /** Stands before the path of every method; empty for none. */
  readonly pathPrefix: string;
}

/** Answers gRPC, gRPC-Web and Connect over HTTP-shaped heads, by translating them for `inner`. */
export function createOuterService({ methods, inner, clock, pathPrefix }: OuterOptions): Service {
  const translated = createDialectLayer({
    // What a method takes of it, it checks itself; this bounds what is kept of requests of unknown length.
    maxMessageBytes: Math.max(1, ...methods.values().map(({ readMaxBytes }) => readMaxBytes)),
    maxFramedBytes: Number.POSITIVE_INFINITY,
    maxAnswerBytes: Number.POSITIVE_INFINITY,
    other: answerUnknownPath,
    clock,
    allowGet: (path) => isGettable(methods.get(path)),
  })(inner);
  return (head, reply) => {
    const own = pathPrefix === '' ? head : withoutPrefix(head, pathPrefix);
    const method = own && methods.get(pathOf(own.path));
    if (own === undefined || method === undefined) return answerUnknownPath(head, reply);
    const status = findRefusal(own, method);
    if (status !== undefined) return answerStatus(reply, status);
    head.call.received = head;
    return translated(own, reply);
  };
}

/** The HTTP status of what the method is not to be called by; undefined where the dialect layer judges. */
function findRefusal(head: RequestHead, { spec, protocols }: Method): number | undefined {
  const contentType = getField(head.fields, 'content-type');
  if (contentType === undefined || head.method !== 'POST') return undefined;
  const family = familyOf(contentType);
  if (family === undefined) return undefined;
  if (!protocols.has(family.protocol)) return 415;
  return family.protocol === 'connect' && family.isStream === (spec.kind === 'unary') ? 415 : undefined;
}

interface Family {
  readonly protocol: ProtocolName;
  /** Connect's content types tell its streams from its unary calls. */
  readonly isStream: boolean;
}

const GRPC: Family = { protocol: 'grpc', isStream: true };
const GRPC_WEB: Family = { protocol: 'grpc-web', isStream: true };
const CONNECT_STREAM: Family = { protocol: 'connect', isStream: true };
const CONNECT_UNARY: Family = { protocol: 'connect', isStream: false };

function familyOf(contentType: string): Family | undefined {
  if (contentType.startsWith('application/grpc-web')) return GRPC_WEB;
  if (contentType.startsWith('application/grpc')) return GRPC;
  if (contentType.startsWith('application/connect+')) return CONNECT_STREAM;
  return /^application\/(proto|json)\b/.test(contentType) ? CONNECT_UNARY : undefined;
}

function isGettable(method: Method | undefined): boolean {
  return (
    method?.spec.kind === 'unary' &&
    method.protocols.has('connect') &&
    method.desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS
  );
}

function withoutPrefix(head: RequestHead, prefix: string): RequestHead | undefined {
  return head.path.startsWith(prefix) ? { ...head, path: head.path.slice(prefix.length) } : undefined;
}

function pathOf(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}
