import type { ServerResponse } from 'node:http';
import { getField, withoutFields, type Fields, type ResponseHead } from '@bascule/core';
import type { ByteBuffer } from '../http2/byte-buffer.ts';
import type { Edge } from '../listener/edge.ts';
import { announcedLength, BODY_START, type Sink, type SinkWriter } from '../listener/exchange.ts';
import { isSendable, toSendable } from '../listener/fields.ts';

// Up to here head and body leave as one string, which Node writes in one piece; a Buffer would cost a gathering write.
const ONE_STRING_BYTES = 4_096;

const TRAILER: ReadonlySet<string> = new Set(['trailer']);

/**
 * Writes an answer through node:http. Node decides whether it goes in chunks; their frames are made here, around the bytes
 * where they stand, since Node's own are three more writes each.
 */
export class Http1Sink implements Sink {
  readonly #response: ServerResponse;
  readonly #edge: Edge;
  #bytesLeft: number | undefined;
  #isChunked = false;
  #writer: SinkWriter | undefined;
  /** Writes that Node has not called back for. */
  #unwritten = 0;
  #onWritten: (() => void) | undefined;

  constructor(response: ServerResponse, edge: Edge) {
    this.#response = response;
    this.#edge = edge;
  }

  whole(head: ResponseHead, body: ByteBuffer | undefined, trailers: Fields): void {
    const response = this.#response;
    if (this.#hasNoBody(head.status)) {
      this.#writeHead(head.status, head.fields);
      response.end();
      return;
    }
    if (trailers.length > 0 && getField(head.fields, 'trailer') !== undefined) {
      this.head(head, true);
      return this.end(body, trailers);
    }
    const length = lengthOf(body);
    const announced = announcedLength(head.fields);
    if (announced !== undefined && announced !== length) return this.abort();
    const fields = announced === undefined ? [...head.fields, 'content-length', String(length)] : head.fields;
    this.#writeHead(head.status, fields);
    if (body === undefined) response.end();
    else if (length <= ONE_STRING_BYTES) response.end(body.bytes.toString('latin1', BODY_START, body.length), 'latin1');
    else response.end(body.bytes.subarray(BODY_START, body.length));
  }

  head(head: ResponseHead, bytesFollow: boolean): void {
    const response = this.#response;
    this.#bytesLeft = this.#hasNoBody(head.status) ? undefined : announcedLength(head.fields);
    this.#writeHead(head.status, head.fields);
    this.#isChunked = response.chunkedEncoding;
    response.chunkedEncoding = false;
    if (!bytesFollow) response.flushHeaders();
  }

  bytes(body: ByteBuffer, writer: SinkWriter): boolean {
    const response = this.#response;
    if (response.destroyed) return true;
    if (!this.#fits(body)) return (this.abort(), true);
    this.#writer = writer;
    // Not the response's own cork, which its first bytes put on twice. Without one, Node would write at the end of the
    // tick, and it would not be known yet whether the system took them.
    const { socket } = response;
    socket?.cork();
    this.#write(body);
    socket?.uncork();
    return response.writableLength === 0;
  }

  end(body: ByteBuffer | undefined, trailers: Fields): void {
    const response = this.#response;
    if (response.destroyed) return;
    if (!this.#fits(body) || (this.#bytesLeft !== undefined && this.#bytesLeft !== 0)) return this.abort();
    if (body !== undefined) this.#write(body);
    if (trailers.length > 0) response.addTrailers(toPairs(trailers));
    // From here on it is Node again that says the end, with the trailers.
    response.chunkedEncoding = this.#isChunked;
    response.end();
  }

  abort(): void {
    this.#response.destroy();
  }

  waitingBytes(): number {
    return this.#response.writableLength;
  }

  #write(body: ByteBuffer): void {
    let start = BODY_START;
    if (this.#isChunked) {
      const at = body.reserve(2);
      start = writeSizeLine(body.bytes, lengthOf(body));
      body.bytes[at] = CR;
      body.bytes[at + 1] = LF;
      body.length = at + 2;
    }
    this.#onWritten ??= () => this.#written();
    this.#unwritten += 1;
    this.#response.write(body.bytes.subarray(start, body.length), this.#onWritten);
  }

  #written(): void {
    this.#unwritten -= 1;
    if (this.#unwritten === 0) this.#writer?.taken();
  }

  #writeHead(status: number, fields: Fields): void {
    const response = this.#response;
    if (this.#edge.isDraining) response.shouldKeepAlive = false;
    try {
      response.writeHead(status, fields as string[]);
    } catch {
      // Also thrown for an announced trailer where the answer has no chunks to put it behind.
      response.writeHead(status, withoutFields(toSendable(fields), TRAILER));
    }
  }

  // A body of another length than announced would be read as the start of the next answer.
  #fits(body: ByteBuffer | undefined): boolean {
    if (this.#bytesLeft === undefined) return true;
    this.#bytesLeft -= lengthOf(body);
    return this.#bytesLeft >= 0;
  }

  #hasNoBody(status: number): boolean {
    return status === 204 || status === 304 || this.#response.req.method === 'HEAD';
  }
}

const CR = 13;
const LF = 10;
const HEX = Buffer.from('0123456789abcdef', 'latin1');

/** Writes the size of a chunk before its bytes (RFC 9112, 7.1), and returns where it begins. */
function writeSizeLine(bytes: Buffer, count: number): number {
  let at = BODY_START - 2;
  bytes[at] = CR;
  bytes[at + 1] = LF;
  for (let rest = count; rest > 0; rest >>>= 4) bytes[--at] = HEX[rest & 15] as number;
  return at;
}

function lengthOf(body: ByteBuffer | undefined): number {
  return body === undefined ? 0 : body.length - BODY_START;
}

/** node:http takes trailers as pairs, and sends them only where the head announced `trailer`. */
function toPairs(fields: Fields): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (isSendable(name, value)) pairs.push([name, value]);
  }
  return pairs;
}
