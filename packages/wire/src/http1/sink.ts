import type { ServerResponse } from 'node:http';
import { getField, withoutFields, type Fields } from '@bascule/core';
import type { Edge } from '../listener/edge.ts';
import { announcedLength, type Sink } from '../listener/exchange.ts';
import { isSendable, toSendable } from '../listener/fields.ts';

// Up to here head and body leave as one string, which Node writes in one piece; a Buffer would cost a gathering write.
const ONE_STRING_BYTES = 4_096;

const TRAILER: ReadonlySet<string> = new Set(['trailer']);

/** Writes an answer through node:http. */
export function createSink(response: ServerResponse, edge: Edge): Sink {
  let bytesLeft: number | undefined;

  function writeHead(status: number, fields: Fields): void {
    if (edge.isDraining) response.shouldKeepAlive = false;
    try {
      response.writeHead(status, fields as string[]);
    } catch {
      // Also thrown for an announced trailer where the answer has no chunks to put it behind.
      response.writeHead(status, withoutFields(toSendable(fields), TRAILER));
    }
  }

  // A body of another length than announced would be read as the start of the next answer.
  function fits(bytes: Buffer | undefined): boolean {
    if (bytesLeft === undefined) return true;
    bytesLeft -= bytes?.length ?? 0;
    return bytesLeft >= 0;
  }

  return {
    whole(head, bytes, trailers) {
      if (hasNoBody(response, head.status)) return void (writeHead(head.status, head.fields), response.end());
      if (trailers.length > 0 && getField(head.fields, 'trailer') !== undefined) {
        this.head(head);
        return this.end(bytes, trailers);
      }
      const length = bytes?.length ?? 0;
      const announced = announcedLength(head.fields);
      if (announced !== undefined && announced !== length) return this.abort();
      const fields = announced === undefined ? [...head.fields, 'content-length', String(length)] : head.fields;
      writeHead(head.status, fields);
      if (bytes === undefined) response.end();
      else if (length <= ONE_STRING_BYTES) response.end(bytes.toString('latin1'), 'latin1');
      else response.end(bytes);
    },
    head(head) {
      bytesLeft = hasNoBody(response, head.status) ? undefined : announcedLength(head.fields);
      writeHead(head.status, head.fields);
      response.flushHeaders();
    },
    bytes(bytes) {
      if (response.destroyed) return true;
      if (!fits(bytes)) return (this.abort(), true);
      return response.write(bytes);
    },
    end(bytes, trailers) {
      if (response.destroyed) return;
      if (!fits(bytes) || (bytesLeft !== undefined && bytesLeft !== 0)) return this.abort();
      if (trailers.length > 0) response.addTrailers(toPairs(trailers));
      if (bytes === undefined) response.end();
      else response.end(bytes);
    },
    abort: () => void response.destroy(),
    waitingBytes: () => response.writableLength,
  };
}

function hasNoBody(response: ServerResponse, status: number): boolean {
  return status === 204 || status === 304 || response.req.method === 'HEAD';
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
