import type { Socket } from 'node:net';
import type { Clock } from '@bascule/core';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Where a connection goes once its first bytes are known. */
export interface SniffOptions {
  readonly clock: Clock;
  /** Milliseconds for the first bytes to come; then the connection is closed. */
  readonly timeoutMs: number;
  readonly http1: (socket: Socket) => void;
  /** `seen` are the bytes that were read to know it. */
  readonly http2: (socket: Socket, seen: Buffer) => void;
  /** Told of a connection that is closed: one that does not speak in time, or speaks neither. */
  readonly refused: (kind: 'slow-preface' | 'protocol-error') => void;
  /** Told when the connection has been handed on or has gone. */
  readonly left: () => void;
}

/**
 * Looks at the first bytes of a connection and hands it on with every byte still to be used. HTTP/1.1 is known at the
 * first byte that differs from HTTP/2's preface (RFC 9113, 3.4), HTTP/2 when the preface is whole.
 */
export function sniff(socket: Socket, { clock, timeoutMs, http1, http2, refused, left }: SniffOptions): void {
  let seen: Buffer | undefined;
  const timer = clock.after(timeoutMs, () => {
    refused('slow-preface');
    abandon();
  });

  // Node's own idle close on half-closed sockets is off for HTTP servers, so a FIN before any byte would stay open.
  function abandon(): void {
    leave();
    socket.destroy();
  }

  function leave(): void {
    timer.cancel();
    left();
    socket.off('data', look);
    socket.off('end', abandon);
    socket.off('error', abandon);
    socket.off('close', leave);
  }

  function look(chunk: Buffer): void {
    seen = seen === undefined ? chunk : Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    const isPreface = seen.compare(PREFACE, 0, length, 0, length) === 0;
    if (isPreface && length < PREFACE.length) return;
    leave();
    if (isPreface) {
      http2(socket, seen);
    } else if (isOtherProtocol(seen)) {
      // Without a word, for nobody knows which words it reads.
      refused('protocol-error');
      socket.destroy();
    } else {
      // node:http goes on reading from the handle itself, past the stream, only if it took the socket before it flows on.
      http1(socket);
      socket.unshift(seen);
    }
  }

  socket.on('data', look);
  socket.on('end', abandon);
  socket.on('error', abandon);
  socket.on('close', leave);
}

/** A first line that names no version of HTTP. A line that has not ended yet is for the parser to judge. */
function isOtherProtocol(seen: Buffer): boolean {
  const end = seen.indexOf(10);
  const line = seen.toString('latin1', 0, Math.max(0, end)).trimEnd();
  return line !== '' && !/HTTP\/\d+(\.\d+)?$/.test(line);
}
