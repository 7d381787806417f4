import { getField, type Fields, type RequestHead, type Service } from '@bascule/core';
import { createHead, startCall, type RecordedCall } from '@bascule/testing';

/** A message with its prefix. */
export function frame(message: Uint8Array, flags = 0): Uint8Array {
  const bytes = new Uint8Array(5 + message.length);
  bytes[0] = flags;
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, 5);
  return bytes;
}

/** A call in the inner dialect, up to the end of its request. */
export function callInner(
  service: Service,
  path: string,
  request: { frames: readonly Uint8Array[]; fields?: Fields; head?: Partial<RequestHead> },
): RecordedCall {
  const { frames, fields = [], head = {} } = request;
  const call = startCall(
    service,
    createHead({ path, fields: ['content-type', 'application/grpc', 'te', 'trailers', ...fields], ...head }),
  );
  for (const bytes of frames) call.body.write(bytes);
  call.body.end();
  return call;
}

/** `grpc-status` and `grpc-message` of an answer that has ended. */
export async function statusOfCall(call: RecordedCall): Promise<{ code: number; message: string }> {
  await call.done;
  const trailers = call.trailers ?? [];
  return {
    code: Number(getField(trailers, 'grpc-status')),
    message: decodeURIComponent(getField(trailers, 'grpc-message') ?? ''),
  };
}
