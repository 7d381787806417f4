import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { INITIAL_CREDIT_BYTES, getField, type Body, type Reply, type RequestHead, type Service } from '@bascule/core';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/** Files larger than this are not for this server: they are answered as not found. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

interface File {
  readonly bytes: Uint8Array;
  readonly type: string;
  readonly etag: string;
  /** Names with a content hash, as bundlers make them, never change. */
  readonly immutable: boolean;
}

/** Serves the files of a folder, for GET and HEAD; everything else goes to `next`. */
export function createStaticFiles(folder: string, next: Service): Service {
  return (head, reply) => {
    if (head.method !== 'GET' && head.method !== 'HEAD') return next(head, reply);
    const transfer = new Transfer(head, reply, next);
    void findFile(folder, head.path).then(
      (file) => transfer.start(file),
      () => transfer.start(undefined),
    );
    return transfer;
  };
}

async function findFile(folder: string, path: string): Promise<File | undefined> {
  const pathname = decodeURIComponent(path.split('?', 1)[0] as string);
  if (pathname.includes('\0') || pathname.includes('\\')) return undefined;
  const wanted = join(folder, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
  const root = await realpath(folder);
  const real = await realpath(wanted);
  // Neither "../" nor a symbolic link leads out of the folder.
  if (!real.startsWith(root + sep)) return undefined;
  const facts = await stat(real);
  if (!facts.isFile() || facts.size > MAX_FILE_BYTES) return undefined;
  const bytes = await readFile(real);
  return {
    bytes,
    type: TYPES[extname(real)] ?? 'application/octet-stream',
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
    immutable: /-[\w-]{8,}\.\w+$/.test(real),
  };
}

/** One file on its way out, within the caller's credit. */
class Transfer implements Body {
  #state: 'looking' | 'sending' | 'passed-on' | 'over' = 'looking';
  #credit = INITIAL_CREDIT_BYTES;
  #rest: Uint8Array = new Uint8Array();
  #passedTo: Body | undefined;
  readonly #head: RequestHead;
  readonly #reply: Reply;
  readonly #next: Service;

  constructor(head: RequestHead, reply: Reply, next: Service) {
    this.#head = head;
    this.#reply = reply;
    this.#next = next;
  }

  start(file: File | undefined): void {
    if (this.#state !== 'looking') return;
    if (file === undefined) {
      this.#state = 'passed-on';
      this.#passedTo = this.#next(this.#head, this.#reply);
      this.#passedTo.end();
      return;
    }
    const fields = [
      ['content-type', file.type],
      ['etag', file.etag],
      ['cache-control', file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache'],
      ['x-content-type-options', 'nosniff'],
    ].flat();
    const same = getField(this.#head.fields, 'if-none-match') === file.etag;
    this.#state = 'sending';
    if (!same) fields.push('content-length', String(file.bytes.length));
    this.#reply.head({ status: same ? 304 : 200, fields });
    this.#rest = same || this.#head.method === 'HEAD' ? new Uint8Array() : file.bytes;
    this.#send();
  }

  #send(): void {
    while (this.#state === 'sending') {
      if (this.#rest.length === 0) {
        this.#state = 'over';
        this.#reply.end([]);
        return;
      }
      const bytes = this.#rest.subarray(0, this.#credit);
      if (bytes.length === 0) return;
      this.#credit -= bytes.length;
      this.#rest = this.#rest.subarray(bytes.length);
      this.#reply.write(bytes);
    }
  }

  write(): void {}

  end(): void {}

  grant(bytes: number): void {
    this.#credit += bytes;
    if (this.#passedTo !== undefined) this.#passedTo.grant(bytes);
    else this.#send();
  }

  cancel(): void {
    this.#passedTo?.cancel('caller-gone');
    this.#state = 'over';
  }
}
