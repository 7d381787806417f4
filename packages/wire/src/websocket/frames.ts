/** The subprotocol by which both sides agree on this dialect. Another layout of frames gets another name. */
export const SUBPROTOCOL = 'bascule.v1';

/** First byte of a frame. `docs/websocket.md` has the tables. */
export const FrameType = {
  /** Caller: starts a call. */
  open: 1,
  /** Callee: fields before the first message. */
  head: 2,
  /** Both: bytes of length-prefixed messages. */
  data: 3,
  /** Caller: no more bytes. */
  end: 4,
  /** Callee: how the call ended; the last frame of a call. */
  trailers: 5,
  /** Both: room for more bytes of the other side. */
  grant: 6,
  /** Caller: gives the call up. */
  cancel: 7,
  /** Callee: takes no calls above the id; the largest id says "soon". */
  goAway: 8,
} as const;

/** Ids, lengths and credit end here: what a 32-bit integer of any language holds. */
export const MAX_NUMBER = 0x7fff_ffff;

/** Codecs by their byte in OPEN, as media types of the inner dialect. */
export const CODECS: readonly string[] = ['application/grpc+proto', 'application/grpc+json'];

/** Why a WebSocket is closed by us. Source: RFC 6455, 7.4.1. */
export const CloseCode = {
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  policyViolation: 1008,
  tryAgainLater: 1013,
} as const;
