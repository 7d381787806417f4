import { calls } from '../state/calls.ts';
import { isFailure, toInstance, type RecentCall } from '../state/call-stats.ts';
import { toHue, toMs } from './words.ts';

const SHOWN = 14;

export function RecentCard() {
  return (
    <section class="card recent" aria-label="Last calls">
      <header>
        <h2>Last calls</h2>
      </header>
      <table data-testid="calls">
        <thead class="unseen">
          <tr>
            <th scope="col">Method</th>
            <th scope="col">Answered by</th>
            <th scope="col">Duration</th>
            <th scope="col">Code</th>
          </tr>
        </thead>
        <tbody>
          {calls.value.recent.slice(0, SHOWN).map((call) => (
            <Row key={call.number} call={call} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ call }: { readonly call: RecentCall }) {
  const state = isFailure(call) ? 'bad' : call.code === 'ok' ? 'good' : 'idle';
  return (
    <tr data-testid="call">
      <td>{call.method}</td>
      <td class={call.version === undefined ? 'hue-place' : toHue(call.version)}>
        <span class="who">{call.version === undefined ? toInstance(call.endpoint ?? '–') : `v${call.version}`}</span>
        {(call.attempts ?? 1) > 1 && (
          <span class="again" title="retried">
            ×{call.attempts}
          </span>
        )}
      </td>
      <td class="ms">{toMs(call.durationMs)} ms</td>
      <td class={`code ${state}`}>{call.code}</td>
    </tr>
  );
}
