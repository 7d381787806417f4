import type { CallError, Fields, Reply, ResponseHead } from '@bascule/core';

/** Fields that pages may read without being told. Source: Fetch, CORS-safelisted response-header name. */
const SAFE: ReadonlySet<string> = new Set([
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
]);

/** Adds what lets a page of another origin read an answer. */
export class CorsReply implements Reply {
  private readonly outer: Reply;
  private readonly fields: Fields;
  /** Names exposed on every answer, empty where the page may read none. */
  private readonly exposed: readonly string[];

  /** `fields` go on the head; `exposed` is empty where the origin may not read. */
  constructor(outer: Reply, fields: Fields, exposed: readonly string[]) {
    this.outer = outer;
    this.fields = fields;
    this.exposed = exposed;
  }

  head(head: ResponseHead): void {
    const fields = [...head.fields, ...this.fields];
    if (this.exposed.length > 0) fields.push('access-control-expose-headers', this.namesOf(head.fields));
    this.outer.head({ status: head.status, fields });
  }

  write(bytes: Uint8Array): void {
    this.outer.write(bytes);
  }

  end(trailers: Fields): void {
    this.outer.end(trailers);
  }

  fail(error: CallError): void {
    this.outer.fail(error);
  }

  grant(bytes: number): void {
    this.outer.grant(bytes);
  }

  /** The names on this answer beside the fixed ones: metadata is not known in advance, and `*` excludes credentials. */
  private namesOf(fields: Fields): string {
    const names = new Set(this.exposed);
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      if (!SAFE.has(name)) names.add(name);
    }
    return [...names].join(', ');
  }
}
