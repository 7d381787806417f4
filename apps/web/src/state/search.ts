import { effect, signal } from '@preact/signals';
import type { Place } from '../../../backend/gen/demo/places/v1/places_pb.ts';
import type { Ranked } from '../../../backend/gen/demo/ranking/v1/ranking_pb.ts';
import { placesClient } from '../rpc/clients.ts';
import { isCanceled, toMessage } from '../rpc/errors.ts';
import { focus } from './focus.ts';
import { currentBuild, rank } from './ranking.ts';

/** Pause in typing after which a search is made. */
const DEBOUNCE_MS = 90;

const RESULTS = 12;

export interface Result {
  readonly place: Place;
  /** Undefined while the module has not answered: results are shown in the order they were found. */
  readonly ranked: Ranked | undefined;
}

export interface Results {
  readonly query: string;
  readonly list: readonly Result[];
  /** Build of the module that ordered the list; empty if none did. */
  readonly build: string;
}

export const query = signal('');
export const results = signal<Results>({ query: '', list: [], build: '' });
export const searching = signal(false);
/** What went wrong with the newest search; empty if nothing did. */
export const searchError = signal('');

let timer: ReturnType<typeof setTimeout> | undefined;
let controller = new AbortController();
let reordering = new AbortController();

/** Searches after a pause; what was asked before is given up. */
export function searchFor(text: string): void {
  query.value = text;
  searching.value = true;
  clearTimeout(timer);
  controller.abort();
  timer = setTimeout(() => void search(text), DEBOUNCE_MS);
}

async function search(text: string): Promise<void> {
  const { signal } = (controller = new AbortController());
  try {
    const { places } = await placesClient.search({ query: text, limit: RESULTS }, { signal });
    await order(text, places, signal);
    searchError.value = '';
  } catch (reason) {
    if (signal.aborted || isCanceled(reason)) return;
    searchError.value = toMessage(reason);
  }
  if (!signal.aborted) searching.value = false;
}

async function order(text: string, places: readonly Place[], signal: AbortSignal): Promise<void> {
  try {
    const { ranked, build } = await rank(places, signal);
    if (signal.aborted) return;
    const byId = new Map(places.map((place) => [place.id, place]));
    const list = ranked.flatMap((each) => {
      const place = byId.get(each.id);
      return place === undefined ? [] : [{ place, ranked: each }];
    });
    results.value = { query: text, list, build };
  } catch (reason) {
    if (signal.aborted) return;
    results.value = { query: text, list: places.map((place) => ({ place, ranked: undefined })), build: '' };
    throw reason;
  }
}

/** Orders what is shown anew, unless a search is under way that will do so anyway. */
export async function reorder(): Promise<void> {
  const { query: text, list } = results.peek();
  if (list.length === 0 || searching.peek()) return;
  reordering.abort();
  reordering = new AbortController();
  const signal = AbortSignal.any([controller.signal, reordering.signal]);
  try {
    const places = list.map(({ place }) => place);
    await order(text, places, signal);
    searchError.value = '';
  } catch (reason) {
    if (!signal.aborted && !isCanceled(reason)) searchError.value = toMessage(reason);
  }
}

/** Whether another build than the current one ordered what is shown, or none did. */
export function isStale(): boolean {
  return currentBuild.peek() !== '' && results.peek().build !== currentBuild.peek();
}

/** Orders results anew as soon as another build of the module answers, or distances are measured from elsewhere. */
export function startReordering(): void {
  effect(() => {
    void currentBuild.value;
    if (isStale()) void reorder();
  });
  effect(() => {
    void focus.value;
    void reorder();
  });
}
