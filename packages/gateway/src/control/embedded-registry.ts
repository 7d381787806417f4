import type { Clock } from '@bascule/core';
import {
  anyAccess,
  createRegistry,
  createTokenAccess,
  formatAuditLine,
  loadAccess,
  SpecError,
  type Access,
  type Registry,
} from '@bascule/discovery';
import { SettingsRefused } from '../config/error.ts';
import type { DiscoverySettings } from '../config/settings-types.ts';
import type { Log } from '../log.ts';

export interface EmbeddedRegistryOptions {
  readonly discovery: DiscoverySettings;
  readonly clock: Clock;
  /** Of the operator, who may do everything. */
  readonly token: string;
  readonly log: Log;
}

/** The registry inside this gateway. */
export interface EmbeddedRegistry {
  readonly registry: Registry;
  /** Reads changed rules; what it returns puts them in place. Throws SettingsRefused for a file that cannot be used. */
  prepare(discovery: DiscoverySettings): () => void;
}

/** Throws SettingsRefused for an access file that cannot be used. */
export function createEmbeddedRegistry(options: EmbeddedRegistryOptions): EmbeddedRegistry {
  const { clock, log } = options;
  const operator = createTokenAccess(options.token);

  function read({ registryAccessFile: file }: DiscoverySettings): Access | undefined {
    // Without a file the operator's listener lets nobody but the operator through.
    return file === undefined ? undefined : anyAccess(operator, loadRules(file, clock));
  }

  let rules = read(options.discovery);
  const registry = createRegistry({
    clock,
    access: rules && { identify: (shown) => rules?.identify(shown) },
    onEvent({ type, ...details }) {
      log({ level: type === 'recovered' ? 'info' : 'warn', message: `registry: ${type}`, ...details });
    },
    onAudit(event) {
      if (rules === undefined) return;
      log({ level: event.outcome === 'refused' ? 'warn' : 'info', message: `registry: ${formatAuditLine(event)}` });
    },
  });
  return {
    registry,
    prepare(discovery) {
      const next = read(discovery);
      return () => {
        rules = next;
        // Who has lost a right would otherwise go on as long as its stream does.
        if (rules !== undefined) registry.endStreams();
      };
    },
  };
}

function loadRules(file: string, clock: Clock): Access {
  try {
    return loadAccess({ file, clock });
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    const path = ['discovery', 'registryAccessFile'];
    throw new SettingsRefused({ path, message: error.message, advice: 'docs/registry-access.md describes the file.' });
  }
}
