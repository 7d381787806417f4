import { createVirtualClock, type Cancel, type Reply, type RequestHead, type Service } from '@bascule/core';
import { createHead, startCall, type RecordedCall } from '@bascule/testing';
import { createDialectLayer, type DialectOptions } from '../../../src/dialect/layer.ts';
import { watchLaw, type Violations } from './law.ts';

/** A call as its callee saw it; the test answers through `reply`. */
export interface SeenCall {
  readonly head: RequestHead;
  readonly reply: Reply;
  readonly chunks: Uint8Array[];
  ended: boolean;
  cancelled: Cancel | undefined;
  granted: number;
}

/** A service that records and does nothing by itself. */
export function createCallee(): { service: Service; calls: SeenCall[] } {
  const calls: SeenCall[] = [];
  return {
    calls,
    service(head, reply) {
      const call: SeenCall = { head, reply, chunks: [], ended: false, cancelled: undefined, granted: 0 };
      calls.push(call);
      return {
        write: (bytes) => void call.chunks.push(new Uint8Array(bytes)),
        end: () => void (call.ended = true),
        cancel: (reason) => void (call.cancelled = reason),
        grant: (bytes) => void (call.granted += bytes),
      };
    },
  };
}

export interface Edge {
  readonly service: Service;
  /** Calls that came through. */
  readonly calls: SeenCall[];
  /** Calls that were not RPC. */
  readonly others: SeenCall[];
  readonly violations: Violations;
}

/** The dialect layer between recorders, watched on both hops. */
export function createEdge(options: Partial<DialectOptions> = {}): Edge {
  const violations: Violations = [];
  const callee = createCallee();
  const other = createCallee();
  const layer = createDialectLayer({
    maxMessageBytes: 1000,
    clock: createVirtualClock(1, 500),
    other: other.service,
    allowGet: (path) => path === '/test.v1.TestService/Get',
    ...options,
  });
  const service = watchLaw('outer', layer(watchLaw('inner', callee.service, violations)), violations);
  return { service, calls: callee.calls, others: other.calls, violations };
}

/** Starts a call with a content type. */
export function startAs(edge: Edge, contentType: string, ...fields: string[]): RecordedCall {
  return startCall(edge.service, createHead({ fields: ['content-type', contentType, ...fields] }));
}

/** The only call that came through. */
export function onlyCall(edge: Edge): SeenCall {
  const [call] = edge.calls;
  if (call === undefined || edge.calls.length > 1) throw new Error(`${edge.calls.length} calls came through, not one`);
  return call;
}

/** What the layer itself broke, in tests whose callee misbehaves on purpose. */
export function outerViolations(edge: Edge): Violations {
  return edge.violations.filter((violation) => violation.startsWith('outer'));
}

/** A message with its prefix. */
export function frame(message: string | Uint8Array, flags = 0): Uint8Array {
  const bytes = Buffer.from(message as string);
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

export const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** What a caller of a dialect learned, wherever it stood. */
export interface Answer {
  readonly http: number | undefined;
  readonly contentType: string | undefined;
  /** Code by number; undefined when the answer does not say one. */
  readonly code: number | undefined;
}

const NAMES = ['ok', 'canceled', 'unknown', 'invalid_argument', 'deadline_exceeded', 'not_found', 'already_exists'];
NAMES.push(
  'permission_denied',
  'resource_exhausted',
  'failed_precondition',
  'aborted',
  'out_of_range',
  'unimplemented',
);
NAMES.push('internal', 'unavailable', 'data_loss', 'unauthenticated');

/** Reads an answer as a caller would: head, HTTP trailers, trailer frame, EndStream or error JSON. */
export function readAnswer(call: RecordedCall): Answer {
  const fields = new Map(pairs(call.heads[0]?.fields ?? []));
  const contentType = fields.get('content-type');
  const http = call.heads[0]?.status;
  const status = new Map(pairs(call.trailers ?? [])).get('grpc-status') ?? fields.get('grpc-status');
  if (status !== undefined) return { http, contentType, code: Number(status) };
  return { http, contentType, code: codeInBody(contentType ?? '', http, call.bytes()) };
}

function codeInBody(contentType: string, http: number | undefined, body: Uint8Array): number | undefined {
  if (contentType === 'application/json' && http !== 200) return codeOf(JSON.parse(Buffer.from(body).toString()));
  if (contentType.startsWith('application/connect+')) {
    const last = lastFrame(body, 0x02);
    if (last === undefined) return undefined;
    const { error } = JSON.parse(Buffer.from(last).toString()) as { error?: { code: string } };
    return error === undefined ? 0 : codeOf(error);
  }
  if (contentType.startsWith('application/grpc-web')) {
    const bytes = contentType.includes('text') ? decodeChunks(body) : body;
    const last = lastFrame(bytes, 0x80);
    const status = last === undefined ? undefined : /(?:^|\n)grpc-status:(\d+)/.exec(latin1(last))?.[1];
    return status === undefined ? undefined : Number(status);
  }
  return http === 200 ? 0 : undefined;
}

function codeOf(error: unknown): number {
  return NAMES.indexOf((error as { code: string }).code);
}

/** Base64 with padding anywhere. */
export function decodeChunks(body: Uint8Array): Uint8Array {
  const groups = latin1(body).match(/.{1,4}/g) ?? [];
  return Buffer.concat(groups.map((group) => Buffer.from(group, 'base64')));
}

/** The payload of the frame with `flag`, when it is the last one. */
export function lastFrame(body: Uint8Array, flag: number): Uint8Array | undefined {
  const bytes = Buffer.from(body);
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (bytes[at] === flag) return end === bytes.length ? bytes.subarray(at + 5) : undefined;
    at = end;
  }
  return undefined;
}

function pairs(fields: readonly string[]): [string, string][] {
  return fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] as string] as [string, string]] : []));
}
