const NUMBER = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** A number of people for people: "8.3M people". */
export function toPeople(population: number): string {
  if (population === 0) return 'population unknown';
  return `${NUMBER.format(population)} people`;
}

/** A distance for people: "12 km away". */
export function toDistance(distanceKm: number): string {
  return distanceKm < 1 ? 'right here' : `${Math.round(distanceKm).toLocaleString('en')} km away`;
}
