import type { Page } from 'playwright-core';
import type { Demo } from './demo.ts';

/** Where the page looks at first. */
const ROTTERDAM = { latitude: 51.92, longitude: 4.48 };

const RESULTS = 12;

/** A place as the gateway tells of it in JSON. */
export interface PlaceJson {
  readonly id: number;
  readonly name: string;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly population?: number;
  readonly feature?: string;
}

export function readText(page: Page, testId: string): Promise<string> {
  return page.getByTestId(testId).innerText();
}

export async function readNumber(page: Page, testId: string): Promise<number> {
  return Number((await readText(page, testId)).replaceAll(',', ''));
}

/** Ids of the results as they stand. */
export async function readOrder(page: Page): Promise<number[]> {
  return page.getByTestId('result').evaluateAll((rows) => rows.map((row) => Number(row.getAttribute('data-place'))));
}

/** How many calls each backend has answered, by its name. */
export async function readBackends(page: Page): Promise<Record<string, number>> {
  const rows = await page
    .getByTestId('backend')
    .evaluateAll((all) => all.map((row) => [row.getAttribute('data-name'), row.querySelector('.count')?.textContent]));
  return Object.fromEntries(rows.map(([name, count]) => [name, Number(count?.replaceAll(',', ''))]));
}

/** What a search finds, asked for without the page. */
export async function search(demo: Demo, query: string): Promise<PlaceJson[]> {
  const response = await fetch(`${demo.url}/demo.places.v1.PlacesService/Search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, limit: RESULTS }),
  });
  return ((await response.json()) as { places: PlaceJson[] }).places;
}

/** The order of version 1: most people first. */
export function byPopulation(places: readonly PlaceJson[]): number[] {
  return places.toSorted((a, b) => (b.population ?? 0) - (a.population ?? 0) || a.id - b.id).map(({ id }) => id);
}

/** The order of version 2 as seen from Rotterdam: capitals first, then what is near. */
export function byCapital(places: readonly PlaceJson[]): number[] {
  const rank = (place: PlaceJson): number => (place.feature === 'PPLC' ? 0 : 1e9) + toChord(place);
  return places.toSorted((a, b) => rank(a) - rank(b) || a.id - b.id).map(({ id }) => id);
}

/** Straight through the Earth: grows with the distance over ground. */
function toChord(place: PlaceJson): number {
  const [a, b] = [toVector(ROTTERDAM), toVector({ latitude: place.latitude ?? 0, longitude: place.longitude ?? 0 })];
  return Math.hypot(...a.map((value, axis) => value - (b[axis] as number)));
}

function toVector({ latitude, longitude }: { latitude: number; longitude: number }): number[] {
  const [phi, lambda] = [(latitude * Math.PI) / 180, (longitude * Math.PI) / 180];
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)];
}
