import { calls } from '../state/calls.ts';
import { isFailure, toInstance, type RecentCall } from '../state/call-stats.ts';
import { toBuild, toHue, toShortName } from '../state/builds.ts';
import { toMs } from './words.ts';

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
  const build = call.version === undefined ? undefined : toBuild(call.version, call.endpoint);
  return (
    <tr data-testid="call">
      <td>{call.method}</td>
      <td class={build === undefined ? 'hue-place' : toHue(build)}>
        <span class="who">{build === undefined ? toInstance(call.endpoint ?? '–') : toShortName(build)}</span>
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
