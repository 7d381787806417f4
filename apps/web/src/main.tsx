import { render } from 'preact';
import { searchFor, startReordering } from './state/search.ts';
import { startNearby } from './state/nearby.ts';
import { startPicking } from './state/pick.ts';
import { startTraffic } from './state/traffic.ts';
import { openWatch } from './state/watch.ts';
import { App } from './view/app.tsx';

const root = document.querySelector('#app');
if (root === null) throw new Error('index.html has no #app');
render(<App />, root);
searchFor('');
startReordering();
startPicking();
startNearby();
openWatch();
startTraffic();
