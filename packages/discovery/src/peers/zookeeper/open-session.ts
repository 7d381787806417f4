import { SpecError, type SystemOptions } from '../../spec.ts';
import { refuseUnusedTls } from '../hosts.ts';
import type { ZookeeperLocation } from './location.ts';
import { Session } from './session.ts';

/** A session as the options of a system say. Nothing is connected yet. Throws SpecError. */
export function openSession(
  { servers, hasTls }: ZookeeperLocation,
  { url, clock, credentials }: Pick<SystemOptions, 'url' | 'clock' | 'credentials'>,
  timeoutMs: number,
): Session {
  const { token, username, password = '', tls } = credentials;
  refuseUnusedTls(url, credentials, 'zookeeper+tls');
  if (token !== undefined) throw new SpecError('ZooKeeper knows no tokens: give a username and a password');
  if (username?.includes(':') === true) throw new SpecError('users of ZooKeeper have no colon in their name');
  const digest = username === undefined ? undefined : `${username}:${password}`;
  return new Session({ servers, tls: hasTls ? (tls ?? {}) : undefined, clock, timeoutMs, digest });
}
