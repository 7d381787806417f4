import { realpath } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { INITIAL_CREDIT_BYTES, getField, type Body, type Reply, type RequestHead, type Service } from '@bascule/core';
import { createFileReader, type FileContent, type FileReader } from './file-reader.ts';

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

interface File {
  readonly content: FileContent;
  readonly type: string;
  /** Names with a content hash, as bundlers make them, never change. */
  readonly immutable: boolean;
}

/** Serves the files of a folder, for GET and HEAD; everything else goes to `next`. */
export function createStaticFiles(folder: string, next: Service): Service {
  const read = createFileReader();
  return (head, reply) => {
    if (head.method !== 'GET' && head.method !== 'HEAD') return next(head, reply);
    const transfer = new Transfer(head, reply, next);
    void findFile(folder, head.path, read).then(
      (file) => transfer.start(file),
      () => transfer.start(undefined),
    );
    return transfer;
  };
}

async function findFile(folder: string, path: string, read: FileReader): Promise<File | undefined> {
  const pathname = decodeURIComponent(path.split('?', 1)[0] as string);
  if (pathname.includes('\0') || pathname.includes('\\')) return undefined;
  const wanted = join(folder, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
  const root = await realpath(folder);
  const real = await realpath(wanted);
  // Neither "../" nor a symbolic link leads out of the folder.
  if (!real.startsWith(root + sep)) return undefined;
  const content = await read(real);
  if (content === undefined) return undefined;
  return {
    content,
    type: TYPES[extname(real)] ?? 'application/octet-stream',
    immutable: /-[\w-]{8,}\.\w+$/.test(real),
  };
}

/** One file on its way out, within the caller's credit. */
class Transfer implements Body {
  #state: 'looking' | 'sending' | 'passed-on' | 'over' = 'looking';
  #credit = INITIAL_CREDIT_BYTES;
  /** Held as long as it is sent, so that others share it; undefined sends no bytes. */
  #content: FileContent | undefined;
  #sentBytes = 0;
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
    const { bytes, etag } = file.content;
    const fields = [
      ['content-type', file.type],
      ['etag', etag],
      ['cache-control', file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache'],
      ['x-content-type-options', 'nosniff'],
    ].flat();
    const same = getField(this.#head.fields, 'if-none-match') === etag;
    this.#state = 'sending';
    if (!same) fields.push('content-length', String(bytes.length));
    this.#reply.head({ status: same ? 304 : 200, fields });
    this.#content = same || this.#head.method === 'HEAD' ? undefined : file.content;
    this.#send();
  }

  #send(): void {
    while (this.#state === 'sending') {
      const rest = this.#content?.bytes.subarray(this.#sentBytes);
      if (rest === undefined || rest.length === 0) {
        this.#state = 'over';
        this.#reply.end([]);
        return;
      }
      const bytes = rest.subarray(0, this.#credit);
      if (bytes.length === 0) return;
      this.#credit -= bytes.length;
      this.#sentBytes += bytes.length;
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
