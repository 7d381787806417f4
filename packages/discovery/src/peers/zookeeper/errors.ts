/** Error codes of ZooKeeper that are told apart; the rest is told by number. */
export const ErrorCode = {
  systemError: -1,
  runtimeInconsistency: -2,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
  sessionMoved: -118,
  authRequired: -124,
  quotaExceeded: -125,
} as const;

const WORDS: Readonly<Record<number, string>> = {
  [ErrorCode.noNode]: 'there is no such node',
  [ErrorCode.noAuth]: 'the ACL of the node or of its parent does not let us: give the credentials of who made it',
  [ErrorCode.badVersion]: 'somebody else has written it in between',
  [ErrorCode.nodeExists]: 'the node is there already',
  [ErrorCode.notEmpty]: 'the node has children',
  [ErrorCode.sessionExpired]: 'the session has expired',
  [ErrorCode.invalidAcl]: 'the server does not take the ACL: with credentials, is its digest scheme turned off?',
  [ErrorCode.authFailed]: 'the server refuses the credentials',
  [ErrorCode.sessionMoved]: 'the session has moved to another server',
  [ErrorCode.authRequired]: 'the server wants credentials, and has none of ours: give a username and a password',
  [ErrorCode.quotaExceeded]: 'a quota is exceeded',
};

/** An operation failed; the connection goes on. */
export class ZookeeperError extends Error {
  override readonly name = 'ZookeeperError';
  readonly code: number;

  constructor(code: number, path: string) {
    super(`ZooKeeper, ${path}: ${WORDS[code] ?? `error ${code}`}`);
    this.code = code;
  }
}

/** The server does not know the session any more: its ephemeral nodes and its watches are gone. */
export class SessionExpired extends Error {
  override readonly name = 'SessionExpired';
}

/** The server refuses who we are, whichever session it is. */
export class AuthRefused extends Error {
  override readonly name = 'AuthRefused';
}

/**
 * The server has closed the connection instead of answering the first word: it is not ready, or it knows less than we
 * have seen already.
 */
export class HandshakeRefused extends Error {
  override readonly name = 'HandshakeRefused';
}

/** Whether an operation failed with this code. */
export function hasCode(error: unknown, code: number): boolean {
  return error instanceof ZookeeperError && error.code === code;
}

/** What was answered, or undefined when there is no such node. */
export async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (hasCode(error, ErrorCode.noNode)) return undefined;
    throw error;
  }
}
