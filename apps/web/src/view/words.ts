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

/** One of the style's hues for a version: the same version always has the same, neighbours have different ones. */
export function toHue(version: string): string {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const sum = (parts[0] ?? 0) + 2 * (parts[1] ?? 0) + 3 * (parts[2] ?? 0);
  return `hue-${sum % 4}`;
}
