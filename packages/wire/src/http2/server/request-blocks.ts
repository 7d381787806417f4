import { BlockMemory, hashOf, MAX_REMEMBERED_BYTES } from '../block-memory.ts';
import type { HpackDecoder } from '../hpack/decoder.ts';
import { parseRequestBlock, type RequestBlock } from './request-block.ts';

/** Blocks that need no dynamic table mean the same on every connection: one memory serves a listener. */
const SHARED_SLOTS = 256;
/** A client that uses the table sends few different heads between two changes of it. */
const OWN_SLOTS = 4;

export type SharedBlocks = BlockMemory<RequestBlock>;

export function createSharedBlocks(): SharedBlocks {
  return new BlockMemory<RequestBlock>(SHARED_SLOTS);
}

/** Reads the header blocks of one connection (RFC 9113, 4.3), mostly by recognising them. */
export class RequestBlocks {
  readonly #decoder: HpackDecoder;
  readonly #shared: SharedBlocks;
  readonly #takesConnect: boolean;
  #own: BlockMemory<RequestBlock> | undefined;

  constructor(decoder: HpackDecoder, shared: SharedBlocks, takesConnect: boolean) {
    this.#decoder = decoder;
    this.#shared = shared;
    this.#takesConnect = takesConnect;
  }

  read(bytes: Buffer, start: number, end: number): RequestBlock {
    const decoder = this.#decoder;
    if (end - start > MAX_REMEMBERED_BYTES) return this.#parse(bytes, start, end);
    const hash = hashOf(bytes, start, end);
    const version = decoder.tableVersion;
    const known = this.#own?.get(hash, version, bytes, start, end) ?? this.#shared.get(hash, 0, bytes, start, end);
    if (known !== undefined) return known;
    const block = this.#parse(bytes, start, end);
    if (!decoder.usedTable) {
      this.#shared.put({ hash, version: 0 }, bytes, start, end, block);
    } else if (decoder.tableVersion === version) {
      this.#own ??= new BlockMemory<RequestBlock>(OWN_SLOTS);
      this.#own.put({ hash, version }, bytes, start, end, block);
    }
    return block;
  }

  /** Forgets what only speed needs: an idle connection should cost little. */
  trim(): void {
    this.#own = undefined;
  }

  #parse(bytes: Buffer, start: number, end: number): RequestBlock {
    const all = this.#decoder.decode(bytes, start, end);
    return parseRequestBlock(all, { takesConnect: this.#takesConnect, checksValues: this.#decoder.mayBeUnlawful });
  }
}
