import { describe, expect, it } from '@jest/globals';
import { dearestFunctions, programOf, type CpuProfile } from './cpu-profile.js';

const frame = (id: number, functionName: string, url = '', lineNumber = 0) => ({
  id,
  callFrame: { functionName, url, lineNumber },
});
const profile: CpuProfile = {
  nodes: [
    frame(1, '(root)'),
    frame(2, '(idle)'),
    frame(3, 'merge', 'file:///x/services/query/dist/merge.js', 9),
    // The same function, called from elsewhere.
    frame(4, 'merge', 'file:///x/services/query/dist/merge.js', 9),
    frame(5, '', 'file:///x/node_modules/ws/lib/sender.js', 4),
    frame(6, '(garbage collector)'),
  ],
  samples: [2, 3, 4, 5, 6, 2],
  timeDeltas: [90_000, 3_000, 2_000, 4_000, 1_000, 50_000],
};

describe('the functions of a CPU profile', () => {
  it('are counted over all places from which they are called, and idle time is none of theirs', () => {
    expect(dearestFunctions(profile, 10)).toEqual([
      { name: 'merge', place: 'query/dist/merge.js:10', ms: 5, share: 0.5 },
      { name: '(anonymous)', place: 'ws/lib/sender.js:5', ms: 4, share: 0.4 },
      { name: '(garbage collector)', place: '', ms: 1, share: 0.1 },
    ]);
    expect(dearestFunctions(profile, 1)).toHaveLength(1);
  });

  it('belong to the program whose main file ran, not to what measures it', () => {
    const of = (...urls: string[]) =>
      programOf({ nodes: urls.map((url, i) => frame(i, '', url)), samples: [], timeDeltas: [] });
    expect(of('file:///x/test/dist/load/turn-meter/main.js', 'file:///x/services/api/dist/main.js')).toBe('api');
    expect(of('file:///x/test/dist/load/fleet/main.js')).toBe('fleet');
    expect(of('file:///x/other.js')).toBe('other');
  });
});
