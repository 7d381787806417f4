import { calls } from '../state/calls.ts';
import { CALLS_FOR_P99, SECONDS_SHOWN, toPercentile, toRate } from '../state/call-stats.ts';
import { toMs, toNumber } from './words.ts';

const WIDTH = 300;
const HEIGHT = 54;

export function CallsCard() {
  const stats = calls.value;
  const { durationsMs } = stats;
  const p99 = durationsMs.length < CALLS_FOR_P99 ? undefined : toPercentile(durationsMs, 0.99);
  return (
    <section class="card calls" aria-label="Calls">
      <div class="rate">
        <p>
          <strong data-testid="rate">{toRate(stats).toFixed(1)}</strong>
          <span>calls/s</span>
        </p>
        <Sparkline values={stats.perSecond.slice(0, -1)} />
      </div>
      <dl class="facts">
        <div>
          <dt>median</dt>
          <dd>
            <span data-testid="p50">{toMs(toPercentile(durationsMs, 0.5))}</span> ms
          </dd>
        </div>
        <div>
          <dt>p99</dt>
          <dd>
            <span data-testid="p99">{toMs(p99)}</span> ms
          </dd>
        </div>
        <div>
          <dt>calls</dt>
          <dd data-testid="total">{toNumber(stats.total)}</dd>
        </div>
        <div class={stats.failed > 0 ? 'bad' : 'good'}>
          <dt>failed</dt>
          <dd data-testid="failed">{toNumber(stats.failed)}</dd>
        </div>
      </dl>
    </section>
  );
}

function Sparkline({ values }: { readonly values: readonly number[] }) {
  const most = Math.max(8, ...values);
  const points = values.map((value, i) => {
    const x = WIDTH * (1 - (values.length - 1 - i) / (SECONDS_SHOWN - 2));
    return `${x.toFixed(1)},${(HEIGHT - 2 - (value / most) * (HEIGHT - 6)).toFixed(1)}`;
  });
  const firstX = WIDTH * (1 - Math.max(0, values.length - 1) / (SECONDS_SHOWN - 2));
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label="Calls per second over the last minute"
    >
      <polygon points={`${firstX.toFixed(1)},${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} />
      <polyline points={points.join(' ')} />
    </svg>
  );
}
