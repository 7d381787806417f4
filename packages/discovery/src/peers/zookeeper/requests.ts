import { ZookeeperError } from './errors.ts';
import { JuteError, type JuteReader } from './jute-reader.ts';
import type { Operation } from './operations.ts';
import { hasOwnXid, XID, type ReplyHeader } from './packets.ts';

interface Pending {
  readonly xid: number;
  readonly operation: Operation<unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** What was asked on a connection and is not answered yet. Answers come in the order of requests. */
export class Requests {
  readonly #pending: Pending[] = [];
  #xid = 0;

  /** One more, with the id that it is to be sent with. */
  add<T>(operation: Operation<T>): { readonly xid: number; readonly answered: Promise<T> } {
    const xid = hasOwnXid(operation) ? XID.setWatches : ++this.#xid;
    const { promise: answered, resolve, reject } = Promise.withResolvers<T>();
    this.#pending.push({ xid, operation, resolve, reject });
    return { xid, answered };
  }

  /** Throws JuteError for an answer that cannot be one. */
  answer({ xid, code }: ReplyHeader, reader: JuteReader): void {
    const first = this.#pending.shift();
    if (first === undefined) throw new JuteError(`answer ${xid} to nothing that was asked`);
    try {
      if (first.xid !== xid) throw new JuteError(`answer ${xid} where ${first.xid} was due`);
      if (code !== 0) throw new ZookeeperError(code, first.operation.path);
      first.resolve(first.operation.read(reader));
    } catch (error) {
      first.reject(error);
      // What cannot be read leaves nothing behind it that could be trusted.
      if (error instanceof JuteError) throw error;
    }
  }

  rejectAll(why: Error): void {
    for (const pending of this.#pending.splice(0)) pending.reject(why);
  }
}
