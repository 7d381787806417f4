import { INITIAL_CREDIT_BYTES, type Body, type Cancel, type Reply, type Service } from '@bascule/core';

/** What a callee of the suite saw. */
export interface CalleeLog {
  received: number;
  /** Request bytes beyond what was granted. */
  overrun: number;
  readonly cancels: Cancel[];
}

const HEAD = { status: 200, fields: ['content-type', 'application/grpc'] };

/** Sends every byte back, within the caller's credit, from a buffer that it overwrites at once. */
export function echoCallee(log: CalleeLog = { received: 0, overrun: 0, cancels: [] }): Service {
  return (_head, reply) => {
    const writer = createWriter(reply);
    let isAnswered = false;
    const answer = (): void => {
      if (!isAnswered) reply.head(HEAD);
      isAnswered = true;
    };
    return {
      write(bytes) {
        log.received += bytes.length;
        answer();
        writer.push(bytes);
        reply.grant(bytes.length);
      },
      end() {
        answer();
        writer.end(['grpc-status', '0']);
      },
      cancel: (reason) => void log.cancels.push(reason),
      grant: (bytes) => writer.grant(bytes),
    };
  };
}

/** Reads without granting until told, and counts what comes beyond its grants. Answers empty at the end. */
export function creditCallee(log: CalleeLog): { service: Service; grantAsRead(): void } {
  let isGranting = false;
  let granted = INITIAL_CREDIT_BYTES;
  let reply: Reply | undefined;
  const grant = (bytes: number): void => {
    granted += bytes;
    reply?.grant(bytes);
  };
  const body: Body = {
    write(bytes) {
      log.received += bytes.length;
      log.overrun = Math.max(log.overrun, log.received - granted);
      if (isGranting) grant(bytes.length);
    },
    end() {
      reply?.head(HEAD);
      reply?.end(['grpc-status', '0']);
    },
    cancel: (reason) => void log.cancels.push(reason),
    grant() {},
  };
  return {
    service(_head, itsReply) {
      reply = itsReply;
      return body;
    },
    grantAsRead() {
      isGranting = true;
      grant(log.received);
    },
  };
}

/** Answers `bytes` as fast as credit allows, once the request has ended. */
export function bigAnswerCallee(bytes: Uint8Array): Service {
  return (_head, reply) => {
    const writer = createWriter(reply);
    return {
      write() {},
      end() {
        reply.head(HEAD);
        writer.push(bytes);
        writer.end(['grpc-status', '0']);
      },
      cancel() {},
      grant: (n) => writer.grant(n),
    };
  };
}

/** Writes within credit, in pieces of at most 16 KiB, through one buffer that is overwritten after each piece. */
function createWriter(reply: Reply): {
  push(bytes: Uint8Array): void;
  end(trailers: string[]): void;
  grant(n: number): void;
} {
  const buffer = new Uint8Array(16_384);
  let waiting: Uint8Array[] = [];
  let credit = INITIAL_CREDIT_BYTES;
  let trailers: string[] | undefined;
  let isWriting = false;

  function run(): void {
    // A grant may come inside `reply.write`; the pieces must not overtake each other.
    if (isWriting) return;
    isWriting = true;
    for (let first = waiting[0]; first !== undefined && credit > 0; first = waiting[0]) {
      const length = Math.min(first.length, credit, buffer.length);
      if (length === first.length) waiting.shift();
      else waiting[0] = first.subarray(length);
      buffer.set(first.subarray(0, length));
      credit -= length;
      reply.write(buffer.subarray(0, length));
      buffer.fill(0xdd, 0, length);
    }
    isWriting = false;
    if (trailers === undefined || waiting.length > 0) return;
    const last = trailers;
    trailers = undefined;
    reply.end(last);
  }

  return {
    push(bytes) {
      waiting.push(new Uint8Array(bytes));
      run();
    },
    end(last) {
      trailers = last;
      run();
    },
    grant(n) {
      credit += n;
      run();
    },
  };
}
