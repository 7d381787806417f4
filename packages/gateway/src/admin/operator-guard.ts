import { getField, type Layer, type RequestHead } from '@bascule/core';
import { answerText } from './text-answer.ts';

export interface OperatorGuardOptions {
  /** Ports under which the operator's listener is reached; read anew for each call, since port 0 is known late. */
  ports(): readonly number[];
  /** Further values of Host to let in, with port, lower-case. Default none. */
  readonly allowedHosts?: readonly string[];
  /** For a listener that other machines reach by names of theirs: any Host will do. Default false. */
  readonly anyHost?: boolean;
}

const LOOPBACK_NAMES = ['127.0.0.1', 'localhost', '[::1]'];
const FORM_TYPES = new Set(['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']);

/**
 * Keeps browser pages away from the operator's listener. A page of any site can make a browser send requests to
 * loopback: by a name of its own that resolves there (Host betrays it), by fetch (Origin betrays it), or by a form,
 * which needs no leave to send (its content types betray it).
 */
export function createOperatorGuard(options: OperatorGuardOptions): Layer {
  return (next) => (head, reply) => {
    const refusal = judge(head, options);
    return refusal === undefined ? next(head, reply) : answerText(reply, refusal);
  };
}

function judge(head: RequestHead, options: OperatorGuardOptions): { status: number; text: string } | undefined {
  if (options.anyHost !== true && !isKnownHost(head, options)) {
    return {
      status: 403,
      text: 'this listener answers to loopback names only: call http://127.0.0.1 or localhost, with the port\n',
    };
  }
  const site = getField(head.fields, 'sec-fetch-site');
  if (getField(head.fields, 'origin') !== undefined || site === 'cross-site' || site === 'same-site') {
    return { status: 403, text: 'browser pages may not call this listener: use the bascule command\n' };
  }
  const contentType = (getField(head.fields, 'content-type') ?? '').split(';', 1)[0] as string;
  if (FORM_TYPES.has(contentType.trim().toLowerCase())) {
    return { status: 415, text: 'form content types are not taken here: use the bascule command\n' };
  }
  return undefined;
}

/** Both places in which a caller can name the host must be right, where there are two. */
function isKnownHost(head: RequestHead, options: OperatorGuardOptions): boolean {
  const named = [head.authority, getField(head.fields, 'host')].filter((host) => host !== undefined && host !== '');
  const known = new Set(options.allowedHosts ?? []);
  for (const name of LOOPBACK_NAMES) {
    for (const port of options.ports()) {
      known.add(`${name}:${port}`);
      if (port === 80) known.add(name);
    }
  }
  return named.length > 0 && named.every((host) => known.has((host as string).toLowerCase()));
}
