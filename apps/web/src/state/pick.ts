import { computed, effect, signal } from '@preact/signals';
import type { Place } from '../../../backend/gen/demo/places/v1/places_pb.ts';
import { focus } from './focus.ts';
import { query, results } from './search.ts';

/** Position of the result that the keyboard has chosen; -1 for none. It outlives a new list: fingers are ahead of calls. */
export const active = signal(-1);

/** Id of the result under the pointer; 0 for none. */
export const hovered = signal(0);

/** Id of the result that is shown on the map as well; 0 for none. */
export const pointedAt = computed(() => hovered.value || results.value.list[active.value]?.place.id || 0);

/** What was typed when a result was picked that has not been found yet. */
const awaited = signal<string | undefined>(undefined);

export function lookAt({ latitude, longitude, name }: Place): void {
  focus.value = { latitude, longitude, name };
}

/** Moves the keyboard's choice, from no result at all to the last one. */
export function moveActive(step: 1 | -1): void {
  const last = results.peek().list.length - 1;
  active.value = Math.min(Math.max(active.peek() + step, -1), last);
}

/** Picks what the keyboard has chosen, or the first result: of what was typed last, even if that is still looked for. */
export function pickActive(): void {
  awaited.value = query.peek();
}

/** Picks what was waited for as soon as it is there, and forgets a choice when something else is typed. */
export function startPicking(): void {
  effect(() => {
    void query.value;
    active.value = -1;
    awaited.value = undefined;
  });
  effect(() => {
    const { query: found, list } = results.value;
    if (awaited.value === undefined || awaited.value !== found) return;
    const chosen = list[Math.max(active.peek(), 0)];
    awaited.value = undefined;
    if (chosen !== undefined) lookAt(chosen.place);
  });
}
