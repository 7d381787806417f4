import { isObject, textAt } from '../json.ts';

/** The API server said no. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  readonly status: number;
  /** How long the server wants to be left alone; 0 when it does not say. */
  readonly retryAfterMs: number;

  constructor(message: string, status: number, retryAfterMs: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The API server does not know any more what has changed since a version: everything is listed anew. */
export class HistoryLost extends Error {
  override readonly name = 'HistoryLost';
}

/** Nobody is sent away for longer than this, whatever a server says. */
const MAX_RETRY_AFTER_MS = 60_000;
const MAX_WORDS = 400;

/** What is asked for, as far as words need it. */
export interface Wanted {
  readonly verb: 'list' | 'watch';
  readonly namespace: string;
}

/** `body` is a Status of Kubernetes, or whatever a proxy in between writes. */
export function refusalOf(status: number, body: string, retryAfter: string | undefined, wanted: Wanted): Error {
  const said = saidIn(body);
  if (status === 410) return new HistoryLost(said || 'too old resource version');
  const retryAfterMs = Math.min(1000 * Number(/^[0-9]{1,6}$/.exec(retryAfter ?? '')?.[0] ?? 0), MAX_RETRY_AFTER_MS);
  return new ApiRefusal(
    `the API server refuses to ${wanted.verb} EndpointSlices in namespace "${wanted.namespace}" with ${status}` +
      `${adviceFor(status, wanted)}${said === '' ? '' : ` (${said})`}`,
    status,
    retryAfterMs,
  );
}

function adviceFor(status: number, { namespace }: Wanted): string {
  switch (status) {
    case 401:
      return ': it does not know who we are; give a token that is valid';
    case 403:
      return (
        `: bind a Role of namespace "${namespace}" that allows the verbs "list" and "watch" on the resource ` +
        '"endpointslices" of the API group "discovery.k8s.io"'
      );
    case 404:
      return ': it has none; they came with Kubernetes 1.21';
    case 429:
      return ': it has too much to do';
    default:
      return '';
  }
}

function saidIn(body: string): string {
  const plain = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').slice(0, MAX_WORDS);
  try {
    const status: unknown = JSON.parse(body);
    return isObject(status) ? plain(textAt(status, 'message')) : '';
  } catch {
    return plain(body);
  }
}
