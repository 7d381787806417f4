import { IncomingMessage, type IncomingHttpHeaders } from 'node:http';

const NO_HEADERS: IncomingHttpHeaders = Object.freeze({});

/**
 * A request whose `headers` hold `expect` alone. node:http looks it up in every request, and making the whole object
 * for that costs as much as parsing. The head itself is read from `rawHeaders`, in order and with duplicates.
 */
export class LeanRequest extends IncomingMessage {}

Object.defineProperty(LeanRequest.prototype, 'headers', {
  get(this: LeanRequest): IncomingHttpHeaders {
    const expect = findExpect(this.rawHeaders);
    return expect === undefined ? NO_HEADERS : { expect };
  },
});

/** All values of `expect`, joined as node:http does. */
function findExpect(raw: readonly string[]): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.length !== 6 || name.toLowerCase() !== 'expect') continue;
    found = found === undefined ? (raw[i + 1] as string) : `${found}, ${raw[i + 1]}`;
  }
  return found;
}
