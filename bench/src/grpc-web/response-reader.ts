/** A complete HTTP/1.1 answer. Its bytes are lent: they hold until the reader reads on. */
export interface HttpAnswer {
  readonly status: number;
  /** Status line and fields, lower-case. */
  readonly head: string;
  readonly body: Buffer;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Reads one answer at a time from bytes cut anywhere. Written for the answers of this bench alone, which are small: an
 * answer that is not complete is read again from its start when more has come.
 */
export class ResponseReader {
  #held: Buffer | undefined;

  /** The answer, once its last byte is there. Throws what is wrong with it. */
  read(bytes: Buffer): HttpAnswer | undefined {
    const all = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
    const answer = parseAnswer(all);
    if (answer === undefined) this.#held = Buffer.from(all);
    else this.#held = undefined;
    return answer;
  }

  /** Whether part of an answer has come. */
  isInside(): boolean {
    return this.#held !== undefined;
  }
}

function parseAnswer(bytes: Buffer): HttpAnswer | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd + 2).toLowerCase();
  const status = Number(head.slice(9, 12));
  const start = headEnd + 4;
  const length = readField(head, 'content-length');
  if (length === undefined) {
    if (readField(head, 'transfer-encoding') !== 'chunked') throw new Error('an answer without a length');
    const body = readChunks(bytes, start);
    return body === undefined ? undefined : { status, head, body };
  }
  const end = start + Number(length);
  if (bytes.length > end) throw new Error(`${bytes.length - end} bytes behind an answer`);
  return bytes.length < end ? undefined : { status, head, body: bytes.subarray(start, end) };
}

/** Value of a field of a lower-case head. */
export function readField(head: string, name: string): string | undefined {
  const at = head.indexOf(`\r\n${name}:`);
  if (at < 0) return undefined;
  const start = at + name.length + 3;
  return head.slice(start, head.indexOf('\r\n', start)).trim();
}

function readChunks(bytes: Buffer, start: number): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const length = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    const next = lineEnd + 2 + length + 2;
    if (bytes.length < next) return undefined;
    if (length === 0) return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + length));
    at = next;
  }
}
