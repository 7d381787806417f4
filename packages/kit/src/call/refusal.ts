import { Code, ConnectError } from '@connectrpc/connect';
import type { Negotiated } from '../codec/encodings.ts';
import type { CallView } from './call-view.ts';

/** Why a call is refused before its first message is read; undefined when it is not. */
export function findRefusal(call: CallView, { unknown }: Negotiated): ConnectError | undefined {
  const { method } = call;
  if (unknown !== undefined) return method.encodings.unknownError(unknown, acceptFieldOf(call));
  // Behind a gateway the caller's own head is gone, and was the gateway's to judge.
  if (method.requireConnectProtocolHeader && call.protocolName === 'connect' && call.received !== call.head) {
    const fault = findVersionFault(call);
    if (fault !== undefined) return new ConnectError(fault, Code.InvalidArgument);
  }
  if (method.maxTimeoutMs === Number.POSITIVE_INFINITY) return undefined;
  const timeoutMs = call.timeoutMs();
  if (timeoutMs === undefined || timeoutMs <= method.maxTimeoutMs) return undefined;
  return new ConnectError(`timeout ${timeoutMs}ms must be <= ${method.maxTimeoutMs}`, Code.InvalidArgument);
}

function findVersionFault({ received, requestHeader }: CallView): string | undefined {
  if (received.method === 'GET') {
    const version = new URL(received.path, 'http://localhost').searchParams.get('connect');
    if (version === null) return 'missing required parameter: set connect to "v1"';
    return version === 'v1' ? undefined : `connect must be "v1": got "${version}"`;
  }
  const version = requestHeader.get('connect-protocol-version');
  if (version === null) return 'missing required header: set Connect-Protocol-Version to "1"';
  return version === '1' ? undefined : `Connect-Protocol-Version must be "1": got "${version}"`;
}

function acceptFieldOf({ head }: CallView): string {
  const { dialect } = head.call;
  if (dialect === 'connect') return 'accept-encoding';
  return dialect === 'connect-stream' ? 'connect-accept-encoding' : 'grpc-accept-encoding';
}
