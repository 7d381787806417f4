import { getField, type RequestHead } from '@bascule/core';
import { isConnectQuery } from './connect/query.ts';
import type { ContentType, Way } from './content-types.ts';
import type { Format } from './format.ts';
import { pathOf } from './inner-request.ts';

/** What a request is to the dialect layer. */
export type Detected =
  | { readonly type: 'call'; readonly way: Way }
  | { readonly type: 'get' }
  /** RPC by another method than its dialect takes. */
  | { readonly type: 'wrong-method'; readonly format: Format | undefined }
  /** RPC in a content type that is not understood. */
  | { readonly type: 'wrong-content-type'; readonly format: Format | undefined }
  | { readonly type: 'other' };

const OTHER: Detected = { type: 'other' };
const GET: Detected = { type: 'get' };

/** Says what a request is, from method, content type and path. */
export function detect(
  head: RequestHead,
  contentTypes: (value: string) => ContentType,
  allowGet: (path: string) => boolean,
): Detected {
  const value = getField(head.fields, 'content-type');
  const contentType = value === undefined ? 'not-rpc' : contentTypes(value);
  if (contentType === 'not-rpc') return detectByPath(head, allowGet);
  if ('unknownLike' in contentType) return { type: 'wrong-content-type', format: contentType.unknownLike };
  const { format } = contentType.way;
  // application/json is not RPC by itself; the path must look like a method's.
  if (format.dialect === 'connect' && (head.method !== 'POST' || !isMethodPath(head.path))) {
    return detectByPath(head, allowGet);
  }
  return head.method === 'POST' ? { type: 'call', way: contentType.way } : { type: 'wrong-method', format };
}

/** Without a content type of ours, only paths of methods in packages are RPC: files and health have no such paths. */
function detectByPath(head: RequestHead, allowGet: (path: string) => boolean): Detected {
  const { method, path } = head;
  if (method === 'OPTIONS' || !isMethodPath(path)) return OTHER;
  if (method === 'GET' && isConnectQuery(path) && allowGet(pathOf(path))) return GET;
  if (!hasPackage(path)) return OTHER;
  return { type: method === 'POST' ? 'wrong-content-type' : 'wrong-method', format: undefined };
}

/** `/package.Service/Method`, with or without a package. */
export function isMethodPath(path: string): boolean {
  return /^\/[\w.]+\/\w+(\?|$)/.test(path);
}

function hasPackage(path: string): boolean {
  const dot = path.indexOf('.');
  return dot > 0 && dot < path.indexOf('/', 1);
}
