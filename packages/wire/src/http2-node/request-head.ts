import { HOP_FIELDS } from '../listener/fields.ts';
import { isAuthority, toOriginPath } from '../listener/target.ts';

/** A request head that may go on. */
export interface ParsedHead {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly fields: string[];
}

/** Reads the flat list of node:http2, pseudo fields first. A number is the status it is refused with. */
export function parseRequestHead(raw: readonly string[], maxPairs: number): ParsedHead | number {
  if (raw.length > (maxPairs + PSEUDO_FIELDS) * 2) return 431;
  let method = '';
  let target = '';
  let authority: string | undefined;
  let host: string | undefined;
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (name === ':method') method = value;
    else if (name === ':path') target = value;
    else if (name === ':authority') authority = value;
    else if (name === 'host') host = value;
    else if (!name.startsWith(':') && !HOP_FIELDS.has(name)) fields.push(name, value);
  }
  // RFC 9113, 8.3.1: Host must not name another than :authority.
  if (authority !== undefined && host !== undefined && authority !== host) return 400;
  const asked = authority ?? host ?? '';
  if (asked !== '' && !isAuthority(asked)) return 400;
  if (method === 'CONNECT') return 405;
  const path = toOriginPath(target, asked);
  return path === undefined ? 400 : { method, path, authority: asked, fields };
}

// :method, :path, :scheme, :authority are no fields of the sender's making.
const PSEUDO_FIELDS = 4;
