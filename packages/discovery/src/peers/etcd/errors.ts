import { Code, ConnectError } from '@connectrpc/connect';
import type { Credentials } from '../../spec.ts';

/** What etcd or the way to it says, in words that tell where it was and what to do. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError';
  readonly code: Code;

  constructor(cause: unknown, server: string, credentials: Credentials) {
    const error = ConnectError.from(cause);
    super(`etcd at ${server}${explain(error, credentials)}`, { cause });
    this.code = error.code;
  }
}

function explain({ code, rawMessage }: ConnectError, { username }: Credentials): string {
  const who = username === undefined ? 'whoever gives no name' : `the user ${JSON.stringify(username)}`;
  const said = rawMessage.replace(/^etcdserver: /, '');
  if (code === Code.PermissionDenied) return ` does not let ${who} do that (${said}): grant a role for the prefix`;
  if (said.includes('user name is empty')) return ' asks for a username and a password, and none are given';
  if (said.includes('authentication failed')) return ` refuses the password of ${who}, or does not know it`;
  if (said.includes('invalid auth token')) return ' refuses the token';
  return `: ${said}`;
}
