import { computed, signal } from '@preact/signals';

export interface Focus {
  readonly latitude: number;
  readonly longitude: number;
  /** Of the place that was picked; empty for a point of the map. */
  readonly name: string;
}

/** The point that everything is looked at from: the middle of the circle on the map, and where distances are measured from. */
export const focus = signal<Focus>({ latitude: 51.92, longitude: 4.48, name: 'Rotterdam' });

/** Radius of the circle. */
export const radiusKm = signal(150);

/** What is looked around in; the same object until it changes. */
export const circle = computed(() => ({
  longitude: focus.value.longitude,
  latitude: focus.value.latitude,
  radiusKm: radiusKm.value,
}));

export const RADII_KM: readonly number[] = [50, 150, 500];

/** Distance over ground (haversine). */
export function toDistanceKm(from: Focus, to: { readonly latitude: number; readonly longitude: number }): number {
  const radians = Math.PI / 180;
  const h =
    Math.sin(((to.latitude - from.latitude) * radians) / 2) ** 2 +
    Math.cos(from.latitude * radians) *
      Math.cos(to.latitude * radians) *
      Math.sin(((to.longitude - from.longitude) * radians) / 2) ** 2;
  return 2 * 6371 * Math.asin(Math.sqrt(Math.min(1, h)));
}
