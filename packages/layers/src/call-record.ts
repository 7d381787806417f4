import {
  codeFromHttpStatus,
  codeName,
  Code,
  endpointKey,
  formatAddress,
  getField,
  type CODE_NAMES,
  type DialectName,
  type Endpoint,
  type Outcome,
  type RequestHead,
} from '@bascule/core';

/** What is known of a call once it is over. Plain data: crosses threads. Unknown strings are empty. */
export interface CallRecord {
  readonly id: string;
  /** Wall-clock milliseconds since 1970 at which the call came in. */
  readonly wallMs: number;
  readonly durationMs: number;
  readonly dialect: DialectName;
  /** HTTP method. */
  readonly method: string;
  /** With query, as on the wire: whatever a peer cared to send. */
  readonly path: string;
  readonly service: string;
  /** Name of the RPC method; empty while the route knows none. */
  readonly rpcMethod: string;
  readonly code: (typeof CODE_NAMES)[number];
  readonly by: Outcome['by'];
  readonly message: string;
  /** 0 when no head was sent. */
  readonly httpStatus: number;
  readonly peer: string;
  readonly userAgent: string;
  readonly endpointKey: string;
  readonly instanceId: string;
  /** `host:port` of the endpoint of the last attempt; empty for a module version, which has no address. */
  readonly endpointAddress: string;
  readonly moduleVersion: string;
  readonly cluster: string;
  readonly attempts: number;
  /** Body bytes as seen at the edge, in the caller's dialect. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Time the call had when it came in, after clamping; undefined is without end. */
  readonly timeoutMs: number | undefined;
}

/** What the edge measured of a call. */
export interface CallMeasure {
  readonly endedMs: number;
  readonly endedWallMs: number;
  readonly httpStatus: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Wins over what the layers inside noted, as a caller that left does. */
  readonly outcome: Outcome | undefined;
}

const HTTP_OK: Outcome = { code: Code.ok, by: 'callee', message: '' };

/** Makes the record of a call that is over. */
export function createCallRecord(head: RequestHead, measure: CallMeasure): CallRecord {
  const call = head.call;
  const outcome = measure.outcome ?? call.outcome ?? outcomeOfHttp(measure.httpStatus);
  const durationMs = measure.endedMs - call.startedMs;
  const names = call.endpoint === undefined ? NO_NAMES : endpointNames(call.endpoint);
  return {
    id: call.id,
    wallMs: measure.endedWallMs - durationMs,
    durationMs,
    dialect: call.dialect,
    method: head.method,
    path: head.path,
    service: call.method?.service ?? '',
    rpcMethod: call.method?.method ?? '',
    code: codeName(outcome.code),
    by: outcome.by,
    message: outcome.message,
    httpStatus: measure.httpStatus,
    peer: call.peer,
    userAgent: getField(head.fields, 'user-agent') ?? '',
    endpointKey: names.key,
    instanceId: names.instanceId,
    endpointAddress: names.address,
    moduleVersion: names.moduleVersion,
    cluster: call.cluster,
    attempts: call.attempts,
    requestBytes: measure.requestBytes,
    responseBytes: measure.responseBytes,
    timeoutMs: call.deadlineMs === undefined ? undefined : call.deadlineMs - call.startedMs,
  };
}

/** What is not RPC has no status of its own: below 400 is well, the rest reads as gRPC reads HTTP. */
function outcomeOfHttp(httpStatus: number): Outcome {
  if (httpStatus > 0 && httpStatus < 400) return HTTP_OK;
  return { code: codeFromHttpStatus(httpStatus), by: 'callee', message: '' };
}

interface EndpointNames {
  readonly key: string;
  readonly instanceId: string;
  readonly address: string;
  readonly moduleVersion: string;
}

const NO_NAMES: EndpointNames = { key: '', instanceId: '', address: '', moduleVersion: '' };

/** Kept per endpoint: joining and hashing these strings for each call would cost more than all the counting. */
const NAMES = new WeakMap<Endpoint, EndpointNames>();

function endpointNames(endpoint: Endpoint): EndpointNames {
  let names = NAMES.get(endpoint);
  if (names === undefined) {
    const { instanceId, moduleVersion } = endpoint;
    const address = endpoint.protocol === 'port' ? '' : formatAddress(endpoint);
    names = { key: endpointKey(endpoint), instanceId, address, moduleVersion };
    NAMES.set(endpoint, names);
  }
  return names;
}
