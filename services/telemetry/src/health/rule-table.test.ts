import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DEFAULT_HEALTH_POLICY } from './health-policy.js';
import type { Level, RuleState } from './rule-state.js';
import { RuleTable } from './rule-table.js';

const { rules } = DEFAULT_HEALTH_POLICY;
const SLOTS = 6;
const level = fc.constantFrom<Level>(0, 1, 2);
const state = fc.record({ level, wanted: level, wantedSince: fc.nat(1_000), seen: fc.nat(1_000) });
const step = fc.oneof(
  fc.record({ do: fc.constant('begin' as const), slot: fc.nat(SLOTS - 1), rule: fc.nat(rules.length - 1) }),
  fc.record({
    ...{ do: fc.constant('set' as const), slot: fc.nat(SLOTS - 1), rule: fc.nat(rules.length - 1), state },
  }),
);

test('what a rule was set to is what it is, and a slot that begins again knows only its record', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new RuleTable(rules);
      const expected = new Map<string, RuleState>();
      for (let slot = 0; slot < SLOTS; slot += 1) table.begin(slot, []);
      for (const one of steps) {
        if (one.do === 'set') {
          table.set(one.slot, one.rule, one.state);
          expected.set(`${one.slot}/${one.rule}`, one.state);
          continue;
        }
        table.begin(one.slot, [{ rule: (rules[one.rule] as (typeof rules)[number]).name, state: 'warning' }]);
        rules.forEach((_, i) => expected.delete(`${one.slot}/${i}`));
        expected.set(`${one.slot}/${one.rule}`, { level: 1, wanted: 1, wantedSince: 0, seen: 0 });
      }
      for (let slot = 0; slot < SLOTS; slot += 1) {
        for (const [i] of rules.entries()) {
          const { level, wanted, wantedSince } = expected.get(`${slot}/${i}`) ?? {
            level: 0,
            wanted: 0,
            wantedSince: 0,
          };
          const found = table.get(slot, i);
          expect([found.level, found.wanted]).toEqual([level, wanted]);
          // Since when it wants what it is says nothing.
          if (level !== wanted) expect(found.wantedSince).toBe(wantedSince);
        }
      }
    }),
  );
});
