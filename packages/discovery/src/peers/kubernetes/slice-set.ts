import type { Endpoint } from '@bascule/core';
import type { Slice } from './endpoint-slice.ts';
import type { SliceEntry } from './slice-entry.ts';

/**
 * All slices that are followed, as one set of endpoints. An instance may stand in several slices: while it moves from
 * one to another, once per family of addresses, or for several Services.
 */
export interface SliceSet {
  get(name: string): Slice | undefined;
  /** A slice is as given now. */
  put(slice: Slice): SliceNews;
  /** A slice is deleted. */
  remove(name: string): SliceNews;
  /** These are all there are, the one that was written last at the end. */
  replace(slices: readonly Slice[]): void;
  has(instanceId: string): boolean;
  /** Whether the Service of a slice has other slices: then who left one may be on the way to another. */
  hasSiblings(slice: Slice): boolean;
  slices(): Iterable<Slice>;
  endpoints(): Endpoint[];
}

/** What a slice's change means for instances. */
export interface SliceNews {
  /** They are there as they are now. */
  readonly told: readonly Endpoint[];
  /** Instance ids that stand in no slice any more. */
  readonly gone: readonly string[];
}

export function createSliceSet(): SliceSet {
  /** In the order in which they were told. */
  const slices = new Map<string, Slice>();
  /** By instance id, then by name of the slice, in the order in which they were told. */
  const entriesOf = new Map<string, Map<string, SliceEntry>>();

  function add(slice: Slice): void {
    slices.set(slice.name, slice);
    for (const [id, entry] of slice.entries) {
      let entries = entriesOf.get(id);
      if (entries === undefined) entriesOf.set(id, (entries = new Map()));
      // What is told again is the newest.
      entries.delete(slice.name);
      entries.set(slice.name, entry);
    }
  }

  function take(slice: Slice, id: string): void {
    const entries = entriesOf.get(id);
    entries?.delete(slice.name);
    if (entries?.size === 0) entriesOf.delete(id);
  }

  function toNews(changed: readonly string[]): SliceNews {
    const told: Endpoint[] = [];
    const gone: string[] = [];
    for (const id of changed) {
      const entries = entriesOf.get(id);
      if (entries === undefined) gone.push(id);
      else told.push(merge(entries));
    }
    return { told, gone };
  }

  return {
    get: (name) => slices.get(name),
    put(slice) {
      const before = slices.get(slice.name);
      const left = [...(before?.entries.keys() ?? [])].filter((id) => !slice.entries.has(id));
      for (const id of left) take(slice, id);
      const changed = [...slice.entries].filter(([id, entry]) => before?.entries.get(id) !== entry).map(([id]) => id);
      slices.delete(slice.name);
      add(slice);
      return toNews([...changed, ...left]);
    },
    remove(name) {
      const slice = slices.get(name);
      if (slice === undefined) return { told: [], gone: [] };
      slices.delete(name);
      const left = [...slice.entries.keys()];
      for (const id of left) take(slice, id);
      return toNews(left);
    },
    replace(all) {
      slices.clear();
      entriesOf.clear();
      for (const slice of all) add(slice);
    },
    has: (instanceId) => entriesOf.has(instanceId),
    hasSiblings: ({ name, service }) =>
      slices.values().some((slice) => slice.service === service && slice.name !== name),
    slices: () => slices.values(),
    endpoints: () => [...entriesOf.values()].map(merge),
  };
}

/** The newest incarnation at the address that is preferred, as it was told last, with the services of all. */
function merge(entries: ReadonlyMap<string, SliceEntry>): Endpoint {
  const all = [...entries.values()].toReversed();
  const [first] = all.sort((a, b) => incarnationOf(b) - incarnationOf(a) || rankOf(a) - rankOf(b));
  const { endpoint } = first as SliceEntry;
  if (all.length === 1) return endpoint;
  const same = all.filter((entry) => entry.endpoint.incarnation === endpoint.incarnation);
  return { ...endpoint, services: [...new Set(same.flatMap((entry) => entry.endpoint.services))] };
}

const incarnationOf = ({ endpoint }: SliceEntry): number => endpoint.incarnation;
const rankOf = ({ isPreferred }: SliceEntry): number => (isPreferred ? 0 : 1);
