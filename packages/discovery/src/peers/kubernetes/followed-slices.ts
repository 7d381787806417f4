import type { Feed } from '../../sources/feed.ts';
import type { JsonObject } from '../json.ts';
import type { Departures } from './departures.ts';
import { nameOfSlice, readSlice, type Slice, type SliceReader } from './endpoint-slice.ts';
import { createHistory } from './history.ts';
import type { SliceList } from './list.ts';
import { createSliceSet, type SliceNews } from './slice-set.ts';
import type { WatchEvent } from './watch.ts';

/** What is known of a cluster's slices, over all sessions, and what lists and events make of it. */
export interface FollowedSlices {
  /** This is what is there, and what changes from now on will be heard: tells all of it. */
  adopt(list: SliceList, session: HearingSession): void;
  /** Nothing else has come up to now: says again who is missing, if that has not been said often enough. */
  confirm(feed: Feed): void;
  hear(event: WatchEvent, session: HearingSession): void;
  /** Up to where everything is known. */
  version(): string;
}

export interface HearingSession {
  readonly feed: Feed;
  readonly departures: Departures;
  readonly reader: SliceReader;
}

/** Who is missing in a list is believed to be so after this many more words, if it is most of the set. */
const CONFIRMATIONS = 2;

export function createFollowedSlices(): FollowedSlices {
  const set = createSliceSet();
  const history = createHistory();
  let unconfirmed = 0;

  function read(value: JsonObject, reader: SliceReader): Slice[] {
    try {
      return [readSlice(value, set.get(nameOfSlice(value)), reader)];
    } catch (error) {
      reader.warn((error as Error).message);
      return [];
    }
  }

  function tellAll(feed: Feed): void {
    feed.answer({ endpoints: set.endpoints(), history: history.meaning() });
    unconfirmed--;
  }

  function tell({ told, gone }: SliceNews, slice: Slice, { feed, departures }: HearingSession): void {
    for (const endpoint of told) {
      departures.cancel(endpoint.instanceId);
      feed.put(endpoint);
    }
    const mayMove = set.hasSiblings(slice);
    for (const id of gone) {
      if (mayMove) departures.hold(id);
      else feed.removeInstance(id, 'deregistered');
    }
  }

  return {
    adopt({ version, items }, { feed, reader }) {
      const before = [...set.slices()];
      const after = items.flatMap((item) => read(item, reader));
      set.replace(after);
      history.listed(before, after, version);
      unconfirmed = 1 + CONFIRMATIONS;
      tellAll(feed);
    },
    confirm(feed) {
      if (unconfirmed > 0) tellAll(feed);
    },
    hear(event, session) {
      if (event.version !== '') history.advance(event.version);
      if (event.type === 'bookmark') return;
      const known = set.get(nameOfSlice(event.object));
      if (event.type === 'put') {
        const slice = readSlice(event.object, known, session.reader);
        tell(set.put(slice), slice, session);
      } else if (known !== undefined) {
        tell(set.remove(known.name), known, session);
      }
    },
    version: () => history.version(),
  };
}
