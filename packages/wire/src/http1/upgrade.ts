import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { getField } from '@bascule/core';
import { peerAddress, type Edge } from '../listener/edge.ts';
import type { ListenLimits } from '../listener/limits.ts';
import type { WebSocketEdge } from '../websocket/edge.ts';
import { refused, type Verdict } from '../websocket/handshake.ts';
import { parseRequestHead, type ParsedHead, type Refusal } from './request-head.ts';

/** 16 bytes in base64. Source: RFC 6455, 4.1. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** Whether a request is a handshake that will be accepted: all others are answered as requests, so that order and words stay. */
export function isUpgrade(request: IncomingMessage, limits: ListenLimits, webSocket: WebSocketEdge): boolean {
  const head = parseRequestHead(request, limits.maxHeaderPairs);
  if ('status' in head || request.method !== 'GET' || !webSocket.isAt(head.path)) return false;
  return judgeUpgrade(request, head, webSocket).type === 'accepted';
}

/** What a GET at the path of sockets is told that is not to be one. */
export function refuseUpgrade(request: IncomingMessage, head: ParsedHead, webSocket: WebSocketEdge): Refusal {
  const verdict = judgeUpgrade(request, head, webSocket);
  return verdict.type === 'refused' ? verdict : refused(400, 'A WebSocket handshake waits for the answers before it.');
}

/** Hands over a connection for which {@link isUpgrade} was true. */
export function openWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  first: Buffer,
  { edge, webSocket }: { readonly edge: Edge; readonly webSocket: WebSocketEdge },
): void {
  const head = parseRequestHead(request, edge.limits.maxHeaderPairs);
  const verdict = 'status' in head ? undefined : judgeUpgrade(request, head, webSocket);
  if ('status' in head || verdict?.type !== 'accepted') return void socket.destroy();
  webSocket.accept(socket, getField(head.fields, 'sec-websocket-key') ?? '', first, {
    authority: head.authority,
    scheme: edge.scheme,
    peer: peerAddress(request.socket),
    httpVersion: '1.1',
    fields: verdict.fields,
  });
}

/** Source: RFC 6455, 4.2.1. */
function judgeUpgrade(request: IncomingMessage, head: ParsedHead, webSocket: WebSocketEdge): Verdict {
  if (!asksFor(request.rawHeaders, 'upgrade', 'websocket') || !asksFor(request.rawHeaders, 'connection', 'upgrade')) {
    return refused(426, 'This is the path of WebSockets.', ['upgrade', 'websocket']);
  }
  if (request.httpVersionMinor === 0) return refused(400, 'A WebSocket handshake needs HTTP/1.1.');
  if (head.hasBody) return refused(400, 'A WebSocket handshake has no body.');
  if (!KEY.test(getField(head.fields, 'sec-websocket-key') ?? '')) {
    return refused(400, 'The Sec-WebSocket-Key is not 16 bytes in base64.');
  }
  return webSocket.judge(head);
}

/** True if one of the values of a field, lists included, is `token`. */
function asksFor(raw: readonly string[], name: string, token: string): boolean {
  for (let i = 0; i < raw.length; i += 2) {
    if ((raw[i] as string).toLowerCase() !== name) continue;
    if ((raw[i + 1] as string).split(',').some((value) => value.trim().toLowerCase() === token)) return true;
  }
  return false;
}
