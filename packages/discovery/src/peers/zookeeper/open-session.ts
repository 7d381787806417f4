import { SpecError, type SystemOptions } from '../../spec.ts';
import type { ZookeeperLocation } from './location.ts';
import { Session } from './session.ts';

/** A session as the options of a system say. Nothing is connected yet. Throws SpecError. */
export function openSession(
  { servers, hasTls }: ZookeeperLocation,
  { clock, credentials }: Pick<SystemOptions, 'clock' | 'credentials'>,
  timeoutMs: number,
): Session {
  const { username, password = '', tls } = credentials;
  if (username?.includes(':') === true) throw new SpecError('users of ZooKeeper have no colon in their name');
  const digest = username === undefined ? undefined : `${username}:${password}`;
  return new Session({ servers, tls: hasTls ? (tls ?? {}) : undefined, clock, timeoutMs, digest });
}
