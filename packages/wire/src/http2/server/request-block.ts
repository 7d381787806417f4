import { isAuthority } from '../../listener/target.ts';
import { faultOfName, isLawfulValue, parseContentLength } from '../field-rules.ts';

/**
 * What a header block of a request came to.
 * - `request`: a head that may go on
 * - `trailers`: lawful fields without pseudo-fields
 * - `refused`: lawful HTTP/2, but a request that gets `status`
 * - `malformed`: breaks RFC 9113, 8.1 to 8.3; `fault` says how
 */
export type RequestBlockKind = 'request' | 'trailers' | 'refused' | 'malformed';

/** A decoded and judged header block. Shared between equal blocks, so never changed. */
export interface RequestBlock {
  readonly kind: RequestBlockKind;
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  /** Of an extended CONNECT (RFC 8441), else empty. */
  readonly protocol: string;
  readonly fields: readonly string[];
  /** Value of content-length, or -1. */
  readonly contentLength: number;
  /** Of a refused request. */
  readonly status: number;
  readonly fault: string;
}

const MALFORMED: RequestBlock = {
  kind: 'malformed',
  method: '',
  path: '',
  authority: '',
  protocol: '',
  fields: [],
  contentLength: -1,
  status: 0,
  fault: '',
};

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const PATH = /^\/[\x21-\x7e\x80-\xff]*$/;

/** Larger than the limits: the table was kept right, the fields are gone. */
export const TOO_LARGE: RequestBlock = { ...MALFORMED, kind: 'refused', status: 431 };

interface Pseudo {
  method: string | undefined;
  scheme: string | undefined;
  path: string | undefined;
  authority: string | undefined;
  protocol: string | undefined;
}

interface Collected {
  readonly fields: string[];
  host: string | undefined;
  contentLength: number;
  /** Where the value of the one cookie field stands; -1 before the first crumb. */
  cookieAt: number;
}

/** How a block is judged. */
export interface BlockRules {
  /** RFC 8441 is on. */
  readonly takesConnect: boolean;
  /** Values may be unlawful; if not, whoever decoded them has looked. */
  readonly checksValues: boolean;
}

/** Judges the fields of a block; undefined stands for a block above the limits. */
export function parseRequestBlock(all: readonly string[] | undefined, rules: BlockRules): RequestBlock {
  if (all === undefined) return TOO_LARGE;
  const pseudo: Pseudo = {
    method: undefined,
    scheme: undefined,
    path: undefined,
    authority: undefined,
    protocol: undefined,
  };
  let at = 0;
  for (; at < all.length; at += 2) {
    const name = all[at] as string;
    if (name.charCodeAt(0) !== COLON) break;
    const fault = takePseudo(pseudo, name, all[at + 1] as string);
    if (fault !== undefined) return malformed(fault);
  }
  if (pseudo.protocol !== undefined && !rules.takesConnect) return malformed(':protocol, which was not announced');
  const hasPseudo = at > 0;
  const collected: Collected = { fields: [], host: undefined, contentLength: -1, cookieAt: -1 };
  for (; at < all.length; at += 2) {
    const name = all[at] as string;
    const value = all[at + 1] as string;
    const fault = faultOfName(name) ?? takeField(collected, name, value);
    if (fault !== undefined) return malformed(fault);
    if (rules.checksValues && !isLawfulValue(value)) return malformed(`the value of ${name}`);
  }
  const { fields, contentLength } = collected;
  if (!hasPseudo) return { ...MALFORMED, kind: 'trailers', fields, contentLength };
  return judge(pseudo, collected);
}

const COLON = 58;

/** Pseudo-fields stand once each, before all others, and only the known ones (RFC 9113, 8.3). */
function takePseudo(pseudo: Pseudo, name: string, value: string): string | undefined {
  let before: string | undefined;
  switch (name) {
    case ':method':
      before = pseudo.method;
      pseudo.method = value;
      break;
    case ':scheme':
      before = pseudo.scheme;
      pseudo.scheme = value;
      break;
    case ':path':
      before = pseudo.path;
      pseudo.path = value;
      break;
    case ':authority':
      before = pseudo.authority;
      pseudo.authority = value;
      break;
    case ':protocol':
      before = pseudo.protocol;
      pseudo.protocol = value;
      break;
    default:
      return `the pseudo-field ${JSON.stringify(name.slice(0, 40))}`;
  }
  return before === undefined ? undefined : `${name} twice`;
}

function takeField(collected: Collected, name: string, value: string): string | undefined {
  const { fields } = collected;
  switch (name) {
    case 'host':
      if (collected.host !== undefined && collected.host !== value) return 'two hosts';
      collected.host = value;
      return undefined;
    case 'te':
      if (value.toLowerCase() !== 'trailers') return 'te that asks for more than trailers';
      fields.push(name, 'trailers');
      return undefined;
    case 'content-length': {
      const length = parseContentLength(value);
      const known = collected.contentLength;
      if (length < 0 || (known >= 0 && known !== length)) return 'a wrong content-length';
      if (known < 0) fields.push(name, value);
      collected.contentLength = length;
      return undefined;
    }
    case 'cookie':
      // Crumbs are one field to whoever comes next (RFC 9113, 8.2.3).
      if (collected.cookieAt >= 0) fields[collected.cookieAt] += `; ${value}`;
      else collected.cookieAt = fields.push(name, value) - 1;
      return undefined;
    case 'expect':
    case 'http2-settings':
      return undefined;
    default:
      fields.push(name, value);
      return undefined;
  }
}

function judge(pseudo: Pseudo, { fields, host, contentLength }: Collected): RequestBlock {
  const { method, scheme, path, authority, protocol } = pseudo;
  if (method === undefined || !METHOD.test(method)) return malformed('a wrong or missing :method');
  const isConnect = method === 'CONNECT';
  if (protocol !== undefined && !isConnect) return malformed(':protocol without CONNECT');
  if (isConnect && protocol === undefined) {
    if (scheme !== undefined || path !== undefined) return malformed('CONNECT with :scheme or :path');
    return authority === undefined ? malformed('CONNECT without :authority') : refused(405, method);
  }
  if (scheme === undefined || scheme === '') return malformed('no :scheme');
  if (path === undefined || path === '') return malformed('no :path');
  if (isConnect && authority === undefined) return malformed('CONNECT without :authority');
  // RFC 9113, 8.3.1: Host must not name another than :authority.
  if (authority !== undefined && host !== undefined && authority !== host) return refused(400, method);
  const asked = authority ?? host ?? '';
  if (asked !== '' && !isAuthority(asked)) return refused(400, method);
  if (!PATH.test(path)) return refused(400, method);
  return {
    kind: 'request',
    method,
    path,
    authority: asked,
    protocol: protocol ?? '',
    fields,
    contentLength,
    status: 0,
    fault: '',
  };
}

function malformed(fault: string): RequestBlock {
  return { ...MALFORMED, fault };
}

function refused(status: number, method: string): RequestBlock {
  return { ...MALFORMED, kind: 'refused', status, method };
}
