import type { IncomingMessage } from 'node:http';
import type { Fields } from '@bascule/core';
import { isAuthority, toOriginPath } from '../listener/target.ts';
import { toFieldName } from './field-names.ts';

/** A request head that may go on. */
export interface ParsedHead {
  readonly path: string;
  readonly authority: string;
  readonly fields: Fields;
  readonly hasBody: boolean;
  /** It asks for another protocol, which is not given. Node's parser drops what came right behind such a request. */
  readonly asksUpgrade: boolean;
}

/** Why a request is turned away. The connection is closed after it, since its next bytes cannot be trusted. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
  /** Beside those that every refusal has. */
  readonly fields?: Fields;
}

function refuse(status: number, text: string): Refusal {
  return { status, text: `${text}\n` };
}

/** What the fields of one head say about framing and target. */
interface Facts {
  hosts: number;
  host: string;
  connection: string;
  transferEncoding: string | undefined;
  hasBody: boolean;
  asksUpgrade: boolean;
}

/**
 * Checks what Node's parser lets through, and gives the head in the shape of the law. Every rule here is one way for
 * two parsers on one path to disagree about where a request ends or whom it is for (RFC 9112, 3.2 and 6.1).
 */
export function parseRequestHead(request: IncomingMessage, maxPairs: number): ParsedHead | Refusal {
  const raw = request.rawHeaders;
  if (raw.length > maxPairs * 2) return refuse(431, `More than ${maxPairs} header fields: send fewer.`);
  // Node's parser takes "HTTP/2.0" in a request line, and then as the older of the two.
  if (request.httpVersionMajor !== 1) return refuse(505, 'The version of HTTP is not 1.0 or 1.1.');
  const facts: Facts = {
    hosts: 0,
    host: '',
    connection: '',
    transferEncoding: undefined,
    hasBody: false,
    asksUpgrade: false,
  };
  const fields = collectFields(raw, facts);
  if (facts.hosts === 0 && request.httpVersionMinor > 0) return refuse(400, 'A Host field is missing.');
  if (facts.hosts > 1) return refuse(400, 'More than one Host field: send one.');
  if (facts.hosts === 1 && !isAuthority(facts.host)) return refuse(400, 'The Host field is not host[:port].');
  if (facts.transferEncoding !== undefined) {
    if (request.httpVersionMinor === 0) return refuse(400, 'Transfer-Encoding needs HTTP/1.1.');
    if (facts.transferEncoding.toLowerCase() !== 'chunked')
      return refuse(501, 'The only Transfer-Encoding taken is "chunked".');
  }
  const path = toOriginPath(request.url ?? '', facts.host);
  if (path === undefined) return refuse(400, 'The request target is not a path of this host.');
  return {
    path,
    authority: facts.host,
    fields: isPlainConnection(facts.connection) ? fields : withoutNominated(fields, facts.connection),
    hasBody: facts.hasBody,
    asksUpgrade: facts.asksUpgrade,
  };
}

function collectFields(raw: readonly string[], facts: Facts): string[] {
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const value = raw[i + 1] as string;
    const { name, use } = toFieldName(raw[i] as string);
    if (use === 'pass') fields.push(name, value);
    else noteField(use, value, fields, facts);
  }
  return fields;
}

function noteField(use: string, value: string, fields: string[], facts: Facts): void {
  switch (use) {
    case 'host':
      facts.hosts += 1;
      facts.host = value;
      break;
    case 'connection':
      facts.connection += facts.connection === '' ? value : `,${value}`;
      break;
    case 'transfer-encoding':
      // Joined, so that two lines are no way around the check of one.
      facts.transferEncoding = facts.transferEncoding === undefined ? value : `${facts.transferEncoding},${value}`;
      facts.hasBody = true;
      break;
    case 'content-length':
      if (value !== '0') facts.hasBody = true;
      fields.push('content-length', value);
      break;
    case 'upgrade':
      facts.asksUpgrade = true;
      break;
    case 'te':
      if (value.toLowerCase() === 'trailers') fields.push('te', 'trailers');
      break;
    default:
  }
}

function isPlainConnection(value: string): boolean {
  return value === '' || value === 'keep-alive' || value === 'close' || value === 'Keep-Alive';
}

/** Fields that Connection names belong to this connection alone (RFC 9110, 7.6.1); framing fields cannot be named away. */
function withoutNominated(fields: readonly string[], connection: string): string[] {
  const named = new Set(connection.split(',').map((token) => token.trim().toLowerCase()));
  named.delete('content-length');
  named.delete('te');
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    if (!named.has(fields[i] as string)) kept.push(fields[i] as string, fields[i + 1] as string);
  }
  return kept;
}
