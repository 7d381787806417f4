import { callError, Code, type CallError } from '@bascule/core';
import { decodeBase64 } from '../base64.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{0,64}$/;

/** What the query of a GET says. Source: Connect protocol, Unary-Get-Request. */
interface GetQuery {
  /** Codec, as in `proto`. */
  readonly encoding: string;
  /** Empty when the message is not compressed. */
  readonly compression: string;
  readonly message: Uint8Array;
}

/** Whether a query is meant for Connect, be it whole or not. */
export function isConnectQuery(path: string): boolean {
  return /[?&](encoding|message|connect)=/.test(path);
}

/** Reads the query of `path`. */
export function parseGetQuery(path: string): GetQuery | CallError {
  const pairs = readPairs(path);
  const text = (name: string): string | undefined => decodePercent(pairs.get(name) ?? '')?.toString('latin1');
  const version = text('connect') ?? '';
  const encoding = text('encoding') ?? '';
  const raw = pairs.get('message');
  if (version !== '' && version !== 'v1') return invalid('parameter "connect" must be "v1"');
  if (encoding === '') return invalid('parameter "encoding" is missing; send proto or json');
  if (raw === undefined) return invalid('parameter "message" is missing');
  const message = decodeMessage(raw, text('base64') === '1');
  if (message === undefined) return invalid('parameter "message" does not decode');
  const compression = text('compression') ?? '';
  // It goes on as a field: whatever no field may hold, such as a line break, stood escaped in the query until here.
  if (!TOKEN.test(compression)) return invalid('parameter "compression" is not the name of an encoding');
  return { encoding, compression: compression === 'identity' ? '' : compression, message };
}

function invalid(what: string): CallError {
  return callError(Code.invalidArgument, `the query of a Connect GET is wrong: ${what}`);
}

/** Undecoded values by name; the first of each counts. */
function readPairs(path: string): Map<string, string> {
  const pairs = new Map<string, string>();
  const query = path.indexOf('?');
  if (query < 0) return pairs;
  for (const pair of path.slice(query + 1).split('&')) {
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    if (!pairs.has(name)) pairs.set(name, equals < 0 ? '' : pair.slice(equals + 1));
  }
  return pairs;
}

function decodeMessage(raw: string, isBase64: boolean): Uint8Array | undefined {
  if (!isBase64) return decodePercent(raw.replaceAll('+', ' '));
  // A bare "+" is of the standard alphabet, which some callers send unescaped.
  const text = decodePercent(raw);
  return text === undefined ? undefined : decodeBase64(text.toString('latin1'));
}

/** Bytes of a percent-encoded value: not text, since a binary message need not be UTF-8. */
function decodePercent(raw: string): Buffer | undefined {
  const out = Buffer.allocUnsafe(raw.length);
  let length = 0;
  for (let i = 0; i < raw.length; i++) {
    const char = raw.charCodeAt(i);
    if (char !== 0x25) {
      out[length++] = char;
      continue;
    }
    const hex = raw.slice(i + 1, i + 3);
    if (!/^[0-9a-fA-F]{2}$/.test(hex)) return undefined;
    out[length++] = Number.parseInt(hex, 16);
    i += 2;
  }
  return out.subarray(0, length);
}
