/** What part of the world is shown. */
export interface Camera {
  /** Middle of the picture, in degrees. */
  readonly longitude: number;
  readonly latitude: number;
  /** Pixels per radian on the equator. */
  readonly scale: number;
}

const EARTH_RADIUS_KM = 6371;

/** Beyond it Mercator shows little but ice. */
const MAX_LATITUDE = 80;

const MAX_SCALE = 40_000;

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Scale at which the whole world fits. */
export function toWorldScale({ width, height }: Size): number {
  return Math.min(width / (2 * Math.PI), height / (2 * toNorthing(MAX_LATITUDE)));
}

/** Scale at which a circle fills most of the picture. */
export function toCircleScale({ width, height }: Size, circle: { latitude: number; radiusKm: number }): number {
  const reach = (0.42 * Math.min(width, height) * EARTH_RADIUS_KM) / circle.radiusKm;
  return Math.min(reach * Math.cos((circle.latitude * Math.PI) / 180), MAX_SCALE);
}

/** How far north a latitude lies on Mercator's map, in radians of the equator. */
function toNorthing(latitude: number): number {
  return Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360));
}

/** Keeps a camera to what can be drawn. */
export function clampCamera(camera: Camera, size: Size): Camera {
  const scale = Math.min(Math.max(camera.scale, toWorldScale(size)), MAX_SCALE);
  // Zoomed out, the middle moves to where no empty space is shown beyond the ends of the map.
  const room = Math.max(0, toNorthing(MAX_LATITUDE) - size.height / 2 / scale);
  const highest = Math.max(25, (Math.atan(Math.exp(room)) * 360) / Math.PI - 90);
  const latitude = Math.min(Math.max(camera.latitude, -highest), highest);
  return { scale, latitude, longitude: toLongitude(camera.longitude) };
}

/** The way from one camera to another; `share` runs from 0 to 1. Between far points it draws back on the way. */
export function toBetween(from: Camera, to: Camera, share: number): Camera {
  const eased = share < 0.5 ? 4 * share ** 3 : 1 - (-2 * share + 2) ** 3 / 2;
  const turn = toLongitude(to.longitude - from.longitude);
  const climb = to.latitude - from.latitude;
  const path = Math.log(from.scale) * (1 - eased) + Math.log(to.scale) * eased;
  const pixels = (Math.hypot(turn, climb) * Math.PI * Math.min(from.scale, to.scale)) / 180;
  const drawBack = Math.log(Math.max(1, pixels / 900)) * Math.sin(Math.PI * eased);
  return {
    longitude: toLongitude(from.longitude + turn * eased),
    latitude: from.latitude + climb * eased,
    scale: Math.exp(path - drawBack),
  };
}

/** The same longitude within -180 to 180. */
export function toLongitude(degrees: number): number {
  return ((((degrees + 180) % 360) + 360) % 360) - 180;
}
