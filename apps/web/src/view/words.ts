const NUMBER = new Intl.NumberFormat('en');
const COUNTRIES = new Intl.DisplayNames('en', { type: 'region' });

export function toNumber(value: number): string {
  return NUMBER.format(value);
}

/** Two or three digits are enough for a duration. */
export function toMs(durationMs: number | undefined): string {
  if (durationMs === undefined) return '–';
  return durationMs < 10 ? durationMs.toFixed(1) : String(Math.round(durationMs));
}

/** The name of a country by its ISO code. */
export function toCountry(code: string): string {
  try {
    return COUNTRIES.of(code) ?? code;
  } catch {
    return code;
  }
}
