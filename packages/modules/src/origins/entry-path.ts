import { ModuleRefused } from '../refusal.ts';

const ADVICE = 'Pack the module again with "npm pack", from its own folder';
const MAX_PATH_BYTES = 1024;

/** What an archive says of one entry. */
export interface ArchiveEntry {
  readonly path: string;
  /** Name of the tar type, as "File" or "SymbolicLink". */
  readonly type: string;
  readonly bytes: number;
}

/** Where an entry goes, as folder names; its last part is the file. */
export interface EntryPlace {
  readonly kind: 'file' | 'folder';
  readonly parts: readonly string[];
}

/** Decides which entries may be written. One gate per archive: it remembers names and counts. */
export function createEntryGate(limits: {
  maxFiles: number;
  maxUnpackedBytes: number;
}): (entry: ArchiveEntry) => EntryPlace {
  const seen = new Set<string>();
  let entries = 0;
  let bytes = 0;
  return ({ path, type, bytes: size }) => {
    const shown = JSON.stringify(path.length > 120 ? `${path.slice(0, 120)}...` : path);
    const kind = kindOf(type);
    if (kind === undefined)
      throw new ModuleRefused(
        `the package holds ${shown}, which is a ${type}`,
        'Pack plain files and folders only: no links, no devices',
      );
    const parts = partsOf(path, shown);
    entries++;
    bytes += size;
    if (entries > limits.maxFiles)
      throw new ModuleRefused(
        `the package holds more than ${limits.maxFiles} files and folders`,
        'Leave out what the module does not need',
      );
    if (bytes > limits.maxUnpackedBytes) {
      throw new ModuleRefused(
        `the package unpacks to more than ${limits.maxUnpackedBytes} bytes`,
        'Leave out what the module does not need',
      );
    }
    // Some file systems fold case and composition: there, the later one of two such files would silently win.
    const key = parts.join('/').normalize('NFC').toLowerCase();
    if (kind === 'file' && seen.has(key)) throw new ModuleRefused(`the package holds ${shown} twice`, ADVICE);
    if (kind === 'file') seen.add(key);
    return { kind, parts };
  };
}

function kindOf(type: string): EntryPlace['kind'] | undefined {
  switch (type) {
    case 'File':
    case 'OldFile':
    case 'ContiguousFile':
      return 'file';
    case 'Directory':
    case 'GNUDumpDir':
      return 'folder';
    default:
      return undefined;
  }
}

function partsOf(path: string, shown: string): string[] {
  if (/^(?:\/|\\|[a-zA-Z]:)/.test(path))
    throw new ModuleRefused(`the package holds the absolute path ${shown}`, ADVICE);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES || /[\0\\]/.test(path))
    throw new ModuleRefused(`the package holds the malformed path ${shown}`, ADVICE);
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new ModuleRefused(`the package holds ${shown}, which leads outside of it`, ADVICE);
  return parts;
}
