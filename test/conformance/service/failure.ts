import { toBinary } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import type { RequestInfo, RpcError } from '../messages.ts';
import type { Stubs } from '../stubs.ts';

/** The error that a request asks for; `info` joins its details. */
export function toFailure(stubs: Stubs, error: RpcError, info: RequestInfo | undefined): ConnectError {
  const failure = new ConnectError(error.message ?? '', error.code);
  for (const { typeUrl, value } of error.details) {
    failure.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value });
  }
  if (info !== undefined) {
    const schema = stubs.message('RequestInfo');
    failure.details.push({ type: schema.typeName, value: toBinary(schema, info) });
  }
  return failure;
}
