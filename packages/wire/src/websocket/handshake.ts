import { getField, type Fields } from '@bascule/core';
import type { CorsOptions } from '../dialect/cors/cors.ts';
import { createOrigins } from '../dialect/cors/origins.ts';
import { SUBPROTOCOL } from './frames.ts';
import { SOCKET_FIELDS } from './open-head.ts';

/** A request to open a socket, over either version of HTTP. */
export interface Handshake {
  readonly authority: string;
  readonly fields: Fields;
}

/** The socket may open with these fields in each call, or why it may not. */
export type Verdict =
  | { readonly type: 'accepted'; readonly fields: Fields }
  | { readonly type: 'refused'; readonly status: number; readonly text: string; readonly fields: Fields };

/** Judges what both versions of HTTP have in common. `cors` says which pages of other origins may call. */
export function judgeHandshake(
  { authority, fields }: Handshake,
  scheme: 'http' | 'https',
  cors: CorsOptions | undefined,
): Verdict {
  if (getField(fields, 'sec-websocket-version') !== '13') {
    return refused(426, 'The only Sec-WebSocket-Version taken is 13.', ['sec-websocket-version', '13']);
  }
  const offered = (getField(fields, 'sec-websocket-protocol') ?? '').split(',').map((name) => name.trim());
  if (!offered.includes(SUBPROTOCOL)) {
    return refused(400, `The subprotocol spoken here is ${SUBPROTOCOL}: offer it in Sec-WebSocket-Protocol.`);
  }
  const trust = trustIn(getField(fields, 'origin'), SCHEMES[scheme], authority, cors);
  if (trust === 'none') return refused(403, 'Pages of this origin may not call: add it to the allowed origins.');
  return { type: 'accepted', fields: toSocketFields(fields, trust) };
}

/** Behind a proxy that ends TLS our scheme differs from the page's; a page that came in the clear anybody may have written. */
const SCHEMES = { http: /^https?:\/\//, https: /^https:\/\// } as const;

/** `without-cookies`: as with fetch, a page that anybody may write does not call in the name of who looks at it. */
type Trust = 'none' | 'without-cookies' | 'full';

/**
 * A browser opens sockets to anybody for any page and tells us whose page it is; nothing else protects from the wrong ones.
 */
function trustIn(origin: string | undefined, schemes: RegExp, authority: string, cors: CorsOptions | undefined): Trust {
  if (origin === undefined) return 'full';
  if (authority !== '' && origin.replace(schemes, '').toLowerCase() === authority.toLowerCase()) return 'full';
  const permission = createOrigins(cors?.allowOrigins ?? [])(origin);
  if (permission.type === 'none') return 'none';
  return permission.type === 'listed' && cors?.allowCredentials === true ? 'full' : 'without-cookies';
}

function toSocketFields(fields: Fields, trust: Trust): Fields {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (SOCKET_FIELDS.has(name) && (name !== 'cookie' || trust === 'full')) kept.push(name, fields[i + 1] as string);
  }
  return kept;
}

export function refused(status: number, text: string, fields: Fields = []): Verdict & { readonly type: 'refused' } {
  return { type: 'refused', status, text: `${text}\n`, fields };
}
