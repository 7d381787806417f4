import { useSignal, useSignalEffect } from '@preact/signals';
import { currentBuild } from '../state/ranking.ts';
import { trafficOn } from '../state/traffic.ts';
import { CallsCard } from './calls-card.tsx';
import { BackendsCard } from './backends-card.tsx';
import { Logo } from './icons.tsx';
import { MapView } from './map-view.tsx';
import { RankingCard } from './ranking-card.tsx';
import { RecentCard } from './recent-card.tsx';
import { SearchView } from './search-view.tsx';
import { VersionChip } from './version-chip.tsx';

export function App() {
  return (
    <>
      <Header />
      <main>
        <SearchView />
        <MapView />
        <aside class="live" aria-label="Live">
          <CallsCard />
          <RankingCard />
          <BackendsCard />
          <RecentCard />
        </aside>
      </main>
    </>
  );
}

/** How long the bridge in the header stays open for a new version. */
const SWING_MS = 1400;

function Header() {
  const open = useSignal(false);
  useSignalEffect(() => {
    if (currentBuild.value === '') return undefined;
    open.value = true;
    const timer = setTimeout(() => (open.value = false), SWING_MS);
    return () => clearTimeout(timer);
  });
  return (
    <header class="top">
      <h1>
        <Logo open={open.value} />
        Bascule
      </h1>
      <p class="tagline">135,233 cities, called live from this page</p>
      <p class="order">
        <span class="order-label">ranking module</span>
        <VersionChip build={currentBuild.value} testId="current-version" />
      </p>
      <label class="switch">
        <input
          type="checkbox"
          role="switch"
          data-testid="traffic"
          checked={trafficOn.value}
          onChange={(event) => (trafficOn.value = event.currentTarget.checked)}
        />
        <span class="track" aria-hidden="true" />
        Traffic
      </label>
    </header>
  );
}
