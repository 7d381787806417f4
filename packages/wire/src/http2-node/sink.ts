import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Fields } from '@bascule/core';
import { BROKEN_HEAD } from '../listener/failure.ts';
import { announcedLength, type Sink } from '../listener/exchange.ts';
import { isSendable, toSendable } from '../listener/fields.ts';

/** Writes an answer through node:http2. */
export function createSink(stream: ServerHttp2Stream, method: string): Sink {
  let trailers: Fields = [];
  let bytesLeft: number | undefined;

  function respond(status: number, fields: Fields, endStream: boolean): void {
    const options = { endStream, waitForTrailers: !endStream };
    if (tryRespond(fields) || tryRespond(toSendable(fields))) return;
    // Such as two content-types: nobody can tell which one the callee meant.
    stream.respond({ ':status': BROKEN_HEAD.status }, { endStream: true });

    function tryRespond(fields: Fields): boolean {
      try {
        stream.respond([':status', String(status), ...fields], options);
        if (endStream) stopUpload(stream);
        return true;
      } catch {
        return false;
      }
    }
  }

  function fits(bytes: Buffer | undefined): boolean {
    if (bytesLeft === undefined) return true;
    bytesLeft -= bytes?.length ?? 0;
    return bytesLeft >= 0;
  }

  const sink: Sink = {
    whole(head, bytes, trailers) {
      if (!canRespond(stream)) return;
      if (bytes === undefined && trailers.length === 0) return respond(head.status, head.fields, true);
      sink.head(head);
      sink.end(bytes, trailers);
    },
    head(head) {
      if (!canRespond(stream)) return;
      if (method === 'HEAD') return respond(head.status, head.fields, true);
      bytesLeft = announcedLength(head.fields);
      stream.on('wantTrailers', () => sendTrailers(stream, trailers));
      respond(head.status, head.fields, false);
    },
    bytes(bytes) {
      if (!isOpen(stream)) return true;
      if (!fits(bytes)) return (sink.abort(), true);
      return stream.write(bytes);
    },
    end(bytes, last) {
      if (!isOpen(stream)) return;
      if (!fits(bytes) || (bytesLeft !== undefined && bytesLeft !== 0)) return sink.abort();
      trailers = last;
      if (bytes === undefined) stream.end();
      else stream.end(bytes);
    },
    abort: () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    waitingBytes: () => stream.writableLength,
  };
  return sink;
}

/** Node ends the writable side of a HEAD before anybody has answered it, so that is no sign. */
function canRespond(stream: ServerHttp2Stream): boolean {
  return !stream.destroyed && !stream.closed && !stream.headersSent;
}

function isOpen(stream: ServerHttp2Stream): boolean {
  return !stream.destroyed && !stream.closed && !stream.writableEnded;
}

function sendTrailers(stream: ServerHttp2Stream, fields: Fields): void {
  const trailers: Record<string, string[]> = Object.create(null);
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (isSendable(name, value)) (trailers[name] ??= []).push(value);
  }
  try {
    // Without fields this ends the stream with an empty DATA frame.
    stream.sendTrailers(trailers);
    stopUpload(stream);
  } catch {
    // Two values of a field that has one, say: the caller must not take the answer for a whole one.
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }
}

/**
 * Tells a caller that still uploads after its whole answer to stop (RFC 9113, 8.1). One turn later: a reset in the same
 * turn would overtake the trailers.
 */
function stopUpload(stream: ServerHttp2Stream): void {
  if (stream.endAfterHeaders) return;
  setImmediate(() => {
    if (!stream.readableEnded && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
  });
}
