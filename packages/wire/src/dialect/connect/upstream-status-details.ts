import type { Code } from '@bascule/core';
import { decodeBase64, toBase64 } from '../base64.ts';
import type { ConnectDetail } from './status-details.ts';

const CODE_TAG = 0x08;
const MESSAGE_TAG = 0x12;
const DETAIL_TAG = 0x1a;
const TYPE_URL_TAG = 0x0a;
const VALUE_TAG = 0x12;

/**
 * The value of `grpc-status-details-bin`: google.rpc.Status { code = 1; message = 2; repeated Any details = 3 } in
 * base64 without padding. Details whose value is not base64 are left out.
 */
export function encodeStatusDetails(code: Code, message: string, details: readonly ConnectDetail[]): string {
  const parts: Uint8Array[] = [Uint8Array.of(CODE_TAG, code)];
  if (message !== '') parts.push(lengthField(MESSAGE_TAG, Buffer.from(message, 'utf8')));
  for (const { type, value } of details) {
    const bytes = decodeBase64(value);
    if (bytes === undefined) continue;
    const url = Buffer.from(`type.googleapis.com/${type}`, 'utf8');
    const any = [lengthField(TYPE_URL_TAG, url), ...(bytes.length === 0 ? [] : [lengthField(VALUE_TAG, bytes)])];
    parts.push(lengthField(DETAIL_TAG, Buffer.concat(any)));
  }
  return toBase64(Buffer.concat(parts)).replaceAll('=', '');
}

function lengthField(tag: number, bytes: Uint8Array): Uint8Array {
  const head = [tag];
  let length = bytes.length;
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return Buffer.concat([Uint8Array.from(head), bytes]);
}
