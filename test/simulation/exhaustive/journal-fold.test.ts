import { describe, expect, it } from '@jest/globals';
import type { JournalEntry } from '@muster/records';
import { CommandFold } from '@muster/records';
import { searchJournalFold } from './journal-fold.js';

describe('the journal of a rollout on three endpoints that needs approval, every order of entries', () => {
  it('keeps its promises in every state that can be reached', () => {
    const { states, steps, broken } = searchJournalFold();
    expect({ states, steps, broken }).toEqual({ states: 2_002, steps: 38_038, broken: undefined });
  });

  it('shows the shortest way to a state that breaks one, when the code is wrong', () => {
    class NoRelease extends CommandFold {
      override apply(entry: JournalEntry) {
        if (entry.t === 'states') this.released = 3;
        return super.apply(entry);
      }
    }
    expect(searchJournalFold((record) => new NoRelease(record)).broken?.path.length).toBeLessThanOrEqual(3);
  });
});
