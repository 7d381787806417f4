export interface Colors {
  readonly sea: string;
  readonly land: string;
  readonly shore: string;
  readonly grid: string;
  readonly dot: string;
  readonly capital: string;
  readonly circle: string;
  readonly spot: string;
  readonly text: string;
  readonly halo: string;
  readonly marker: string;
}

/** The map's colours, as the page's style says them in light and in dark. */
export function readColors(element: Element): Colors {
  const style = getComputedStyle(element);
  const read = (name: string): string => style.getPropertyValue(`--map-${name}`).trim();
  return {
    sea: read('sea'),
    land: read('land'),
    shore: read('shore'),
    grid: read('grid'),
    dot: read('dot'),
    capital: read('capital'),
    circle: read('circle'),
    spot: read('spot'),
    text: read('text'),
    halo: read('halo'),
    marker: read('marker'),
  };
}
