import type { EndpointDefaults } from '../../spec.ts';
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json.ts';
import {
  instanceIdOf,
  readEntry,
  readShared,
  type EntryTarget,
  type SharedBySlice,
  type SliceEntry,
} from './slice-entry.ts';
import { SERVICE_NAME_LABEL } from './target.ts';

/** A part of the instances of one Service. */
export interface Slice {
  readonly name: string;
  readonly uid: string;
  readonly service: string;
  /** By instance id. */
  readonly entries: ReadonlyMap<string, SliceEntry>;
}

export interface SliceReader {
  readonly target: EntryTarget;
  readonly defaults: EndpointDefaults;
  warn(message: string): void;
}

/** Throws for what is no slice. */
export function nameOfSlice(slice: JsonObject): string {
  const name = textAt(objectAt(slice, 'metadata'), 'name');
  if (name === '') throw new Error('the API server tells of an EndpointSlice without a name');
  return name;
}

/**
 * Reads an EndpointSlice. Of what cannot be read, `known` stays as it is, and a warning is said: garbage of one
 * instance takes no other with it, nor itself.
 */
export function readSlice(slice: JsonObject, known: Slice | undefined, reader: SliceReader): Slice {
  const metadata = objectAt(slice, 'metadata');
  const name = nameOfSlice(slice);
  const named = { ...reader, warn: (what: string) => reader.warn(`EndpointSlice ${name}: ${what}`) };
  return {
    name,
    uid: textAt(metadata, 'uid'),
    service: textAt(objectAt(metadata, 'labels'), SERVICE_NAME_LABEL),
    entries: readEntries(slice, known, named),
  };
}

function readEntries(slice: JsonObject, known: Slice | undefined, reader: SliceReader): Slice['entries'] {
  const told = listAt(slice, 'endpoints').filter(isObject);
  const entries = new Map<string, SliceEntry>();
  // The slice of a Service without instances has no ports either.
  if (told.length === 0) return entries;
  let shared: SharedBySlice;
  try {
    shared = readShared(slice, reader.target);
  } catch (error) {
    reader.warn((error as Error).message);
    return known?.entries ?? entries;
  }
  for (const raw of told) {
    const id = instanceIdOf(raw, shared);
    const before = known?.entries.get(id);
    const entry = readEntry({ ...reader, id, raw, shared, known: before }) ?? before;
    if (entry !== undefined) entries.set(id, entry);
  }
  return entries;
}
