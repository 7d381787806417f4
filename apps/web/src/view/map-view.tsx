import { effect, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { TargetedKeyboardEvent, TargetedPointerEvent } from 'preact';
import { loadLand, type Land } from '../map/land.ts';
import { createWorldMap, type Pointed, type WorldMap } from '../map/world-map.ts';
import { circle, focus, RADII_KM, radiusKm } from '../state/focus.ts';
import { dotCount, dots, MOST_DOTS, nearbyState } from '../state/nearby.ts';
import { pointedAt } from '../state/pick.ts';
import { results } from '../state/search.ts';
import { PlusIcon, MinusIcon, WorldIcon } from './icons.tsx';
import { toNumber } from './words.ts';

/** A press that moved no farther is a click. */
const CLICK_PX = 5;

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [60, 0],
  ArrowRight: [-60, 0],
  ArrowUp: [0, 60],
  ArrowDown: [0, -60],
};

export function MapView() {
  const frame = useRef<HTMLDivElement>(null);
  const below = useRef<HTMLCanvasElement>(null);
  const above = useRef<HTMLCanvasElement>(null);
  const map = useRef<WorldMap>(null);
  const pointed = useSignal<Pointed | undefined>(undefined);
  const press = useRef<{ x: number; y: number; moved: boolean } | null>(null);

  useEffect(() => {
    if (frame.current === null || below.current === null || above.current === null) return undefined;
    map.current = createWorldMap(below.current, above.current);
    return runMap(map.current, frame.current);
  }, []);

  const lookAt = (x: number, y: number, name = ''): void => {
    const point = map.current?.toPoint(x, y);
    if (point !== undefined) focus.value = { ...point, name };
  };
  const onPointerMove = (event: TargetedPointerEvent<HTMLDivElement>): void => {
    const { offsetX: x, offsetY: y } = event;
    if (press.current !== null) {
      const [dx, dy] = [x - press.current.x, y - press.current.y];
      if (!press.current.moved && Math.hypot(dx, dy) < CLICK_PX) return;
      press.current = { x, y, moved: true };
      map.current?.drag(dx, dy);
    }
    pointed.value = press.current === null ? map.current?.toPlace(x, y) : undefined;
  };
  const onPointerUp = ({ offsetX, offsetY }: TargetedPointerEvent<HTMLDivElement>): void => {
    const clicked = press.current !== null && !press.current.moved;
    press.current = null;
    if (clicked) lookAt(offsetX, offsetY, map.current?.toPlace(offsetX, offsetY)?.name);
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const arrow = ARROWS[event.key];
    const { clientWidth, clientHeight } = event.currentTarget;
    if (arrow !== undefined) map.current?.drag(...(arrow as [number, number]));
    else if (event.key === '+' || event.key === '=') map.current?.zoom(1.6);
    else if (event.key === '-') map.current?.zoom(1 / 1.6);
    else if (event.key === 'Enter') lookAt(clientWidth / 2, clientHeight / 2);
    else return;
    event.preventDefault();
  };

  return (
    <section class="map" aria-label="Map">
      <div
        ref={frame}
        class="map-frame"
        data-testid="map"
        role="application"
        tabIndex={0}
        aria-label="Map of the world. Arrow keys move it, plus and minus zoom, Enter looks around its middle."
        onPointerDown={(event) => {
          press.current = { x: event.offsetX, y: event.offsetY, moved: false };
          if (event.pointerType === 'mouse') event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={() => (press.current = null)}
        onPointerLeave={() => (pointed.value = undefined)}
        onKeyDown={onKeyDown}
      >
        <canvas ref={below} />
        <canvas ref={above} />
        <div class="crosshair" aria-hidden="true" />
        {pointed.value !== undefined && (
          <div class="tip" style={{ left: `${pointed.value.x}px`, top: `${pointed.value.y}px` }} data-testid="map-tip">
            {pointed.value.name}
          </div>
        )}
      </div>
      <div class="map-tools">
        <button type="button" aria-label="Zoom in" onClick={() => map.current?.zoom(1.8)}>
          <PlusIcon />
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => map.current?.zoom(1 / 1.8)}>
          <MinusIcon />
        </button>
        <button type="button" aria-label="Show the whole world" onClick={() => map.current?.flyToWorld()}>
          <WorldIcon />
        </button>
      </div>
      <MapFoot />
    </section>
  );
}

function MapFoot() {
  const { name, latitude, longitude } = focus.value;
  return (
    <footer class="map-foot">
      <p aria-live="polite" data-testid="nearby">
        <strong>{toNumber(dotCount.value)}</strong> {dotCount.value === MOST_DOTS ? 'nearest places' : 'places'} around{' '}
        {name || toCoordinates(latitude, longitude)}
        <NearbyNote />
      </p>
      <fieldset class="segments">
        <legend class="unseen">Radius</legend>
        {RADII_KM.map((km) => (
          <label key={km}>
            <input type="radio" name="radius" checked={radiusKm.value === km} onChange={() => (radiusKm.value = km)} />
            <span>{toNumber(km)} km</span>
          </label>
        ))}
      </fieldset>
    </footer>
  );
}

function NearbyNote() {
  const state = nearbyState.value;
  if (state.type === 'looking') return <span class="note"> arriving …</span>;
  if (state.type === 'broken') return <span class="note bad"> {state.message}; trying again</span>;
  return <span class="note"> in {Math.round(state.tookMs)} ms</span>;
}

function toCoordinates(latitude: number, longitude: number): string {
  const [ns, ew] = [latitude < 0 ? 'S' : 'N', longitude < 0 ? 'W' : 'E'];
  return `${Math.abs(latitude).toFixed(1)}° ${ns}, ${Math.abs(longitude).toFixed(1)}° ${ew}`;
}

/** Connects a map to the page's state; gives back what ends that. */
function runMap(map: WorldMap, frame: HTMLElement): () => void {
  let land: Land | undefined;
  const show = (): void => {
    void dotCount.value;
    const markers = results.value.list.map(({ place }, i) => ({
      id: place.id,
      name: place.name,
      latitude: place.latitude,
      longitude: place.longitude,
      rank: i + 1,
    }));
    map.show({
      land,
      circle: circle.value,
      dots: dots.value,
      markers: results.value.query === '' ? [] : markers,
      hovered: pointedAt.value,
    });
  };
  const resizing = new ResizeObserver(() => map.resize({ width: frame.clientWidth, height: frame.clientHeight }));
  map.resize({ width: frame.clientWidth, height: frame.clientHeight });
  resizing.observe(frame);
  const recolor = (): void => map.recolor();
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', recolor);
  const endings = [effect(() => map.flyTo(circle.value)), effect(show)];
  void loadLand((loaded) => {
    land = loaded;
    show();
  }).catch(reportError);
  return () => {
    resizing.disconnect();
    dark.removeEventListener('change', recolor);
    for (const end of endings) end();
    map.close();
  };
}
