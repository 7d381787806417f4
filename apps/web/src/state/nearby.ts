import { effect, signal } from '@preact/signals';
import type { Place } from '../../../backend/gen/demo/places/v1/places_pb.ts';
import { placesClient } from '../rpc/clients.ts';
import { toMessage } from '../rpc/errors.ts';
import { readUntilDone } from '../rpc/reopen.ts';
import { focus, radiusKm, type Focus } from './focus.ts';

/** No more are asked for. */
export const MOST_DOTS = 2000;

export interface Dot {
  readonly place: Place;
  readonly distanceKm: number;
  /** `performance.now()` of its arrival. */
  readonly arrivedMs: number;
}

export type NearbyState =
  | { readonly type: 'looking' }
  | { readonly type: 'done'; readonly tookMs: number }
  | { readonly type: 'broken'; readonly message: string };

/** Grows while a stream runs; a new array begins with each stream. `dotCount` tells of the growth. */
export const dots = signal<Dot[]>([]);
export const dotCount = signal(0);
export const nearbyState = signal<NearbyState>({ type: 'looking' });

let controller = new AbortController();
let reading: Promise<void> = Promise.resolve();

/** Streams the places around the focus whenever it or the radius changes. */
export function startNearby(): void {
  effect(() => {
    const centre = focus.value;
    const radius = radiusKm.value;
    controller.abort();
    const { signal } = (controller = new AbortController());
    // A browser has six connections for all tabs of an origin: the old stream has to be gone before a new one starts.
    reading = reading.then(() => look(centre, radius, signal));
  });
}

async function look(centre: Focus, radius: number, signal: AbortSignal): Promise<void> {
  await readUntilDone({
    signal,
    async read(onAnswer) {
      const startMs = performance.now();
      const list: Dot[] = [];
      dots.value = list;
      dotCount.value = 0;
      nearbyState.value = { type: 'looking' };
      const request = { latitude: centre.latitude, longitude: centre.longitude, radiusKm: radius, limit: MOST_DOTS };
      for await (const { place, distanceKm } of placesClient.nearby(request, { signal })) {
        onAnswer();
        if (place !== undefined) list.push({ place, distanceKm, arrivedMs: performance.now() });
        dotCount.value = list.length;
      }
      nearbyState.value = { type: 'done', tookMs: performance.now() - startMs };
    },
    onBroken(reason) {
      nearbyState.value = { type: 'broken', message: toMessage(reason) };
    },
  });
}
