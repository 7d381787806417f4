import { calls } from '../state/calls.ts';
import type { Answers } from '../state/call-stats.ts';
import { toHue, toShortName } from '../state/builds.ts';
import { toNumber } from './words.ts';

/** Calls after which a row counts as silent. */
const SILENT_CALLS = 25;

export function BackendsCard() {
  const { backends, versions, total, retried } = calls.value;
  return (
    <section class="card backends" aria-label="Who answered">
      <header>
        <h2>Who answered</h2>
        <p class="note" data-testid="retried">
          {retried === 0 ? 'no retries' : `${toNumber(retried)} retried`}
        </p>
      </header>
      <Bars list={backends} total={total} testId="backend" hueOf={() => 'hue-place'} nameOf={(name) => name} />
      {backends.length + versions.length === 0 && (
        <p class="note">Answers do not say who they are from. Set observe.exposeEndpoint in bascule.yaml.</p>
      )}
      <Bars
        list={versions}
        total={total}
        testId="module-version"
        hueOf={toHue}
        nameOf={(name) => `ranking ${toShortName(name)}`}
      />
    </section>
  );
}

interface BarsProps {
  readonly list: readonly Answers[];
  readonly total: number;
  readonly testId: string;
  readonly hueOf: (name: string) => string;
  readonly nameOf: (name: string) => string;
}

function Bars({ list, total, testId, hueOf, nameOf }: BarsProps) {
  const most = Math.max(...list.map(({ count }) => count), 1);
  return (
    <ul class="bars">
      {list.map(({ name, count, newest }) => (
        <li
          key={name}
          class={`${hueOf(name)}${total - newest > SILENT_CALLS ? ' silent' : ''}`}
          data-testid={testId}
          data-name={name}
        >
          <span key={newest} class="beat" aria-hidden="true" />
          <span class="bar-name">{nameOf(name)}</span>
          <span class="bar" aria-hidden="true">
            <span style={{ transform: `scaleX(${count / most})` }} />
          </span>
          <span class="count">{toNumber(count)}</span>
        </li>
      ))}
    </ul>
  );
}
