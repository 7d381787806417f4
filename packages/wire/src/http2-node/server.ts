import {
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import type { Socket } from 'node:net';
import { createCallContext, INITIAL_CREDIT_BYTES, type Timer } from '@bascule/core';
import { peerAddress, type Edge } from '../listener/edge.ts';
import { Exchange } from '../listener/exchange.ts';
import type { ListenLimits } from '../listener/limits.ts';
import { parseRequestHead } from './request-head.ts';
import { createSink } from './sink.ts';

/** The HTTP/2 side of a listener. */
export interface Http2Edge {
  /** Takes a connection whose preface is still to be read. */
  accept(socket: Socket): void;
  /** Says GOAWAY to all; each closes after its last stream. */
  drain(): void;
}

/** Serves HTTP/2 connections through node:http2. */
export function createHttp2Edge(edge: Edge): Http2Edge {
  const server: Http2Server = createServer(toHttp2Options(edge.limits));
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    watchSession(session, edge);
    if (edge.isDraining) session.close();
  });
  server.on('sessionError', ignore);
  server.on('stream', (stream: ServerHttp2Stream, _headers: unknown, _flags: number, raw: string[]) => {
    takeStream(stream, raw, edge);
  });
  return {
    accept(socket) {
      // Sockets of an http.Server outlive their peer's FIN, and node:http2 does not look for one: calls would stay open.
      socket.allowHalfOpen = false;
      server.emit('connection', socket);
    },
    drain() {
      for (const session of sessions) session.close();
    },
  };
}

function toHttp2Options(limits: ListenLimits): ServerOptions {
  return {
    settings: {
      maxConcurrentStreams: limits.maxStreams,
      maxHeaderListSize: limits.maxHeaderBytes,
      initialWindowSize: INITIAL_CREDIT_BYTES,
      enablePush: false,
    },
    maxHeaderListPairs: limits.maxHeaderPairs + 8,
    maxSettings: 32,
    maxOutstandingPings: 10,
    // Not lower: refused streams of an honest client count as invalid frames.
    maxSessionInvalidFrames: 1_000,
    maxSessionRejectedStreams: 100,
    streamResetBurst: limits.resetBurst,
    streamResetRate: limits.resetPerSecond,
    strictFieldWhitespaceValidation: true,
  };
}

function takeStream(stream: ServerHttp2Stream, raw: readonly string[], edge: Edge): void {
  // Its cause is in the code of the reset; unheard it would end the process.
  stream.on('error', ignore);
  const head = parseRequestHead(raw, edge.limits.maxHeaderPairs);
  if (typeof head === 'number') return stream.respond({ ':status': head }, { endStream: true });
  const peer = peerAddress(stream.session?.socket ?? {});
  const call = createCallContext(edge.nextCallId(), edge.clock.nowMs(), peer);
  call.httpVersion = '2';
  const exchange = new Exchange(edge, createSink(stream, head.method));
  stream.on('drain', () => exchange.drained());
  stream.on('close', () => exchange.closed());
  exchange.start({ ...head, scheme: edge.scheme, call }, stream.endAfterHeaders ? undefined : stream);
  if (stream.endAfterHeaders) stream.resume();
}

/** What node:http2 does not time or count by itself. */
function watchSession(session: ServerHttp2Session, edge: Edge): void {
  const { clock, limits } = edge;
  session.on('error', ignore);
  session.setLocalWindowSize(limits.connectionWindowBytes);
  const silent: Timer = clock.after(limits.prefaceTimeoutMs, () => session.destroy());
  const ageMs = limits.sessionAgeMs * (0.9 + 0.2 * clock.random());
  const aged: Timer = clock.after(ageMs, () => session.close());
  const countSettings = createRateCheck(edge, limits.settingsPerSecond, session);
  const isProbe = createProbeCheck(session);
  const countPings = createRateCheck(edge, limits.pingsPerSecond, session);
  session.on('remoteSettings', () => {
    silent.cancel();
    countSettings();
  });
  session.on('ping', () => {
    if (!session.destroyed && !isProbe()) countPings();
  });
  session.setTimeout(limits.sessionIdleMs, () => session.close());
  session.once('close', () => {
    silent.cancel();
    aged.cancel();
  });
}

/** Counts events per second and disconnects who sends more. */
function createRateCheck({ clock }: Edge, perSecond: number, session: ServerHttp2Session): () => void {
  let windowStartMs = clock.nowMs();
  let count = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs - windowStartMs >= 1_000) {
      windowStartMs = nowMs;
      count = 0;
    }
    if (++count > perSecond && !session.destroyed) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  };
}

const PING_ACK_BYTES = 17;

/**
 * gRPC clients measure their path with a PING per round trip while answers come in: those are no flood. True for the
 * first PING after we have written more than acknowledgements of PINGs.
 */
function createProbeCheck(session: ServerHttp2Session): () => boolean {
  let pings = 0;
  let seenBytes = 0;
  return () => {
    const otherBytes = session.socket.bytesWritten - PING_ACK_BYTES * pings++;
    if (otherBytes <= seenBytes) return false;
    seenBytes = otherBytes;
    return true;
  };
}

function ignore(): void {}
