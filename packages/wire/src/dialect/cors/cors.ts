import { getField, type Body, type Reply, type RequestHead } from '@bascule/core';
import { answerLater } from '../refusal.ts';
import { createOrigins, crossOriginOf, type Permission } from './origins.ts';
import { CorsReply } from './reply.ts';

/** Which pages of other origins may call. */
export interface CorsOptions {
  /** Origins as browsers send them, such as `https://app.example.com`; `*` is any, without credentials. */
  readonly allowOrigins: readonly string[];
  /** Whether cookies may come along from listed origins; never for `*`. Default false. */
  readonly allowCredentials?: boolean | undefined;
  /** Request fields beside those of the dialects; `*` permits what a page asks for. Default none. */
  readonly allowHeaders?: readonly string[] | undefined;
  /** Response fields beside those of the dialects and those on the answer itself. Default none. */
  readonly exposeHeaders?: readonly string[] | undefined;
  /** How long a browser may remember a preflight, in seconds. Default 7,200, which is what browsers take at most. */
  readonly maxAgeSeconds?: number | undefined;
}

/** CORS around calls. Source: Fetch, HTTP-CORS protocol. */
interface Cors {
  /** Answers a preflight; undefined when the request is none. */
  answerPreflight(head: RequestHead, reply: Reply): Body | undefined;
  /** A reply that tells the browser who may read the answer. */
  wrap(head: RequestHead, reply: Reply): Reply;
}

/** Request fields of all dialects. */
const DIALECT_REQUEST_FIELDS = [
  'content-type',
  'content-encoding',
  'connect-protocol-version',
  'connect-timeout-ms',
  'connect-accept-encoding',
  'connect-content-encoding',
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
  'x-grpc-web',
  'x-user-agent',
];
const DIALECT_RESPONSE_FIELDS = ['grpc-status', 'grpc-message', 'grpc-status-details-bin'];
const DEFAULT_MAX_AGE_SECONDS = 7200;
const VARY_PREFLIGHT = 'origin, access-control-request-method, access-control-request-headers';
const FIELD_LIST = /^[\w!#$%&'*+.^`|~, -]{1,4096}$/;

export function createCors(options: CorsOptions): Cors {
  const permissionOf = createOrigins(options.allowOrigins);
  const exposed = lowerCase([...DIALECT_RESPONSE_FIELDS, ...(options.exposeHeaders ?? [])]);
  const grantOf = (permission: Permission): string[] => grantFields(permission, options.allowCredentials ?? false);
  return {
    answerPreflight(head, reply) {
      const asked = getField(head.fields, 'access-control-request-method');
      const origin = getField(head.fields, 'origin');
      if (head.method !== 'OPTIONS' || asked === undefined || origin === undefined) return undefined;
      const granted = grantOf(permissionOf(origin));
      const vary = ['vary', VARY_PREFLIGHT, 'content-length', '0'];
      if (granted.length === 0) return answerLater(reply, { status: 403, fields: vary, bytes: undefined });
      const fields = [...granted, ...preflightFields(options, head), ...vary];
      // A 204 has no length (RFC 9110, 8.6).
      return answerLater(reply, { status: 204, fields: fields.slice(0, -2), bytes: undefined });
    },
    wrap(head, reply) {
      const origin = crossOriginOf(head);
      // A cache must not give an answer without a grant to a page that would get one.
      if (origin === undefined) return head.method === 'GET' ? new CorsReply(reply, ['vary', 'origin'], []) : reply;
      const granted = grantOf(permissionOf(origin));
      return new CorsReply(reply, [...granted, 'vary', 'origin'], granted.length === 0 ? [] : exposed);
    },
  };
}

/** Fields that grant an origin to read; none when it may not. */
function grantFields(permission: Permission, credentials: boolean): string[] {
  switch (permission.type) {
    case 'none':
      return [];
    case 'any':
      return ['access-control-allow-origin', '*'];
    case 'listed': {
      const fields = ['access-control-allow-origin', permission.origin];
      return credentials ? [...fields, 'access-control-allow-credentials', 'true'] : fields;
    }
    default:
      return permission satisfies never;
  }
}

function preflightFields(options: CorsOptions, head: RequestHead): string[] {
  const allowed = new Set(lowerCase([...DIALECT_REQUEST_FIELDS, ...(options.allowHeaders ?? [])]));
  const asked = getField(head.fields, 'access-control-request-headers') ?? '';
  if (allowed.delete('*') && FIELD_LIST.test(asked)) {
    for (const name of asked.split(',')) if (name.trim() !== '') allowed.add(name.trim().toLowerCase());
  }
  return [
    'access-control-allow-methods',
    'POST, GET',
    'access-control-allow-headers',
    [...allowed].join(', '),
    'access-control-max-age',
    String(options.maxAgeSeconds ?? DEFAULT_MAX_AGE_SECONDS),
  ];
}

function lowerCase(names: readonly string[]): string[] {
  return names.map((name) => name.toLowerCase());
}
