import type { Fields } from '@bascule/core';

/** Told as code, message and details already. */
const STATUS_FIELDS: ReadonlySet<string> = new Set(['grpc-status', 'grpc-message', 'grpc-status-details-bin']);

/** Adds what a server said to `headers`. */
export function appendFields(headers: Headers, fields: Fields): void {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!STATUS_FIELDS.has(name)) headers.append(name, fields[i + 1] as string);
  }
}

/** Headers, made when they are first looked at and filled as the fields come. */
export class LazyHeaders {
  #fields: Fields | undefined = undefined;
  #headers: Headers | undefined = undefined;

  fill(fields: Fields): void {
    if (this.#headers !== undefined) appendFields(this.#headers, fields);
    else this.#fields = fields;
  }

  /** Always the same object: interceptors may change it. */
  get(): Headers {
    if (this.#headers === undefined) {
      this.#headers = new Headers();
      if (this.#fields !== undefined) appendFields(this.#headers, this.#fields);
    }
    return this.#headers;
  }
}
