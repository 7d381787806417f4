import { readField, type HttpAnswer } from './response-reader.ts';

/** Code of answers that bring none: no gRPC status has it. */
export const NO_CODE = -1;

/** What a gRPC-Web answer to a unary call says. */
export interface UnaryAnswer {
  /** `grpc-status`, or {@link NO_CODE}. */
  readonly code: number;
  /** The one message; empty where there is none. */
  readonly message: Buffer;
  /** Why it is no answer of a call that went well; empty when it is. */
  readonly fault: string;
}

const EMPTY = Buffer.alloc(0);
const STATUS = /(?:^|\r\n)grpc-status: ?(\d+)/i;
const TRAILERS_FLAG = 0x80;

/** Judges an answer by all that gRPC-Web asks: HTTP 200, one message, a frame of trailers with status 0, nothing else. */
export function readUnaryAnswer({ status, head, body }: HttpAnswer): UnaryAnswer {
  if (status !== 200) return { code: codeIn(head), message: EMPTY, fault: `HTTP ${status}` };
  const frames = readFrames(body);
  const last = frames.at(-1);
  if (last?.flags !== TRAILERS_FLAG) {
    const code = codeIn(head);
    const fault = code > 0 ? `code ${code}: ${readField(head, 'grpc-message') ?? ''}` : 'no frame of trailers';
    return { code, message: EMPTY, fault };
  }
  const trailers = last.bytes.toString('latin1');
  const code = codeIn(trailers);
  const message = frames[0]?.flags === 0 ? frames[0].bytes : EMPTY;
  if (code !== 0) return { code, message, fault: `code ${code}: ${/grpc-message: ?(.*)/i.exec(trailers)?.[1] ?? ''}` };
  const fault = frames.length === 2 && frames[0]?.flags === 0 ? '' : `${frames.length - 1} messages with status 0`;
  return { code, message, fault };
}

function codeIn(text: string): number {
  return Number(STATUS.exec(text)?.[1] ?? NO_CODE);
}

interface Frame {
  readonly flags: number;
  readonly bytes: Buffer;
}

function readFrames(body: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < body.length;) {
    const end = at + 5 <= body.length ? at + 5 + body.readUInt32BE(at + 1) : Infinity;
    // A body that ends inside a frame was cut off, whatever stands before it.
    if (end > body.length) return [];
    frames.push({ flags: body[at] as number, bytes: body.subarray(at + 5, end) });
    at = end;
  }
  return frames;
}
