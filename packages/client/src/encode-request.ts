import type { Message } from '@bufbuild/protobuf';
import { FLAG_COMPRESSED } from '@bascule/wire';
import { Code, ConnectError } from '@connectrpc/connect';
import type { MethodPlan } from './method-plan.ts';
import type { TransportSettings } from './settings.ts';

/** A request message as it goes over the wire. */
export interface EncodedRequest {
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/** Throws ConnectError. A promise only where there is something to compress. */
export function encodeRequest(
  plan: MethodPlan,
  settings: TransportSettings,
  message: Message,
): EncodedRequest | Promise<EncodedRequest> {
  const bytes = plan.serialize(message);
  checkSize(bytes, 'writeMaxBytes', settings.writeMaxBytes);
  const compression = settings.sendCompression;
  if (compression === null || bytes.length < settings.compressMinBytes) return toRequest(plan, 0, bytes);
  return compression.compress(bytes).then((compressed) => toRequest(plan, FLAG_COMPRESSED, compressed));
}

/** A policy is about what goes over the wire, as gRPC has it. */
function toRequest({ policy }: MethodPlan, flags: number, bytes: Uint8Array): EncodedRequest {
  if (policy.maxRequestBytes !== undefined) checkSize(bytes, 'maxRequestBytes', policy.maxRequestBytes);
  return { flags, bytes };
}

function checkSize({ length }: Uint8Array, name: string, max: number): void {
  if (length <= max) return;
  throw new ConnectError(`the request of ${length} bytes is larger than ${name}, ${max}`, Code.ResourceExhausted);
}
