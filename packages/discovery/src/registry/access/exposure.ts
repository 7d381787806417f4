import { SpecError } from '../../spec.ts';
import type { Access } from './access.ts';

/**
 * Refuses to let a registry be reached by others without access rules: who can register gets everybody's calls. Throws
 * SpecError with what to do. `allowOpen` is the operator's own word that it is meant so.
 */
export function requireGuarded(options: {
  /** Where it is to listen, as in "0.0.0.0". */
  readonly host: string;
  readonly access: Access | undefined;
  readonly allowOpen: boolean;
}): void {
  const { host, access, allowOpen } = options;
  if (access !== undefined || allowOpen || isLoopback(host)) return;
  throw new SpecError(
    `${host} is reached from other machines, and whoever registers gets calls: ` +
      `give the registry access rules, let it listen on 127.0.0.1, or say that it is to be open`,
  );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
